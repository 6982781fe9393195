import { assert, assertEquals } from "@std/assert";
import { bulk } from "../support/frames.ts";
import { NatProcess } from "../support/nat_process.ts";
import { PING, PONG, ScriptedNode, SLOTS } from "../support/scripted_node.ts";
import { untilStable } from "../support/until.ts";
import { THREADS } from "../support/threads.ts";
import { WireClient } from "../support/wire.ts";

const MIB = 1024 * 1024;

/** The size of a flood; the smallest requests and values take a second. */
const FLOOD_BYTES = 32 * MIB;

/**
 * Growth of the heap of each thread while a flood passes: less than the flood, so nothing of it was
 * kept.
 */
const PASSING_LIMIT_BYTES = 28 * MIB * THREADS;

const CAPTURE_LIMIT_BYTES = 16 * MIB;

/**
 * The memory of a captured reply: its bytes, a copy in one piece, and its decoded value, which is
 * largest for the smallest values.
 */
const CAPTURING_LIMIT_BYTES = 400 * MIB * THREADS;

/** A flood passes in a second or two on an idle machine. */
const FLOOD_DEADLINE_MS = 30_000;

const MONITORED = '+1700000000.123456 [0 lua] "MSET"';

/** The beginning of a request, and what repeats after it. */
const REQUESTS: [what: string, head: string, rest: string][] = [
  ["more words than can be counted", "*2147483647\r\n", "$1\r\na\r\n"],
  ["a word longer than can be counted", "*1\r\n$9223372036854775807\r\n", "x"],
  ["a word as long as can be", "*2\r\n$4\r\nECHO\r\n$536870912\r\n", "x"],
  ["a million counts", "", "*1\r\n"],
  ["a count without an end", "*", "1"],
  ["a line without an end", "", "x"],
  ["a line of words without an end", "CLUSTER ", "MEET "],
  [
    "a request that names nodes without an end",
    "*2147483647\r\n$7\r\nCLUSTER\r\n$4\r\nMEET\r\n",
    "$1\r\na\r\n",
  ],
  ["zeros", "", "\0"],
];

/** The same for replies that pass unchanged; the request is PING by default. */
const REPLIES: [what: string, head: string, rest: string, request?: string][] = [
  ["more values than can be counted", "*2147483647\r\n", ":1\r\n"],
  ["a value longer than can be counted", "$9007199254740991\r\n", "x"],
  ["values in values without an end", "", "*1\r\n"],
  ["maps in maps without an end", "", "%1\r\n"],
  ["attributes without an end", "", "|1\r\n"],
  ["a status without an end", "+", "x"],
  ["an error without an end", "-", "x"],
  ["pushes without an end", "", ">2\r\n$1\r\na\r\n:1\r\n"],
  ["a line of MONITOR without an end", `+OK\r\n${MONITORED}`, ' "key"', "MONITOR\r\n"],
];

/** The same for replies that are rewritten. */
const CAPTURES: [what: string, head: string, rest: string][] = [
  ["more values than can be counted", "*2147483647\r\n", ":1\r\n"],
  ["a value longer than can be counted", "*1\r\n$9007199254740991\r\n", "x"],
  ["values in values without an end", "", "*1\r\n"],
  ["attributes without an end", "", "|1\r\n"],
  ["streams in streams without an end", "", "*?\r\n"],
  ["as many small values as fit", `*${4_000_000}\r\n`, "_\r\n"],
  ["an array of a million empty ones", `*${1_000_000}\r\n`, "*0\r\n"],
];

function floodOf(head: string, rest: string): string {
  return head + rest.repeat(Math.ceil(FLOOD_BYTES / rest.length));
}

/** Starts the program in front of a scripted node. */
async function start(): Promise<{ node: ScriptedNode; nat: NatProcess; port: number }> {
  const node = await ScriptedNode.start();
  const nat = new NatProcess([
    `--cluster-addr=${node.address}`,
    "--listen-addr=127.0.0.1:0",
    "--refresh-interval=0",
    `--capture-limit=${CAPTURE_LIMIT_BYTES}`,
  ]);
  await node.introduce();
  await nat.ready();
  return { node, nat, port: nat.mapping.get(node.address)! };
}

async function grownBytes(nat: NatProcess, beforeBytes: number): Promise<number> {
  return await nat.peakBytes() - beforeBytes;
}

const ON_LINUX = { ignore: Deno.build.os !== "linux" };

Deno.test("endless requests pass with constant memory", ON_LINUX, async (t) => {
  const { node, nat: started, port } = await start();
  await using _node = node;
  await using nat = started;
  using other = await WireClient.connect("127.0.0.1", port);
  const otherPeer = await node.accept();
  const beforeBytes = await nat.peakBytes();
  for (const [what, head, rest] of REQUESTS) {
    await t.step(what, async () => {
      using client = await WireClient.connect("127.0.0.1", port);
      using peer = await node.accept();
      const flood = floodOf(head, rest);
      const sent = client.send(flood, FLOOD_DEADLINE_MS);
      // Bytes that the proxy holds back arrive at the end of the client, at the latest.
      const [skipped] = await Promise.all([
        peer.skip(flood.length, FLOOD_DEADLINE_MS),
        sent.then(() => client.closeWrite()),
      ]);
      assertEquals(skipped, flood.length);
      await other.send(PING);
      assertEquals(await otherPeer.readUntil(PING), PING);
      await otherPeer.send(PONG);
      assertEquals(await other.readUntil(PONG), PONG);
    });
  }
  const grown = await grownBytes(nat, beforeBytes);
  assert(grown < PASSING_LIMIT_BYTES, `The program grew by ${Math.round(grown / MIB)} MiB`);
});

Deno.test("endless replies pass with constant memory", ON_LINUX, async (t) => {
  const { node, nat: started, port } = await start();
  await using _node = node;
  await using nat = started;
  const beforeBytes = await nat.peakBytes();
  for (const [what, head, rest, request = PING] of REPLIES) {
    await t.step(what, async () => {
      using client = await WireClient.connect("127.0.0.1", port);
      using peer = await node.accept();
      await client.send(request);
      await peer.readUntil(request);
      const flood = floodOf(head, rest);
      const [skipped] = await Promise.all([
        client.skip(flood.length, FLOOD_DEADLINE_MS),
        peer.send(flood, FLOOD_DEADLINE_MS),
      ]);
      assertEquals(skipped, flood.length);
    });
  }
  const grown = await grownBytes(nat, beforeBytes);
  assert(grown < PASSING_LIMIT_BYTES, `The program grew by ${Math.round(grown / MIB)} MiB`);
});

Deno.test("rewritten replies take bounded memory", ON_LINUX, async (t) => {
  const { node, nat: started, port } = await start();
  await using _node = node;
  await using nat = started;
  const beforeBytes = await nat.peakBytes();
  for (const [what, head, rest] of CAPTURES) {
    await t.step(what, async () => {
      using client = await WireClient.connect("127.0.0.1", port);
      using peer = await node.accept();
      await client.send(SLOTS);
      await peer.readUntil(SLOTS);
      const sent = peer.send(floodOf(head, rest), FLOOD_DEADLINE_MS).catch(() => {
        // The proxy closes the connection.
      });
      // Nothing, an error, or complete replies.
      await client.skip(Infinity, FLOOD_DEADLINE_MS);
      await sent;
      using next = await WireClient.connect("127.0.0.1", port);
      using nextPeer = await node.accept();
      await next.send(PING);
      assertEquals(await nextPeer.readUntil(PING), PING);
    });
  }
  const grown = await grownBytes(nat, beforeBytes);
  assert(grown < CAPTURING_LIMIT_BYTES, `The program grew by ${Math.round(grown / MIB)} MiB`);
  assert(!nat.stderr.includes("unexpected error"), nat.stderr);
});

/** As many replies with an unknown node as fit into the limit. */
const STRANGE_REPLIES = 12;
const STRANGE_VALUES = 400_000;
const STRANGE_REPLY = `*${1 + STRANGE_VALUES}\r\n*3\r\n:0\r\n:1\r\n*3\r\n` +
  `${bulk("10.9.9.9")}:7000\r\n${bulk("9".repeat(40))}${"_\r\n".repeat(STRANGE_VALUES)}`;

/** The raw bytes of all, and the decoded value of one; all decoded take 400 MiB. */
const STRANGE_LIMIT_BYTES = 290 * MIB;

/** Checks in a row with stable memory: longer than one reply takes. */
const STILL_LOOKS = 40;

Deno.test("replies that wait for an unknown node are kept as raw bytes", ON_LINUX, async () => {
  const { node, nat: started, port } = await start();
  await using _node = node;
  await using nat = started;
  const beforeBytes = await nat.peakBytes();
  using clients = new DisposableStack();
  const peers: WireClient[] = [];
  for (let index = 0; index < STRANGE_REPLIES; index++) {
    const client = clients.use(await WireClient.connect("127.0.0.1", port));
    peers.push(await node.accept());
    await client.send(SLOTS);
    await peers[index]!.readUntil(SLOTS);
  }
  // The proxy queries the node about the unknown one, and gets no reply.
  await Promise.all(peers.map((peer) => peer.send(STRANGE_REPLY, FLOOD_DEADLINE_MS)));
  const grown = await untilStable("the memory", () => grownBytes(nat, beforeBytes), {
    checks: STILL_LOOKS,
  });
  assert(grown < STRANGE_LIMIT_BYTES, `The program grew by ${Math.round(grown / MIB)} MiB`);
});
