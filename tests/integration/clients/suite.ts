import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { textOf } from "../../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { type RunningProxy, startProxyProcess } from "../../support/proxy.ts";
import { SLOW_TLS_CLIENT } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { until, within } from "../../support/until.ts";
import type { ClusterClient, Connect, ConnectOptions } from "./client.ts";

/** The setting of a client test. */
export interface Scene {
  readonly cluster: RedisCluster;
  readonly proxy: RunningProxy;
  /** The proxy's port of the first node. */
  readonly address: ConnectOptions;
  /** Connects one more client, by default to that address. */
  connect(options?: Partial<ConnectOptions>): Promise<ClusterClient>;
}

/** Tests by the behaviour that they check. */
export type Behaviours = Readonly<Record<string, (scene: Scene) => Promise<void>>>;

/** Each takes a second at most; a client that hangs misses a reply. */
const DEADLINE_MS = 30_000;

const COMMANDS_AT_ONCE = 3_000;

/** With replies of 1 KiB, more than all buffers on the way hold. */
const PIPELINE_LENGTH = 10_000;

const MIB = 1024 * 1024;

/** Values that look like replies or redirects. */
const MISLEADING = [
  "-MOVED 1 10.0.0.1:7000",
  "-MOVED 1 10.0.0.1:7000\r\n",
  "\r\n-ASK 1 10.0.0.1:7000\r\n$-1\r\n",
  ">2\r\n$10\r\ninvalidate\r\n*-1\r\n",
  "CLUSTER SLOTS\r\n",
];

const LONG_PIPELINE = "gets the answers of a long pipeline in order";

/** Redis before 7.0 has neither functions nor sharded channels. */
const SINCE_7 = new Set(["calls functions", "hears what is published on a sharded channel"]);

/**
 * Tests a client through a proxy with both protocols. All behaviours share a cluster and use their
 * own keys.
 *
 * @param more behaviours of this client only
 */
export function testClient(
  name: string,
  connect: Connect,
  more: (protocol: 2 | 3) => Behaviours,
): void {
  for (const protocol of [2, 3] as const) {
    Deno.test(`${name} with RESP${protocol} uses a cluster through the proxy`, async (t) => {
      await using cluster = await RedisCluster.start();
      await using proxy = await startProxyProcess(cluster);
      const { host } = proxy;
      const port = proxy.portOf(cluster.nodes[0]!);
      const address = { host, port, protocol };
      const scene: Scene = {
        ...{ cluster, proxy, address },
        connect: (options) => connect({ ...address, ...options }),
      };
      const major = await majorVersion(cluster.nodes[0]!);
      for (const [behaviour, fn] of Object.entries({ ...COMMON, ...more(protocol) })) {
        const hindrance = major < 7 && SINCE_7.has(behaviour)
          ? "the server has no such commands"
          : behaviour === LONG_PIPELINE
          ? SLOW_TLS_CLIENT
          : undefined;
        await t.step(unless(hindrance, behaviour, async () => {
          await within(`see that it ${behaviour}`, fn(scene), DEADLINE_MS);
        }));
      }
    });
  }
}

/** The node that has `key`, if no slot has moved. */
export async function ownerOf(cluster: RedisCluster, key: string): Promise<ClusterNode> {
  const slot = await cluster.nodes[0]!.ask("CLUSTER", "KEYSLOT", key);
  return cluster.ownerOf(Number(textOf(slot)));
}

const COMMON: Behaviours = {
  "learns public addresses only": async ({ cluster, proxy, connect }) => {
    await using client = await connect();
    assertPublic(client, proxy);
    for (const node of cluster.primaries) {
      const address = `${proxy.host}:${proxy.portOf(node)}`;
      assert(client.addresses.includes(address), `${address} in ${client.addresses}`);
    }
  },

  "connects at any node": async ({ proxy, connect }) => {
    for (const port of proxy.ports) {
      await using client = await connect({ port });
      assertEquals(String(await client.command("any", "SET", "any", `${port}`)), "OK");
      assertEquals(String(await client.command("any", "GET", "any")), `${port}`);
    }
  },

  "uses keys of all shards, with many commands at once": async ({ cluster, connect }) => {
    await using client = await connect();
    const keys = Array.from({ length: COMMANDS_AT_ONCE }, (_, index) => `many:${index}`);
    const before = await keyCounts(cluster.primaries);
    const set = await Promise.all(keys.map((key) => client.command(key, "SET", key, `<${key}>`)));
    assertEquals(new Set(set.map(String)), new Set(["OK"]));
    const values = await Promise.all(keys.map((key) => client.command(key, "GET", key)));
    assertEquals(values.map(String), keys.map((key) => `<${key}>`));
    const added = (await keyCounts(cluster.primaries)).map((count, index) =>
      count - before[index]!
    );
    assertEquals(added.reduce((sum, count) => sum + count), COMMANDS_AT_ONCE);
    assert(added.every((count) => count > COMMANDS_AT_ONCE / 4), added.join());
  },

  "gets answers of all shapes": async ({ connect }) => {
    await using client = await connect();
    const ask = (command: string, key: string, ...words: string[]) =>
      client.command(key, command, key, ...words);
    assertEquals(await ask("GET", "{shape}none"), null);
    assertEquals(await ask("INCRBY", "{shape}number", "42"), 42);
    assertEquals(await ask("RPUSH", "{shape}list", "a", "", "c"), 3);
    assertEquals(await ask("LRANGE", "{shape}list", "0", "-1"), ["a", "", "c"]);
    assertEquals(await ask("LRANGE", "{shape}none", "0", "-1"), []);
    assertEquals(await ask("ZADD", "{shape}sorted", "1.5", "a"), 1);
    assertEquals(String(await ask("ZSCORE", "{shape}sorted", "a")), "1.5");
    assertEquals(await ask("SADD", "{shape}set", "a"), 1);
    assertEquals([...await ask("SMEMBERS", "{shape}set") as Iterable<unknown>], ["a"]);
    assertEquals(await ask("HSET", "{shape}hash", "field", "value"), 1);
    assertEquals(await ask("HMGET", "{shape}hash", "field", "none"), ["value", null]);
    await assertRejects(() => ask("INCR", "{shape}list"), Error, "WRONGTYPE");
  },

  [LONG_PIPELINE]: async ({ connect }) => {
    await using client = await connect();
    const filling = "x".repeat(1024);
    const echoes = Array.from({ length: PIPELINE_LENGTH }, (_, index) => `${index}${filling}`);
    const answers = await client.pipeline("{pipeline}", echoes.map((text) => ["ECHO", text]));
    assertEquals(answers.length, PIPELINE_LENGTH);
    assertEquals(answers.findIndex((answer, index) => String(answer) !== echoes[index]), -1);
  },

  "gets public addresses in the middle of a pipeline": async ({ proxy, connect }) => {
    await using client = await connect();
    const [set, slots, get, nodes, last] = await client.pipeline("{amid}", [
      ["SET", "{amid}", "-MOVED 1 10.0.0.1:7000"],
      ["CLUSTER", "SLOTS"],
      ["GET", "{amid}"],
      ["cluster", "nodes"],
      ["ECHO", "last"],
    ]);
    assertEquals([set, get, last].map(String), ["OK", "-MOVED 1 10.0.0.1:7000", "last"]);
    const ranges = slots as [number, number, ...[host: string, port: number][]][];
    const inSlots = ranges.flatMap(([, , ...entries]) =>
      entries.map(([host, port]) => `${host}:${port}`)
    );
    const inNodes = [...String(nodes).matchAll(/^[0-9a-f]{40} ([^ @]+)@/gm)].map(([, at]) => at!);
    const all = proxy.ports.map((port) => `${proxy.host}:${port}`).sort();
    assertEquals(inSlots.sort(), all);
    assertEquals(inNodes.sort(), all);
  },

  "runs transactions": async ({ connect }) => {
    await using client = await connect();
    const results = await client.transaction("{multi}", [
      ["SET", "{multi}a", "1"],
      ["INCR", "{multi}a"],
      ["GET", "{multi}a"],
      ["GET", "{multi}none"],
    ]);
    const texts = results?.map((result) => result === null ? null : String(result));
    assertEquals(texts, ["OK", "2", "2", null]);
  },

  "has a watched transaction aborted, but only by others": async ({ connect }) => {
    await using client = await connect();
    await using other = await connect();
    const key = "{watch}";
    const commands = [["SET", key, "mine"]];
    const theirs = () => other.command(key, "SET", key, "theirs");
    assertEquals(await client.transaction(key, commands, theirs), null);
    assertEquals(String(await client.command(key, "GET", key)), "theirs");
    const unchanged = () => other.command(key, "GET", key);
    assertEquals((await client.transaction(key, commands, unchanged))?.map(String), ["OK"]);
    assertEquals(String(await client.command(key, "GET", key)), "mine");
  },

  "hears what is published": async ({ connect }) => {
    await using client = await connect();
    await using other = await connect();
    await hears(client, "", "channel", (text) => other.command("a", "PUBLISH", "channel", text));
    await hears(client, "p", "chan*", (text) => other.command("a", "PUBLISH", "channels", text));
  },

  "hears what is published on a sharded channel": async ({ connect }) => {
    await using client = await connect();
    await using other = await connect();
    // One key in each shard, at least.
    for (const channel of ["a", "b", "c", "d", "e"]) {
      await hears(client, "s", channel, (text) => {
        return other.command(channel, "SPUBLISH", channel, text);
      });
    }
  },

  "is woken from a blocking command": async ({ cluster, connect }) => {
    await using client = await connect();
    await using other = await connect();
    const popped = client.command("block", "BLPOP", "block", "0");
    await untilBlocked(await ownerOf(cluster, "block"), 1);
    await other.command("block", "RPUSH", "block", "value");
    assertEquals(await popped, ["block", "value"]);
  },

  "is gone from the node when it leaves while blocked": async ({ cluster, connect }) => {
    await using client = await connect();
    const node = await ownerOf(cluster, "leave");
    const popped = assertRejects(() => client.command("leave", "BLPOP", "leave", "0"));
    await untilBlocked(node, 1);
    client.leave();
    await popped;
    await untilBlocked(node, 0);
  },

  "runs scripts": async ({ connect }) => {
    await using client = await connect();
    const script = "return {KEYS[1], ARGV[1], 3, redis.status_reply('MOVED 1 10.0.0.1:7000')}";
    const result = ["script", "argument", 3, "MOVED 1 10.0.0.1:7000"];
    const words = [script, "1", "script", "argument"];
    assertEquals(await client.command("script", "EVAL", ...words), result);
    const [sha] = await client.onPrimaries("SCRIPT", "LOAD", script);
    assertEquals(await client.command("script", "EVALSHA", String(sha), ...words.slice(1)), result);
    const unknown = () => client.command("script", "EVALSHA", "0".repeat(40), "1", "script");
    await assertRejects(unknown, Error, "NOSCRIPT");
  },

  "calls functions": async ({ connect }) => {
    await using client = await connect();
    const library = "#!lua name=library\n" +
      "redis.register_function('join', function(keys, args) return keys[1] .. args[1] end)";
    await client.onPrimaries("FUNCTION", "LOAD", "REPLACE", library);
    for (const key of ["a", "b", "c", "d", "e"]) {
      assertEquals(String(await client.command(key, "FCALL", "join", "1", key, "!")), `${key}!`);
    }
  },

  "reads from replicas": async ({ cluster, connect }) => {
    await using client = await connect();
    await using reader = await connect({ readReplicas: true });
    const keys = Array.from({ length: 60 }, (_, index) => `replicated:${index}`);
    await Promise.all(keys.map((key) => client.command(key, "SET", key, `<${key}>`)));
    await until("the replicas have it", async () => {
      const views = [await keyCounts(cluster.primaries), await keyCounts(cluster.replicas)];
      return views[0]!.join() === views[1]!.join();
    });
    const before = await getCounts(cluster.replicas);
    const values = await Promise.all(keys.map((key) => reader.getBytes(key)));
    assertEquals(values.map(String), keys.map((key) => `<${key}>`));
    const after = await getCounts(cluster.replicas);
    const served = after.map((count, index) => count - before[index]!);
    assert(served.every((count) => count > 0), `replicas served ${served.join()} reads`);
  },

  "keeps values of any bytes and sizes": async ({ connect }) => {
    await using client = await connect();
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const large = Buffer.alloc(8 * MIB, everyByte);
    for (const value of [Buffer.alloc(0), everyByte, large]) {
      for (const key of ["bytes", everyByte]) {
        await client.command(key, "SET", key, value);
        const read = await client.getBytes(key);
        assert(read !== null && value.equals(read), `${value.length} bytes`);
      }
    }
  },

  "keeps values that look like redirects": async ({ connect }) => {
    await using client = await connect();
    for (const text of MISLEADING) {
      assertEquals(String(await client.command(text, "SET", text, text)), "OK");
      assertEquals(String(await client.command(text, "GET", text)), text);
      await client.command(text, "RPUSH", `{${text}}`, text, text);
      assertEquals(await client.command(text, "LRANGE", `{${text}}`, "0", "-1"), [text, text]);
    }
  },

  "follows a slot on its way to another node": async ({ cluster, proxy, connect }) => {
    // No other test uses this key: its slot does not return.
    const key = "{wanderer}";
    await using client = await connect();
    await client.command(key, "GET", key);
    const slot = textOf(await cluster.nodes[0]!.ask("CLUSTER", "KEYSLOT", key))!;
    const source = await ownerOf(cluster, key);
    const target = cluster.primaries.find((node) => node !== source)!;
    await target.order("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id);
    await source.order("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id);
    const asked = await client.command(key, "SET", key, "redirected");
    assertEquals(String(asked), "OK", "by ASK");
    assertPublic(client, proxy);
    for (const node of [target, source]) {
      await node.order("CLUSTER", "SETSLOT", slot, "NODE", target.id);
    }
    assertEquals(textOf(await target.ask("GET", key)), "redirected");
    assertEquals(String(await client.command(key, "GET", key)), "redirected", "by MOVED");
    assertPublic(client, proxy);
  },
};

/** A client could reach private addresses here, so this checks what it knows. */
function assertPublic(client: ClusterClient, proxy: RunningProxy): void {
  const all = new Set(proxy.ports.map((port) => `${proxy.host}:${port}`));
  assertEquals(client.addresses.filter((address) => !all.has(address)), []);
}

async function hears(
  client: ClusterClient,
  kind: "" | "p" | "s",
  channel: string,
  publish: (message: string) => Promise<unknown>,
) {
  const heard: string[] = [];
  await client.subscribe(kind, channel, (message) => heard.push(message));
  const messages = Array.from({ length: 100 }, (_, index) => `${channel} ${index}`);
  for (const message of messages) await publish(message);
  await until(`all is heard on ${channel}`, (saw) => {
    saw(heard);
    return heard.length >= messages.length;
  });
  // Nodes forward published messages each in their own order.
  if (kind === "s") assertEquals(heard, messages);
  else assertEquals(heard.toSorted(), messages.toSorted());
}

async function untilBlocked(node: ClusterNode, count: number): Promise<void> {
  await until(`${count} clients of ${node.address} are blocked`, async (saw) => {
    const list = textOf(await node.ask("CLIENT", "LIST")) ?? "";
    saw(list);
    return list.match(/ cmd=blpop /g)?.length === (count || undefined);
  });
}

/** The number of keys of each node. */
function keyCounts(nodes: readonly ClusterNode[]): Promise<number[]> {
  return Promise.all(nodes.map(async (node) => Number(textOf(await node.ask("DBSIZE")))));
}

/** The number of GETs that each node has served. */
function getCounts(nodes: readonly ClusterNode[]): Promise<number[]> {
  return Promise.all(nodes.map(async (node) => {
    const stats = textOf(await node.ask("INFO", "commandstats")) ?? "";
    return Number(/^cmdstat_get:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
  }));
}

async function majorVersion(node: ClusterNode): Promise<number> {
  const info = textOf(await node.ask("INFO", "server")) ?? "";
  return Number(/^redis_version:(\d+)/m.exec(info)?.[1]);
}
