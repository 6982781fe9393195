import { assert, assertEquals } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import type { ClusterClient } from "../integration/clients/client.ts";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../integration/clients/node_redis.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { until, within } from "../support/until.ts";

const AT = "127.0.0.1";

/** In slot 3300, which the first of two nodes owns. */
const KEY = "{b}";

/** Longer than the test may take. */
const GRACE = "--shutdown-grace=60s";

/** For the last replies of all clients. */
const END_MS = 5_000;

/** For replies that have arrived to reach their callers. */
const AGREEMENT_MS = 1_000;

/** The maximum number of outstanding requests of a raw client. */
const WINDOW = 500;

/** A raw client that sends INCR without a pause and counts the replies. */
class Pipeliner implements Disposable {
  readonly key: string;
  readonly #connection: Deno.TcpConn;
  readonly #request: Uint8Array<ArrayBuffer>;
  #sent = 0;
  #answered = 0;
  #closed = false;
  /** Resolves when the connection has ended without an error. */
  readonly ended: Promise<void>;

  private constructor(connection: Deno.TcpConn, key: string) {
    this.key = key;
    this.#connection = connection;
    this.#request = encodeRequest(["INCR", key]);
    // The reader notices the end; write errors are ignored.
    this.ended = this.#read();
    this.ended.catch(() => {});
  }

  static async connect(port: number, key: string): Promise<Pipeliner> {
    return new Pipeliner(await Deno.connect({ hostname: AT, port }), key);
  }

  /** The last reply. */
  get answered(): number {
    return this.#answered;
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.#connection.close();
    this.#closed = true;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    let rest = "";
    for (;;) {
      this.#fill();
      const read = await this.#connection.read(buffer);
      if (read === null) break;
      const lines = (rest + toLatin1(buffer.subarray(0, read))).split("\r\n");
      rest = lines.pop()!;
      for (const line of lines) assertEquals(line, `:${++this.#answered}`);
    }
    assertEquals(rest, "");
    this[Symbol.dispose]();
  }

  /** Fills the window without waiting: the socket buffer has room for it. */
  #fill(): void {
    const count = this.#answered + WINDOW - this.#sent;
    if (count < WINDOW / 2) return;
    const bytes = new Uint8Array(this.#request.length * count);
    for (let index = 0; index < count; index++) {
      bytes.set(this.#request, index * this.#request.length);
    }
    this.#sent += count;
    this.#connection.write(bytes).catch(() => {});
  }
}

/** A real client that sends INCR all the time and keeps the last reply. */
class Counter {
  readonly key: string;
  readonly client: ClusterClient;
  answered = 0;
  #stopped = false;

  constructor(client: ClusterClient, key: string) {
    this.client = client;
    this.key = key;
    for (let lane = 0; lane < LANES; lane++) this.#count();
  }

  stop(): void {
    this.#stopped = true;
    this.client.leave();
  }

  async #count(): Promise<void> {
    try {
      while (!this.#stopped) {
        const answer = Number(await this.client.command(this.key, "INCR", this.key));
        this.answered = Math.max(this.answered, answer);
      }
    } catch {
      // Requests without a reply fail at the end.
    }
  }
}

/** Concurrent requests of a real client. */
const LANES = 50;

const PIPELINERS = 24;

Deno.test({
  name: "every executed request is answered when the program stops under load",
  // Real clients try to reconnect for a while after they were closed.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    await using nat = await NatProcess.serve(node, [GRACE]);
    const to = { host: AT, port: nat.portOf(node), throughOutages: true } as const;
    using raw = new DisposableStack();
    const pipeliners: Pipeliner[] = [];
    for (let index = 0; index < PIPELINERS; index++) {
      pipeliners.push(raw.use(await Pipeliner.connect(to.port, `${index}${KEY}`)));
    }
    const counters = [
      new Counter(await IoredisClient.connect({ ...to, protocol: 2 }), `ioredis${KEY}`),
      new Counter(await NodeRedisClient.connect({ ...to, protocol: 3 }), `node-redis${KEY}`),
    ];
    raw.defer(() => counters.forEach((counter) => counter.stop()));
    const all = [...pipeliners, ...counters];
    await until("all have answers", (saw) => {
      saw(all.map(({ answered }) => answered));
      return all.every(({ answered }) => answered > WINDOW);
    });
    nat.signal("SIGTERM");
    await within("see all end", Promise.all(pipeliners.map(({ ended }) => ended)), END_MS);
    const { code, stderr } = await nat.ended();
    assertEquals(code, 0, stderr);
    assert(!/ (WARN|ERR)/.test(stderr), stderr);
    for (const counter of all) {
      await until(`the answers to ${counter.key} are as many as were carried out`, async (saw) => {
        const value = textOf(await node.ask("GET", counter.key));
        saw(`${counter.answered} answers, value ${value}`);
        return value === `${counter.answered}`;
      }, AGREEMENT_MS);
    }
  },
});
