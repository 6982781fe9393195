import { createHash, type Hash } from "node:crypto";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { startProxy } from "../support/proxy.ts";
import { until, within } from "../support/until.ts";
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

/** The line of CLIENT LIST about the client of this name, as its node tells it. */
async function listed(node: ClusterNode, name: string): Promise<string | undefined> {
  const list = textOf(await node.ask("CLIENT", "LIST"))!;
  return list.split("\n").find((line) => line.includes(` name=${name} `));
}

/** What a client sends before it shuts its side. */
const LAST_WORDS: Record<string, string> = {
  "requests": wire("SET", KEY, "1") + wire("GET", KEY) + wire("INCR", KEY) +
    wire("CLUSTER", "MYID") + wire("NOSUCH"),
  "nothing": "",
  "half a request": wire("PING") + wire("GET", KEY).slice(0, -3),
  "inline requests": `PING\r\nGET ${KEY}`,
  "QUIT": wire("PING") + wire("QUIT") + wire("PING"),
  "a request that blocks": wire("PING") + wire("BLPOP", `none${KEY}`, "0"),
  "a subscription": wire("SUBSCRIBE", "a", "b"),
  "bytes that are no request": wire("PING") + "*1\r\n+x\r\n",
};

Deno.test("a client that half-closes gets the same as on a direct connection", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  await using proxy = await startProxy(cluster, { publicHost: "nat.example" });
  const node = cluster.nodes[0]!;
  async function talk(host: string, port: number, text: string): Promise<string> {
    await node.ask("DEL", KEY);
    using client = await WireClient.connect(host, port);
    await client.send(text);
    await client.closeWrite();
    return await client.readToEnd();
  }
  for (const [what, text] of Object.entries(LAST_WORDS)) {
    await t.step(what, async () => {
      const straight = await talk(node.host, node.port, text);
      assertEquals(await talk(AT, proxy.portOf(node), text), straight);
    });
  }
  await t.step("with replies that are rewritten", async () => {
    const text = wire("CLUSTER", "SLOTS") + wire("GET", "a");
    const answers = await talk(AT, proxy.portOf(node), text);
    const moved = `-MOVED 15495 nat.example:${proxy.portOf(cluster.nodes[1]!)}\r\n`;
    assert(answers.startsWith("*2\r\n") && answers.endsWith(moved), answers);
    assert(!answers.includes(node.host), answers);
  });
  await t.step("and no connection stays open", async () => {
    await until("no client is connected", () => proxy.proxy.sessionCount === 0);
  });
});

Deno.test("a client that disconnects is disconnected from its node, in every state", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const node = cluster.nodes[0]!;
  /** What it sends, what its line in CLIENT LIST then holds, and what happens next. */
  const doings: [what: string, text: string, shown: string, then: () => Promise<unknown>][] = [
    ["nothing", wire("PING"), "cmd=ping", () => Promise.resolve()],
    ["waiting", wire("BLPOP", KEY, "0"), "cmd=blpop", () => Promise.resolve()],
    // With a message that it never read, its end is a reset.
    ["listening", wire("SUBSCRIBE", "a"), "sub=1", () => node.ask("PUBLISH", "a", "message")],
    ["watching", wire("MONITOR"), "flags=O", () => node.ask("PING")],
    ["in a transaction", wire("MULTI") + wire("GET", KEY), "multi=1", () => Promise.resolve()],
  ];
  for (const [what, text, shown, then] of doings) {
    await t.step(what, async () => {
      const name = what.replaceAll(" ", "-");
      using client = await WireClient.connect(AT, proxy.portOf(node));
      await client.ask("CLIENT", "SETNAME", name);
      await client.send(text);
      await until("the node has its request", async (saw) => {
        const line = await listed(node, name);
        saw(line);
        return line?.includes(` ${shown} `);
      });
      await then();
      client.close();
      await until("the node has forgotten it", async (saw) => {
        const line = await listed(node, name);
        saw(line);
        return line === undefined;
      });
      await until("the proxy has forgotten it", () => proxy.proxy.sessionCount === 0);
    });
  }
});

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
      await client.send(wire("PING") + wrong + SLOTS);
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

/** The hash of a value of so many blocks. */
function hashOf(blocks: number): string {
  const hash = createHash("sha1");
  for (let index = 0; index < blocks; index++) hash.update(block(index));
  return hash.digest("hex");
}

/** A connection that sends and receives more than a test would keep. */
class Bulky implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(MIB);
  /** Received and not yet looked at. */
  #held = this.#buffer.subarray(0, 0);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(host: string, port: number): Promise<Bulky> {
    return new Bulky(await Deno.connect({ hostname: host, port }));
  }

  async send(bytes: Uint8Array | string): Promise<void> {
    let left = typeof bytes === "string" ? fromLatin1(bytes) : bytes;
    while (left.length > 0) left = left.subarray(await this.#connection.write(left));
  }

  /** Reads a line, without its CRLF. */
  async line(): Promise<string> {
    let line = "";
    while (!line.endsWith("\r\n")) line += toLatin1(await this.#take(1));
    return line.slice(0, -2);
  }

  /** Reads a bulk and returns its length and adds all of it to a hash. */
  async bulk(hash: Hash): Promise<number> {
    const header = await this.line();
    assertMatch(header, /^\$\d+$/);
    const length = Number(header.slice(1));
    for (let left = length; left > 0;) {
      const bytes = await this.#take(left);
      hash.update(bytes);
      left -= bytes.length;
    }
    assertEquals(await this.line(), "");
    return length;
  }

  /** Reads up to the end of the first `text`. */
  async until(text: string): Promise<string> {
    let read = "";
    while (!read.endsWith(text)) read += toLatin1(await this.#take(1));
    return read;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  /** Some bytes, `most` of them; borrowed until the next call. */
  async #take(most: number): Promise<Uint8Array> {
    if (this.#held.length === 0) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Error("The connection has ended");
      this.#held = this.#buffer.subarray(0, read);
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }
}

/** A program in front of a cluster of two, with all that a first client makes it load. */
async function startWarm(cluster: RedisCluster): Promise<{ nat: NatProcess; port: number }> {
  const node = cluster.nodes[0]!;
  const nat = await NatProcess.serve(node, ["--public-host=nat.example"]);
  const port = nat.portOf(node);
  using client = await WireClient.connect(AT, port);
  for (const query of ["SLOTS", "NODES"]) await client.ask("CLUSTER", query);
  return { nat, port };
}

async function assertGrewLittle(nat: NatProcess, beforeBytes: number): Promise<void> {
  const grownBytes = await nat.peakBytes() - beforeBytes;
  const mib = Math.round(grownBytes / MIB);
  assert(grownBytes < GROWTH_LIMIT_BYTES, `The program grew by ${mib} MiB`);
}

/** CLUSTER SLOTS behind something long, and what shows that its answer was rewritten. */
const SLOTS = wire("CLUSTER", "SLOTS") + wire("ECHO", "THE-END");

function assertRewritten(slots: string, cluster: RedisCluster): void {
  assert(slots.startsWith("*2\r\n"), slots);
  assertEquals(slots.split("$11\r\nnat.example\r\n").length - 1, 2, slots);
  for (const { host } of cluster.nodes) assert(!slots.includes(host), slots);
}

Deno.test({
  name: "values of any size pass with constant memory",
  ignore: Deno.build.os !== "linux",
  async fn(t) {
    await using cluster = await RedisCluster.start({
      primaries: 2,
      replicasEach: 0,
      // To fill or free half a gigabyte may take long on a busy machine.
      directives: { "cluster-node-timeout": "30000" },
    });
    const node = cluster.nodes[0]!;

    await t.step("a value of 512 MB is read, and the reply after it is rewritten", async () => {
      const blocks = LONGEST_VALUE_BYTES / MIB;
      const last = `${LONGEST_VALUE_BYTES - 1}`;
      using straight = await WireClient.connect(node.host, node.port);
      await straight.send(wire("DEL", KEY) + wire("SETRANGE", KEY, last, "\0"));
      for (let index = 0; index < blocks; index++) {
        await straight.send(wire("SETRANGE", KEY, `${index * MIB}`, mark(index)));
      }
      await straight.readFrames(2 + blocks, TRANSFER_DEADLINE_MS);
      const { nat: started, port } = await startWarm(cluster);
      await using nat = started;
      const before = await nat.peakBytes();
      using client = await Bulky.connect(AT, port);
      await client.send(wire("GET", KEY) + SLOTS);
      const hash = createHash("sha1");
      const length = await within("read the value", client.bulk(hash), TRANSFER_DEADLINE_MS);
      assertEquals([length, hash.digest("hex")], [LONGEST_VALUE_BYTES, hashOf(blocks)]);
      assertRewritten(await client.until("THE-END\r\n"), cluster);
      await assertGrewLittle(nat, before);
      await node.ask("DEL", KEY);
    });

    await t.step("a value of 256 MB is written, and the reply after it is rewritten", async () => {
      const blocks = 256;
      const { nat: started, port } = await startWarm(cluster);
      await using nat = started;
      const before = await nat.peakBytes();
      using client = await Bulky.connect(AT, port);
      await within("write the value", write(client, blocks), TRANSFER_DEADLINE_MS);
      await client.send(SLOTS);
      assertEquals(await client.line(), "+OK");
      assertRewritten(await client.until("THE-END\r\n"), cluster);
      await assertGrewLittle(nat, before);

      using straight = await Bulky.connect(node.host, node.port);
      await straight.send(wire("GET", KEY));
      const hash = createHash("sha1");
      const length = await within("read the value", straight.bulk(hash), TRANSFER_DEADLINE_MS);
      assertEquals([length, hash.digest("hex")], [blocks * MIB, hashOf(blocks)]);
    });
  },
});

async function write(client: Bulky, blocks: number): Promise<void> {
  const header = `*3\r\n$3\r\nSET\r\n$${KEY.length}\r\n${KEY}\r\n$${blocks * MIB}\r\n`;
  await client.send(header);
  for (let index = 0; index < blocks; index++) await client.send(block(index));
  await client.send("\r\n");
}
