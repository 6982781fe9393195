import type { Buffer } from "node:buffer";
import { Cluster, type ClusterOptions, type Redis } from "ioredis";
import { type HostPort, splitAddress } from "../../../src/platform/address.ts";
import { CLIENT_TLS, TLS } from "../../support/tls.ts";
import type { ClusterClient, ConnectOptions, Word } from "./client.ts";

/** ioredis with sharded subscribers. */
export class IoredisClient implements ClusterClient {
  readonly #cluster: Cluster;
  readonly #errors: Error[] = [];
  readonly #throughOutages: boolean;
  /** The status does not show this: it may be "close" after "end". */
  readonly #ended: Promise<void>;

  private constructor(cluster: Cluster, throughOutages: boolean) {
    this.#cluster = cluster;
    this.#throughOutages = throughOutages;
    for (const event of ["error", "node error"]) {
      cluster.on(event, (error) => this.#errors.push(error));
    }
    this.#ended = new Promise((resolve) => cluster.once("end", resolve));
  }

  /** @param more further options */
  static async connect(
    options: ConnectOptions,
    more: Pick<ClusterOptions, "enableAutoPipelining" | "natMap"> = {},
  ): Promise<IoredisClient> {
    const { host, port, protocol, readReplicas = false, throughOutages = false } = options;
    const { otherSeeds = [], resolve, isInside, tls } = options;
    const cluster = new Cluster([{ host, port }, ...otherSeeds], {
      lazyConnect: true,
      shardedSubscribers: true,
      scaleReads: readReplicas ? "slave" : "master",
      redisOptions: { protocol, ...tls ? { tls } : tlsOf(isInside) },
      ...resolve && { natMap: (address) => resolved(splitAddress(address)!, resolve) },
      ...more,
    });
    const client = new IoredisClient(cluster, throughOutages);
    await cluster.connect();
    return client;
  }

  get addresses(): string[] {
    return this.#cluster.nodes("all").map(({ options }) => `${options.host}:${options.port}`);
  }

  /** The connection to the primary at a port. */
  primaryAt(port: number): Redis {
    return this.#cluster.nodes("master").find(({ options }) => options.port === port)!;
  }

  command(_key: Word, ...[command, ...words]: [string, ...Word[]]): Promise<unknown> {
    return this.#cluster.call(command, ...words);
  }

  getBytes(key: Word): Promise<Buffer | null> {
    return this.#cluster.getBuffer(key);
  }

  onPrimaries(command: string, ...words: string[]): Promise<unknown[]> {
    return Promise.all(this.#cluster.nodes("master").map((node) => node.call(command, ...words)));
  }

  async pipeline(_key: string, commands: [string, ...string[]][]): Promise<unknown[]> {
    const pipeline = this.#cluster.pipeline();
    for (const [command, ...words] of commands) pipeline.call(command, ...words);
    return resultsOf(await pipeline.exec())!;
  }

  async transaction(
    key: string,
    commands: [string, ...string[]][],
    watched?: () => Promise<unknown>,
  ): Promise<unknown[] | null> {
    if (watched !== undefined) {
      await this.#cluster.watch(key);
      await watched();
    }
    const transaction = this.#cluster.multi();
    for (const [command, ...words] of commands) transaction.call(command, ...words);
    return resultsOf(await transaction.exec());
  }

  async subscribe(
    kind: "" | "p" | "s",
    channel: string,
    listener: (message: string) => void,
  ): Promise<void> {
    const cluster = this.#cluster;
    switch (kind) {
      case "":
        cluster.on("message", (_channel, message) => listener(message));
        await cluster.subscribe(channel);
        break;
      case "p":
        cluster.on("pmessage", (_pattern, _channel, message) => listener(message));
        await cluster.psubscribe(channel);
        break;
      case "s":
        cluster.on("smessage", (from, message) => {
          if (from === channel) listener(message);
        });
        await cluster.ssubscribe(channel);
        break;
    }
  }

  leave(): void {
    this.#cluster.disconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A pending refresh of slots, such as after MOVED, would outlive the client.
    await new Promise((resolve) => this.#cluster.refreshSlotsCache(resolve));
    this.#cluster.disconnect();
    await this.#ended;
    if (this.#errors.length > 0 && !this.#throughOutages) {
      throw new AggregateError(this.#errors, "ioredis had errors");
    }
  }
}

/** The options for TLS, if the other side speaks it. */
export function tlsOf(isInside = false): { tls?: typeof CLIENT_TLS } {
  return TLS[isInside ? "nodes" : "clients"] ? { tls: CLIENT_TLS } : {};
}

/** Returns null for an address that stays unchanged. */
function resolved(
  { host, port }: HostPort,
  resolve: NonNullable<ConnectOptions["resolve"]>,
): HostPort | null {
  const ip = resolve(host);
  return ip === undefined ? null : { host: ip, port };
}

/** The results of a pipeline without errors. */
function resultsOf(pairs: [Error | null, unknown][] | null): unknown[] | null {
  if (pairs === null) return null;
  return pairs.map(([error, result]) => {
    if (error !== null) throw error;
    return result;
  });
}
