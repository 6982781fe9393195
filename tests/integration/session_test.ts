import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { writeAll } from "../../src/platform/net.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { startProxy } from "../support/proxy.ts";
import { connectToNode, connectToProxy, type TestConnection } from "../support/tls.ts";
import { within } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const MIB = 1024 * 1024;

/** The longest value that a server takes unless it is told otherwise (`proto-max-bulk-len`). */
const LONGEST_VALUE_BYTES = 512 * MIB;

/**
 * How much more memory the program may take for a value or an answer of any size: far less than
 * the ones here, and more than its heap grows by itself in a run of a hundred thousand reads.
 */
const GROWTH_LIMIT_BYTES = 32 * MIB;

/** Half a gigabyte goes through two programs, on a machine that may be busy. */
const TRANSFER_DEADLINE_MS = 60_000;

/** In slot 3300, which the first of two nodes owns. */
const KEY = "{b}";

const AT = "127.0.0.1";

/** Requests with a wrong password, which Redis and Valkey do not always answer. */
const WRONG_PASSWORDS: Record<string, string> = {
  "AUTH": wire("AUTH", "wrong"),
  "HELLO": wire("HELLO", "3", "AUTH", "default", "wrong"),
  "AUTH in a transaction": wire("MULTI") + wire("AUTH", "wrong") + wire("EXEC"),
};

Deno.test("no private address passes after a wrong password whose error is dropped", async (t) => {
  const password = "right";
  await using cluster = await RedisCluster.start({
    primaries: 2,
    replicasEach: 0,
    directives: { requirepass: password },
  });
  const credentials = { username: undefined, password };
  await using proxy = await startProxy(cluster, { publicHost: "nat.example", credentials });
  const node = cluster.nodes[0]!;
  for (const [what, wrong] of Object.entries(WRONG_PASSWORDS)) {
    await t.step(what, async () => {
      using client = await WireClient.connect(AT, proxy.portOf(node));
      await client.ask("AUTH", password);
      // From 7.2 on the refusal is dropped where earlier answers are still unsent, as they are
      // within one read of the server (acl.c `addAuthErrReply`); Valkey 9.1 sends it.
      await client.send(wire("PING") + wrong + SLOTS + ECHO_END);
      await client.closeWrite();
      const answers = await client.readToEnd();
      for (const { host } of cluster.nodes) assert(!answers.includes(host), answers);
    });
  }
});

/** What is at the beginning of block `index` of a long value; the rest of it is zeros. */
function mark(index: number): string {
  return `block ${index}\r\n-MOVED 1 10.0.0.1:7000\r\n`;
}

function block(index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MIB);
  bytes.set(fromLatin1(mark(index)));
  return bytes;
}

/** A value of so many blocks as a bulk string, one part after the other. */
function* bulkOf(blocks: number): Generator<Uint8Array<ArrayBuffer>> {
  yield fromLatin1(`$${blocks * MIB}\r\n`);
  for (let index = 0; index < blocks; index++) yield block(index);
  yield fromLatin1("\r\n");
}

/** Behind something long: what shows that its reply was rewritten, and the last reply. */
const SLOTS = wire("CLUSTER", "SLOTS");
const END = "THE-END\r\n";
const ECHO_END = wire("ECHO", "THE-END");

/** Reads a reply in parts, of which every byte must be right, and returns what follows. */
async function readBehind(
  parts: Iterable<Uint8Array>,
  connection: TestConnection,
): Promise<string> {
  const [expected, actual] = [createHash("sha1"), createHash("sha1")];
  let left = 0;
  for (const part of parts) {
    expected.update(part);
    left += part.length;
  }
  const buffer = new Uint8Array(MIB);
  let rest = "";
  while (!rest.endsWith(END)) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error(`The connection has ended, ${left} bytes before the value`);
    const some = buffer.subarray(0, Math.min(left, read));
    actual.update(some);
    left -= some.length;
    rest += toLatin1(buffer.subarray(some.length, read));
  }
  assertEquals(actual.digest("hex"), expected.digest("hex"));
  return rest;
}

function assertRewritten(slots: string, cluster: RedisCluster): void {
  assert(slots.startsWith("*2\r\n"), slots);
  assertEquals(slots.split("$11\r\nnat.example\r\n").length - 1, 2, slots);
  for (const { host } of cluster.nodes) assert(!slots.includes(host), slots);
}

onLinux.test("values of any size pass with constant memory", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: 2,
    replicasEach: 0,
    // To fill or free half a gigabyte may take long on a busy machine.
    directives: { "cluster-node-timeout": "30000" },
  });
  const node = cluster.nodes[0]!;

  /** Plays a scene with a client of the program, which must not grow. */
  async function withClient(talk: (client: TestConnection) => Promise<void>): Promise<void> {
    await using nat = await NatProcess.serveWarm(node, ["--public-host=nat.example"]);
    const beforeBytes = await nat.peakBytes();
    using client = await connectToProxy(AT, nat.portOf(node));
    await within("pass the value", talk(client), TRANSFER_DEADLINE_MS);
    await nat.assertGrewLess(GROWTH_LIMIT_BYTES, beforeBytes);
  }

  await t.step("a value of 512 MB is read, and the reply after it is rewritten", async () => {
    const blocks = LONGEST_VALUE_BYTES / MIB;
    using straight = await node.connect();
    await straight.send(wire("SETRANGE", KEY, `${LONGEST_VALUE_BYTES - 1}`, "\0"));
    for (let index = 0; index < blocks; index++) {
      await straight.send(wire("SETRANGE", KEY, `${index * MIB}`, mark(index)));
    }
    await straight.readFrames(1 + blocks, TRANSFER_DEADLINE_MS);
    await withClient(async (client) => {
      await writeAll(client, fromLatin1(wire("GET", KEY) + SLOTS + ECHO_END));
      assertRewritten(await readBehind(bulkOf(blocks), client), cluster);
    });
    await node.ask("DEL", KEY);
  });

  await t.step("a value of 256 MB is written, and the reply after it is rewritten", async () => {
    const blocks = 256;
    await withClient(async (client) => {
      await writeAll(client, fromLatin1(`*3\r\n$3\r\nSET\r\n$${KEY.length}\r\n${KEY}\r\n`));
      for (const part of bulkOf(blocks)) await writeAll(client, part);
      await writeAll(client, fromLatin1(SLOTS + ECHO_END));
      assertRewritten(await readBehind([fromLatin1("+OK\r\n")], client), cluster);
    });
    using straight = await connectToNode(node.host, node.port);
    await writeAll(straight, fromLatin1(wire("GET", KEY) + ECHO_END));
    await within("read the value", readBehind(bulkOf(blocks), straight), TRANSFER_DEADLINE_MS);
  });
});
