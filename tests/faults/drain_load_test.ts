import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import type { ClusterClient } from "../integration/clients/client.ts";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../integration/clients/node_redis.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { until, within } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

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
class Pipeliner {
  readonly key: string;
  /** The last reply. */
  answered = 0;
  /** Resolves when the connection has ended without an error. */
  readonly ended: Promise<void>;
  readonly #client: WireClient;

  constructor(client: WireClient, key: string) {
    this.#client = client;
    this.key = key;
    this.ended = this.#run();
    this.ended.catch(() => {});
  }

  async #run(): Promise<void> {
    // Half of the window is always outstanding; the reader notices the end.
    const half = wire("INCR", this.key).repeat(WINDOW / 2);
    this.#client.send(half).catch(() => {});
    for (let isOpen = true; isOpen;) {
      this.#client.send(half).catch(() => {});
      const frames = await this.#client.readFrames(WINDOW / 2).catch(() => undefined);
      isOpen = frames !== undefined;
      this.#count(frames?.join("") ?? await this.#client.readToEnd());
    }
    assert(!this.#client.wasReset);
    this.#client.close();
  }

  #count(replies: string): void {
    const lines = replies.split("\r\n");
    assertEquals(lines.pop(), "");
    for (const line of lines) assertEquals(line, `:${++this.answered}`);
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
      const client = raw.use(await WireClient.connect(AT, to.port));
      pipeliners.push(new Pipeliner(client, `${index}${KEY}`));
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
    await nat.endedInOrder();
    for (const counter of all) {
      await until(`the answers to ${counter.key} are as many as were carried out`, async (saw) => {
        const value = textOf(await node.ask("GET", counter.key));
        saw(`${counter.answered} answers, value ${value}`);
        return value === `${counter.answered}`;
      }, AGREEMENT_MS);
    }
  },
});
