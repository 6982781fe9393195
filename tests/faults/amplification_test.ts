import { assert, assertEquals } from "@std/assert";
import { bulk } from "../support/frames.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { PING, PONG, ScriptedNode, SLOTS } from "../support/scripted_node.ts";
import { THREADS } from "../support/threads.ts";
import { untilStable } from "../support/until.ts";
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
  ["nodes without an end", "*2147483647\r\n$7\r\nCLUSTER\r\n$4\r\nMEET\r\n", "$1\r\na\r\n"],
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

/** The program in front of a scripted node, and the growth of its memory. */
class Scene implements AsyncDisposable {
  readonly node: ScriptedNode;
  readonly nat: NatProcess;
  readonly #beforeBytes: number;

  private constructor(node: ScriptedNode, nat: NatProcess, beforeBytes: number) {
    this.node = node;
    this.nat = nat;
    this.#beforeBytes = beforeBytes;
  }

  static async start(): Promise<Scene> {
    const node = await ScriptedNode.start();
    const limits = ["--refresh-interval=0", `--capture-limit=${CAPTURE_LIMIT_BYTES}`];
    const starting = NatProcess.serve(node, limits);
    await node.introduce();
    const nat = await starting;
    return new Scene(node, nat, await nat.peakBytes());
  }

  /** Connects a client whose request has reached the node, and returns both ends. */
  async open(asked = ""): Promise<{ client: WireClient; peer: WireClient } & Disposable> {
    const client = await WireClient.connect("127.0.0.1", this.nat.portOf(this.node));
    const peer = await this.node.accept();
    await client.send(asked);
    await peer.readUntil(asked);
    return { client, peer, [Symbol.dispose]: () => [client, peer].forEach((end) => end.close()) };
  }

  async assertGrewLess(limitBytes: number): Promise<void> {
    await this.nat.assertGrewLess(limitBytes, this.#beforeBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nat[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
  }
}

onLinux.test("endless requests pass with constant memory", async (t) => {
  await using scene = await Scene.start();
  using other = await scene.open();
  for (const [what, head, rest] of REQUESTS) {
    await t.step(what, async () => {
      using pair = await scene.open();
      const flood = floodOf(head, rest);
      const sent = pair.client.send(flood, FLOOD_DEADLINE_MS);
      // Bytes that the proxy holds back arrive at the end of the client, at the latest.
      const [skipped] = await Promise.all([
        pair.peer.skip(flood.length, FLOOD_DEADLINE_MS),
        sent.then(() => pair.client.closeWrite()),
      ]);
      assertEquals(skipped, flood.length);
      await other.client.send(PING);
      assertEquals(await other.peer.readUntil(PING), PING);
      await other.peer.send(PONG);
      assertEquals(await other.client.readUntil(PONG), PONG);
    });
  }
  await scene.assertGrewLess(PASSING_LIMIT_BYTES);
});

onLinux.test("endless replies pass with constant memory", async (t) => {
  await using scene = await Scene.start();
  for (const [what, head, rest, request = PING] of REPLIES) {
    await t.step(what, async () => {
      using pair = await scene.open(request);
      const flood = floodOf(head, rest);
      const [skipped] = await Promise.all([
        pair.client.skip(flood.length, FLOOD_DEADLINE_MS),
        pair.peer.send(flood, FLOOD_DEADLINE_MS),
      ]);
      assertEquals(skipped, flood.length);
    });
  }
  await scene.assertGrewLess(PASSING_LIMIT_BYTES);
});

onLinux.test("rewritten replies take bounded memory", async (t) => {
  await using scene = await Scene.start();
  for (const [what, head, rest] of CAPTURES) {
    await t.step(what, async () => {
      using pair = await scene.open(SLOTS);
      // The proxy closes the connection after nothing, an error, or complete replies.
      const sent = pair.peer.send(floodOf(head, rest), FLOOD_DEADLINE_MS).catch(() => {});
      await pair.client.skip(Infinity, FLOOD_DEADLINE_MS);
      await sent;
      using _next = await scene.open(PING);
    });
  }
  await scene.assertGrewLess(CAPTURING_LIMIT_BYTES);
  assert(!scene.nat.stderr.includes("unexpected error"), scene.nat.stderr);
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

onLinux.test("replies that wait for an unknown node are kept as raw bytes", async () => {
  await using scene = await Scene.start();
  using stack = new DisposableStack();
  const peers: WireClient[] = [];
  for (let index = 0; index < STRANGE_REPLIES; index++) {
    peers.push(stack.use(await scene.open(SLOTS)).peer);
  }
  // The proxy queries the node about the unknown one, and gets no reply.
  await Promise.all(peers.map((peer) => peer.send(STRANGE_REPLY, FLOOD_DEADLINE_MS)));
  await untilStable("the memory", () => scene.nat.peakBytes(), { checks: STILL_LOOKS });
  await scene.assertGrewLess(STRANGE_LIMIT_BYTES);
});
