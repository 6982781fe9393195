import { assert, assertEquals, assertMatch } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, halt, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { connectToProxy, SLOW_TLS_CLIENT } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until, untilStable } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const KEY = "{b}";

const MIB = 1024 * 1024;

/** One gigabyte in all. */
const READERS = 64;
const VALUES_EACH = 4;
const VALUE_BYTES = 4 * MIB;

/**
 * The limit of growth for all clients: each has a buffer of 32 KiB with a pending write and small
 * buffers, and the heap grows on its own.
 */
const GROWTH_LIMIT_BYTES = 48 * MIB;

/** A gigabyte passes three programs: in seconds, or in many times that on a busy machine. */
const TRANSFER_DEADLINE_MS = 60_000;

/** The limit for a reply to another client. */
const PROMPT_MS = 1_000;

const SLOTS = wire("CLUSTER", "SLOTS");

/** More replies than the socket buffers hold. */
const REWRITTEN = 100_000;

/** Connects a client that sends requests and reads no reply yet. */
async function connectLazy(port: number, requests: string): Promise<WireClient> {
  const client = await WireClient.connect(AT, port);
  await client.send(requests, TRANSFER_DEADLINE_MS);
  return client;
}

async function assertGets(client: WireClient, bytes: number): Promise<void> {
  assertEquals(await client.skip(bytes, TRANSFER_DEADLINE_MS), bytes);
}

/** The size of a node's output buffers, in bytes. */
async function unsentBytes(node: ClusterNode): Promise<number> {
  const list = textOf(await node.ask("CLIENT", "LIST"))!;
  return [...list.matchAll(/ omem=(\d+) /g)].reduce((sum, [, omem]) => sum + Number(omem), 0);
}

/** Waits until the node has all requests, and cannot send more; the result is what it holds. */
function untilHeld(node: ClusterNode): Promise<number> {
  const options = { deadlineMs: TRANSFER_DEADLINE_MS };
  return untilStable("the output buffer of the node", () => unsentBytes(node), options);
}

onLinux.test("the node holds back a gigabyte that clients do not read, while others are served", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: 1,
    replicasEach: 0,
    // The node is busy for a while.
    directives: { "cluster-node-timeout": "30000" },
  });
  const node = cluster.nodes[0]!;
  await node.order("SETRANGE", KEY, `${VALUE_BYTES - 1}`, "x");
  await using nat = await NatProcess.serveWarm(node);
  const port = nat.portOf(node);
  const before = await nat.peakBytes();
  const replyBytes = `$${VALUE_BYTES}\r\n`.length + VALUE_BYTES + 2;

  await t.step("for many clients", async () => {
    using stack = new DisposableStack();
    const readers: WireClient[] = [];
    for (let index = 0; index < READERS; index++) {
      readers.push(stack.use(await connectLazy(port, wire("GET", KEY).repeat(VALUES_EACH))));
    }
    const heldBytes = await untilHeld(node);
    const askedBytes = READERS * VALUES_EACH * replyBytes;
    assert(heldBytes > askedBytes / 4, `The node holds ${heldBytes} bytes only`);
    using other = await WireClient.connect(AT, port);
    const askedMs = performance.now();
    assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
    assert(performance.now() - askedMs < PROMPT_MS);
    await nat.assertGrewLess(GROWTH_LIMIT_BYTES, before);
    await Promise.all(
      readers.slice(0, READERS / 2).map((reader) => assertGets(reader, VALUES_EACH * replyBytes)),
    );
    await nat.assertGrewLess(GROWTH_LIMIT_BYTES, before);
  });

  await t.step("and drops it when they have left", async () => {
    await until("the node keeps nothing", async () => await unsentBytes(node) === 0);
  });

  await t.step(unless(SLOW_TLS_CLIENT, "and rewritten replies, too", async () => {
    using client = await WireClient.connect(AT, port);
    await client.send(SLOTS);
    const [slots] = await client.readFrames(1);
    using lazy = await connectLazy(port, SLOTS.repeat(REWRITTEN));
    await untilHeld(node);
    await nat.assertGrewLess(GROWTH_LIMIT_BYTES, before);
    await assertGets(lazy, REWRITTEN * slots!.length);
    await nat.assertGrewLess(GROWTH_LIMIT_BYTES, before);
  }));
});

onLinux.test("a node that does not read slows its clients down without a loss", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await NatProcess.serveWarm(node);
  const port = nat.portOf(node);
  const before = await nat.peakBytes();
  const connection = await connectToProxy(AT, port);
  using _closing = { [Symbol.dispose]: () => connection.close() };
  const request = encodeRequest(["SET", KEY, "x".repeat(MIB)]);
  const requests = 256;
  let written = 0;
  const halted = halt(node);
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
    const heldBytes = await untilStable("the number of written bytes", () => written);
    assert(heldBytes < requests * MIB / 4, `${heldBytes} bytes were taken`);
  } finally {
    halted[Symbol.dispose]();
  }
  await writing;
  await nat.assertGrewLess(GROWTH_LIMIT_BYTES, before);
  let answers = "";
  const buffer = new Uint8Array(4096);
  while (answers.length < requests * "+OK\r\n".length) {
    answers += toLatin1(buffer.subarray(0, (await connection.read(buffer))!));
  }
  assertMatch(answers, /^(\+OK\r\n){256}$/);
});
