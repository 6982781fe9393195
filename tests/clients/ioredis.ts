import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { Cluster } from "ioredis";
import type { ClusterClient, ConnectOptions, Word } from "./client.ts";

/** ioredis, with what sharded channels need. */
export class IoredisClient implements ClusterClient {
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  static async connect(options: ConnectOptions): Promise<IoredisClient> {
    const { host, port, protocol, readReplicas = false } = options;
    const cluster = new Cluster([{ host, port }], {
      lazyConnect: true,
      shardedSubscribers: true,
      scaleReads: readReplicas ? "slave" : "master",
      redisOptions: { protocol },
    });
    await cluster.connect();
    return new IoredisClient(cluster);
  }

  get addresses(): string[] {
    return this.#cluster.nodes("all").map(({ options }) => `${options.host}:${options.port}`);
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
    if (this.#cluster.status === "end") return;
    const ended = once(this.#cluster, "end");
    this.#cluster.disconnect();
    await ended;
  }
}

/** The results without the errors that ioredis puts before each, of which there must be none. */
function resultsOf(pairs: [Error | null, unknown][] | null): unknown[] | null {
  if (pairs === null) return null;
  return pairs.map(([error, result]) => {
    if (error !== null) throw error;
    return result;
  });
}
