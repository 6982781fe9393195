import { assert, assertEquals } from "@std/assert";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, halt, RedisCluster } from "../support/cluster.ts";
import { nodeFlags, publicFlags } from "../support/cluster_tls.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { THREADS } from "../support/threads.ts";
import { secure, type TestConnection } from "../support/tls.ts";
import { untilStable } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const KEY = "{b}";

const MIB = 1024 * 1024;

/** One gigabyte in all. */
const CLIENTS = 16;
const VALUES_EACH = 16;
const VALUE_BYTES = 4 * MIB;

/** The limit of growth in each thread: as without TLS, and what the engine encrypts. */
const GROWTH_LIMIT_BYTES = 96 * MIB * THREADS;

/** A gigabyte is encrypted and decrypted twice on the way. */
const TRANSFER_DEADLINE_MS = 60_000;

/** A program that speaks TLS to clients and to the node of a cluster, and has served one. */
class Scene implements AsyncDisposable {
  private constructor(
    readonly cluster: RedisCluster,
    readonly node: ClusterNode,
    readonly nat: NatProcess,
    readonly beforeBytes: number,
  ) {}

  static async start(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const cluster = stack.use(
      await RedisCluster.start({
        tls: "only",
        primaries: 1,
        replicasEach: 0,
        // The node is busy for a while.
        directives: { "cluster-node-timeout": "30000" },
      }),
    );
    const { certificates, nodes: [node] } = cluster;
    const flags = [...publicFlags(certificates), ...nodeFlags(certificates)];
    const nat = stack.use(await NatProcess.serve(node!, flags));
    using client = new WireClient(await connect(nat.portOf(node!)));
    for (const listing of ["NODES", "SLOTS"]) await client.ask("CLUSTER", listing);
    const scene = new Scene(cluster, node!, nat, await nat.peakBytes());
    stack.move();
    return scene;
  }

  connect(): Promise<TestConnection> {
    return connect(this.nat.portOf(this.node));
  }

  assertFlat(): Promise<void> {
    return this.nat.assertGrewLess(GROWTH_LIMIT_BYTES, this.beforeBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nat[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

async function connect(port: number): Promise<TestConnection> {
  return await secure(await Deno.connect({ hostname: AT, port }), AT);
}

/** The size of a node's output buffers, in bytes. */
async function unsentBytes(node: ClusterNode): Promise<number> {
  const list = textOf(await node.ask("CLIENT", "LIST"))!;
  return [...list.matchAll(/ omem=(\d+) /g)].reduce((sum, [, omem]) => sum + Number(omem), 0);
}

onLinux.test("a gigabyte passes clients that read late, in constant memory", async () => {
  await using scene = await Scene.start();
  const { node } = scene;
  await node.order("SETRANGE", KEY, `${VALUE_BYTES - 1}`, "x");
  const replyBytes = `$${VALUE_BYTES}\r\n`.length + VALUE_BYTES + 2;
  using stack = new DisposableStack();
  const readers: WireClient[] = [];
  for (let index = 0; index < CLIENTS; index++) {
    const reader = stack.use(new WireClient(await scene.connect()));
    await reader.send(wire("GET", KEY).repeat(VALUES_EACH));
    readers.push(reader);
  }
  const heldBytes = await untilStable("the output buffer of the node", () => unsentBytes(node));
  const askedBytes = CLIENTS * VALUES_EACH * replyBytes;
  assert(heldBytes > askedBytes / 4, `The node holds ${heldBytes} bytes only`);
  await scene.assertFlat();
  for (const reader of readers) {
    const bytes = VALUES_EACH * replyBytes;
    assertEquals(await reader.skip(bytes, TRANSFER_DEADLINE_MS), bytes);
  }
  await scene.assertFlat();
});

onLinux.test("a gigabyte passes a node that reads late, in constant memory", async () => {
  await using scene = await Scene.start();
  const { node } = scene;
  const request = encodeRequest(["SET", KEY, "x".repeat(VALUE_BYTES)]);
  using stack = new DisposableStack();
  const writers: WireClient[] = [];
  for (let index = 0; index < CLIENTS; index++) {
    const writer = stack.use(new WireClient(await scene.connect()));
    await writer.ask("PING");
    writers.push(writer);
  }
  let sent = 0;
  const halted = halt(node);
  const writing = Promise.all(writers.map(async (writer) => {
    for (let index = 0; index < VALUES_EACH; index++) {
      await writer.send(request, TRANSFER_DEADLINE_MS);
      sent++;
    }
  }));
  try {
    // The kernel's buffers on the way hold one or two of each client.
    const taken = await untilStable("the number of requests that were taken", () => sent);
    assert(taken < CLIENTS * VALUES_EACH / 4, `${taken} requests were taken`);
    await scene.assertFlat();
  } finally {
    halted[Symbol.dispose]();
  }
  await writing;
  for (const writer of writers) {
    const replies = await writer.readFrames(VALUES_EACH, TRANSFER_DEADLINE_MS);
    assertEquals(replies, replies.map(() => "+OK\r\n"));
  }
  await scene.assertFlat();
});
