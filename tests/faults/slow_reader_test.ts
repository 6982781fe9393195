import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const KEY = "{b}";

const MIB = 1024 * 1024;

/** One gigabyte in all. */
const READERS = 64;
const VALUES_EACH = 4;
const VALUE_BYTES = 4 * MIB;

/**
 * How much more memory the program may take for all of them: for each a large buffer of 32 KiB
 * that waits to be written, and the small ones, and what its heap grows by itself.
 */
const GROWTH_LIMIT_BYTES = 48 * MIB;

/** Looks in a row, some milliseconds apart, at which nothing has moved when all is at rest. */
const STILL_LOOKS = 20;

/** A gigabyte goes through three programs, on a machine that may be busy. */
const TRANSFER_DEADLINE_MS = 15_000;

/** What a client that shares the program with lazy ones may have to wait for an answer. */
const PROMPT_MS = 1_000;

function words(...words: string[]): string {
  return toLatin1(encodeRequest(words));
}

const SLOTS = words("CLUSTER", "SLOTS");

/** More answers than fit into the sockets on their way. */
const REWRITTEN = 100_000;

async function start(node: ClusterNode): Promise<{ nat: NatProcess; port: number }> {
  const flags = [`--cluster-addr=${node.address}`, `--listen-addr=${AT}:0`];
  const nat = await new NatProcess(flags).ready();
  const port = nat.mapping.get(node.address)!;
  using client = await WireClient.connect(AT, port);
  await client.ask("CLUSTER", "SLOTS");
  return { nat, port };
}

/** Waits until a number stays the same, and returns it. */
async function atRest(what: string, measure: () => number | Promise<number>): Promise<number> {
  const seen: number[] = [];
  return await until(`${what} is at rest`, async (saw) => {
    seen.unshift(await measure());
    saw(seen[0]);
    const still = seen.length > STILL_LOOKS &&
      seen.slice(0, STILL_LOOKS).every((value) => value === seen[0]);
    return still && seen[0];
  }, TRANSFER_DEADLINE_MS);
}

/** What a node keeps for clients that do not read, in bytes. */
async function unsentBytes(node: ClusterNode): Promise<number> {
  const list = textOf(await node.ask("CLIENT", "LIST"))!;
  return [...list.matchAll(/ omem=(\d+) /g)].reduce((sum, [, omem]) => sum + Number(omem), 0);
}

async function assertGrewLittle(nat: NatProcess, beforeBytes: number): Promise<void> {
  const grownBytes = await nat.peakBytes() - beforeBytes;
  const mib = (grownBytes / MIB).toFixed(1);
  console.log(`peak memory ${mib} MiB above that before`);
  assert(grownBytes < GROWTH_LIMIT_BYTES, `The program grew by ${mib} MiB`);
}

/** A client that gets what it asked for when it reads, which it does not by itself. */
class Lazy implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(port: number, text: string): Promise<Lazy> {
    const lazy = new Lazy(await Deno.connect({ hostname: AT, port }));
    for (let left = fromLatin1(text); left.length > 0;) {
      left = left.subarray(await lazy.#connection.write(left));
    }
    return lazy;
  }

  /** Reads so many bytes, and fails if there are fewer. */
  async read(bytes: number): Promise<void> {
    const buffer = new Uint8Array(MIB);
    for (let left = bytes; left > 0;) {
      const read = await this.#connection.read(buffer.subarray(0, Math.min(left, MIB)));
      if (read === null) throw new Error(`The connection has ended ${left} bytes too soon`);
      left -= read;
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

Deno.test({
  name: "a gigabyte that nobody reads is held back by the node, while others are served",
  ignore: Deno.build.os !== "linux",
  async fn(t) {
    await using cluster = await RedisCluster.start({
      primaries: 1,
      replicasEach: 0,
      // A gigabyte of answers takes a while to be made.
      directives: { "cluster-node-timeout": "30000" },
    });
    const node = cluster.nodes[0]!;
    await node.order("SETRANGE", KEY, `${VALUE_BYTES - 1}`, "x");
    const { nat: started, port } = await start(node);
    await using nat = started;
    const before = await nat.peakBytes();
    const replyBytes = `$${VALUE_BYTES}\r\n`.length + VALUE_BYTES + 2;

    await t.step("many clients that ask for much and read nothing", async () => {
      using stack = new DisposableStack();
      const readers: Lazy[] = [];
      for (let index = 0; index < READERS; index++) {
        readers.push(stack.use(await Lazy.connect(port, words("GET", KEY).repeat(VALUES_EACH))));
      }
      const heldBytes = await atRest("what the node keeps", () => unsentBytes(node));
      const askedBytes = READERS * VALUES_EACH * replyBytes;
      assert(heldBytes > askedBytes / 4, `The node holds ${heldBytes} bytes only`);
      using other = await WireClient.connect(AT, port);
      const askedMs = performance.now();
      assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
      assert(performance.now() - askedMs < PROMPT_MS);
      await assertGrewLittle(nat, before);
      await Promise.all(
        readers.slice(0, READERS / 2).map((reader) => {
          return reader.read(VALUES_EACH * replyBytes);
        }),
      );
      await assertGrewLittle(nat, before);
    });

    await t.step("and when they have left, nothing is kept for them", async () => {
      await until("the node keeps nothing", async () => await unsentBytes(node) === 0);
    });

    await t.step("answers that are rewritten, which nobody reads", async () => {
      using client = await WireClient.connect(AT, port);
      await client.send(SLOTS);
      const [slots] = await client.readFrames(1);
      using lazy = await Lazy.connect(port, SLOTS.repeat(REWRITTEN));
      await atRest("what the node keeps", () => unsentBytes(node));
      await assertGrewLittle(nat, before);
      await lazy.read(REWRITTEN * slots!.length);
      await assertGrewLittle(nat, before);
    });
  },
});

Deno.test({
  name: "a node that does not read holds its clients back, and nothing is lost",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    const { nat: started, port } = await start(node);
    await using nat = started;
    const before = await nat.peakBytes();
    const connection = await Deno.connect({ hostname: AT, port });
    using _closing = { [Symbol.dispose]: () => connection.close() };
    const request = encodeRequest(["SET", KEY, "x".repeat(MIB)]);
    const requests = 256;
    let written = 0;
    Deno.kill(node.pid!, "SIGSTOP");
    const writing = (async () => {
      for (let index = 0; index < requests; index++) {
        for (let at = 0; at < request.length;) {
          const bytes = await connection.write(request.subarray(at));
          at += bytes;
          written += bytes;
        }
      }
    })();
    try {
      const heldBytes = await atRest("what was written", () => written);
      assert(heldBytes < requests * MIB / 4, `${heldBytes} bytes were taken`);
    } finally {
      Deno.kill(node.pid!, "SIGCONT");
    }
    await writing;
    await assertGrewLittle(nat, before);
    let answers = "";
    const buffer = new Uint8Array(4096);
    while (answers.length < requests * "+OK\r\n".length) {
      answers += toLatin1(buffer.subarray(0, (await connection.read(buffer))!));
    }
    assertMatch(answers, /^(\+OK\r\n){256}$/);
  },
});
