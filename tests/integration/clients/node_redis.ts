import { Buffer } from "node:buffer";
import { type BasicPooledClientSideCache, createCluster, RESP_TYPES, WatchError } from "redis";
import { lookup as lookUp } from "node:dns";
import type { LookupFunction } from "node:net";
import { CLIENT_TLS, TLS } from "../../support/tls.ts";
import type { ClusterClient, ConnectOptions, Word } from "./client.ts";

type Cluster = ReturnType<typeof open>;

function open(options: ConnectOptions, cache: BasicPooledClientSideCache | undefined) {
  const { host, port, otherSeeds = [], protocol, readReplicas = false } = options;
  const { resolve, isInside } = options;
  const security = options.tls ? { tls: true as const, ...options.tls } : securityOf(isInside);
  const socket = { ...security, ...resolve && { lookup: lookupBy(resolve) } };
  return createCluster({
    rootNodes: [{ host, port }, ...otherSeeds].map((socket) => ({ socket })),
    defaults: {
      socket,
      // It would resolve each name in DNS before HELLO.
      ...resolve && { maintNotifications: "disabled" as const },
    },
    RESP: protocol,
    useReplicas: readReplicas,
    ...cache === undefined ? {} : { clientSideCache: cache },
  });
}

/** The options for TLS, if the other side speaks it. */
function securityOf(isInside = false) {
  return TLS[isInside ? "nodes" : "clients"] ? { tls: true as const, ...CLIENT_TLS } : {};
}

/** Resolves in DNS the names that `resolve` does not know. */
function lookupBy(resolve: NonNullable<ConnectOptions["resolve"]>): LookupFunction {
  return (name, options, done) => {
    const address = resolve(name);
    if (address === undefined) lookUp(name, options, done);
    else if (options.all) done(null, [{ address, family: 4 }]);
    else done(null, address, 4);
  };
}

/** node-redis with its default options. */
export class NodeRedisClient implements ClusterClient {
  readonly #cluster: Cluster;
  readonly #errors: Error[] = [];
  readonly #throughOutages: boolean;

  private constructor(cluster: Cluster, throughOutages: boolean) {
    this.#cluster = cluster;
    this.#throughOutages = throughOutages;
    cluster.on("error", (error) => this.#errors.push(error));
  }

  /** @param cache the client-side cache, for RESP3 */
  static async connect(
    options: ConnectOptions,
    cache?: BasicPooledClientSideCache,
  ): Promise<NodeRedisClient> {
    const client = new NodeRedisClient(open(options, cache), options.throughOutages ?? false);
    await client.#cluster.connect();
    return client;
  }

  get addresses(): string[] {
    return [...this.#cluster.nodeByAddress.keys()];
  }

  command(key: Word, ...words: Word[]): Promise<unknown> {
    return this.#cluster.sendCommand(key, false, words);
  }

  /** The value of `key`, from the cache if possible. */
  get(key: string): Promise<string | null> {
    return this.#cluster.get(key);
  }

  getBytes(key: Word): Promise<Buffer | null> {
    return this.#cluster.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key);
  }

  onPrimaries(...words: string[]): Promise<unknown[]> {
    return Promise.all(this.#cluster.masters.map(async (primary) => {
      const client = await this.#cluster.nodeClient(primary);
      return client.sendCommand(words);
    }));
  }

  pipeline(key: string, commands: string[][]): Promise<unknown[]> {
    const pipeline = this.#cluster.multi(key);
    for (const words of commands) pipeline.addCommand(key, false, words);
    return pipeline.execAsPipeline();
  }

  async transaction(
    key: string,
    commands: string[][],
    watched?: () => Promise<unknown>,
  ): Promise<unknown[] | null> {
    const client = await this.#cluster.getNodeClientForKey(key);
    if (watched !== undefined) {
      await client.watch(key);
      await watched();
    }
    const transaction = client.multi();
    for (const words of commands) transaction.addCommand(words);
    try {
      return await transaction.exec();
    } catch (error) {
      if (error instanceof WatchError) return null;
      throw error;
    }
  }

  async subscribe(
    kind: "" | "p" | "s",
    channel: string,
    listener: (message: string) => void,
  ): Promise<void> {
    if (kind === "") await this.#cluster.subscribe(channel, listener);
    else if (kind === "p") await this.#cluster.pSubscribe(channel, listener);
    else await this.#cluster.sSubscribe(channel, listener);
  }

  leave(): void {
    this.#cluster.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#cluster.isOpen) await this.#cluster.close();
    if (this.#errors.length > 0 && !this.#throughOutages) {
      throw new AggregateError(this.#errors, "node-redis had errors");
    }
  }
}
