import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { itemsOf, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { startLoneServer } from "../support/lone_server.ts";
import { findFreePorts } from "../support/ports.ts";
import { run } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { toolOptions } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** The slot of `{2977}`, at the first primary: a low one, because slots move one by one from 0. */
const SLOT = 3;

const KEYS = Array.from({ length: 50 }, (_, index) => `{2977}:${index}`);

/** A node keeps a connection that MIGRATE made for ten seconds. */
const NO_SESSION_DEADLINE_MS = 5_000;

const GOSSIP_DEADLINE_MS = 20_000;

Deno.test("a cluster is administered with public addresses only", async (t) => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster);
  const { host } = proxy;
  const [first, second, third] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode];
  const port = (node: ClusterNode) => `${proxy.portOf(node)}`;

  const manage = (command: string, ...words: string[]) =>
    manageCluster(cluster.nodes, command, `${host}:${port(first)}`, ...words);

  /** A session that is left would be one of a node that went to another through the proxy. */
  async function assertNobodyIsLeft(): Promise<void> {
    await until("no session is left", (saw) => {
      saw(proxy.proxy.sessionCount);
      return proxy.proxy.sessionCount === 0;
    }, NO_SESSION_DEADLINE_MS);
  }

  /** Waits until word of what has changed has come to all nodes. */
  async function untilAllAgree(): Promise<void> {
    await until("all nodes agree", async (saw) => {
      const views = await Promise.all(cluster.nodes.map(slotsSeenBy));
      saw(views);
      const [view] = views;
      return view!.startsWith("ok") && views.every((other) => other === view);
    }, GOSSIP_DEADLINE_MS);
  }

  await t.step("redis-cli --cluster reshard moves slots and their keys", async () => {
    for (const key of KEYS) await first.order("SET", key, key);
    const nodes = ["--cluster-from", first.id, "--cluster-to", second.id];
    await manage("reshard", ...nodes, "--cluster-slots", `${SLOT + 1}`, "--cluster-yes");
    await assertNobodyIsLeft();
    assertEquals(await keysAt(second), KEYS.length);
    assert(await restored(second) >= 1);
    await untilAllAgree();
    assertMatch(await manage("check"), /\[OK\] All 16384 slots covered\./);
  });

  await t.step("redis-cli --cluster fix closes a slot and moves its keys", async () => {
    await first.order("CLUSTER", "SETSLOT", `${SLOT}`, "IMPORTING", second.id);
    await second.order("CLUSTER", "SETSLOT", `${SLOT}`, "MIGRATING", first.id);
    assertMatch(await manage("fix"), /\[OK\] All 16384 slots covered\./);
    await assertNobodyIsLeft();
    assertEquals(await keysAt(first), KEYS.length);
    assertEquals(await keysAt(second), 0);
    await untilAllAgree();
  });

  await t.step("redis-cli --cluster import takes the keys of a server outside", async () => {
    await using lone = await startLoneServer();
    const keys = Array.from({ length: 30 }, (_, index) => `lone:${index}`);
    using client = await WireClient.connectTcp("127.0.0.1", lone.port);
    for (const key of keys) await client.ask("SET", key, key);
    await manage("import", "--cluster-from", `127.0.0.1:${lone.port}`);
    assertEquals(textOf(await client.ask("DBSIZE")), "0");
    const cli = ["redis-cli", ...toolOptions(), "-c", "-h", host, "-p", port(first)];
    const { output } = await run(cli, keys.map((key) => `GET ${key}\n`).join(""));
    assertEquals(output.replaceAll(/^-> Redirected .*\n/gm, ""), keys.join("\n") + "\n");
  });

  await t.step("CLUSTER MEET brings back a node that has forgotten all others", async () => {
    const lost = cluster.replicas[2]!;
    // It is an empty primary then.
    await lost.order("CLUSTER", "RESET", "SOFT");
    assertEquals((await slotsSeenBy(lost)).split("\n").length, 2);
    using client = await WireClient.connect(host, proxy.portOf(lost));
    assertEquals(textOf(await client.ask("CLUSTER", "MEET", host, port(first))), "OK");
    await untilAllAgree();
  });

  await t.step("redis-cli --cluster rebalance gives slots to an empty primary", async () => {
    const empty = cluster.replicas[2]!;
    // A weight by which it gets only some of them.
    const words = ["--cluster-use-empty-masters", "--cluster-threshold", "1"];
    const kept = [first, second, third].map(({ id }) => `${id}=1`);
    await manage("rebalance", ...words, "--cluster-weight", ...kept, `${empty.id}=0.01`);
    await assertNobodyIsLeft();
    assertMatch(await ownLineOf(empty), / connected (\d+)(-\d+)?/);
    await untilAllAgree();
    assertMatch(await manage("check"), /\[OK\] All 16384 slots covered\./);
  });
});

Deno.test("a node with a static mapping is added and removed with public addresses only", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using lone = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const [first] = cluster.nodes as [ClusterNode];
  const newcomer = lone.nodes[0]!;
  await newcomer.order("CLUSTER", "FLUSHSLOTS");
  const port = findFreePorts(1);
  await using proxy = await startProxy(cluster, {
    staticMappings: [{ node: { host: newcomer.host, port: newcomer.port }, port }],
    refreshIntervalMs: 100,
    forgetAfterMs: 100,
  });
  const known = `${proxy.host}:${proxy.portOf(first)}`;
  const nodes = [...cluster.nodes, newcomer];
  const untilKnown = (nodes: readonly ClusterNode[], count: number) =>
    until(`all know ${count} nodes`, async () => {
      const views = await Promise.all(nodes.map(slotsSeenBy));
      return views.every((view) => view.split("\n").length === count + 1);
    });

  await manageCluster(nodes, "add-node", `${proxy.host}:${port}`, known);
  await until("the proxy knows it, too", () => proxy.portOf(newcomer) === port);
  await untilKnown(nodes, 4);
  using client = await WireClient.connect(proxy.host, proxy.portOf(first));
  assertStringIncludes(textOf(await client.ask("CLUSTER", "NODES"))!, ` ${proxy.host}:${port}@`);

  await manageCluster(nodes, "del-node", known, newcomer.id);
  await untilKnown(cluster.nodes, 3);
});

Deno.test("clients are found by the addresses that CLIENT LIST shows", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
  const connect = (to = node) => WireClient.connect(proxy.host, proxy.portOf(to));
  using operator = await connect();
  const list = async (...filter: string[]) => {
    const reply = await operator.ask("CLIENT", "LIST", ...filter);
    assertEquals(reply.type, "$", textOf(reply));
    return (textOf(reply) ?? "").trimEnd().split("\n");
  };
  const own = `${proxy.host}:${proxy.portOf(node)}`;
  // Only Valkey has them, and in its older versions not all.
  const hasFilter = async (name: string) =>
    (await node.ask("CLIENT", "LIST", name, node.address)).type !== "-";
  const [filters, inverses] = [await hasFilter("LADDR"), await hasFilter("NOT-LADDR")];

  for (const form of [["KILL"], ["KILL", "ADDR"], ["KILL", "TYPE", "normal", "addr"]]) {
    await t.step(`CLIENT ${form.join(" ")} ends the client`, async () => {
      using client = await connect();
      using bystander = await connect(other);
      await client.ask("CLIENT", "SETNAME", "victim");
      const line = (await list()).find((line) => line.includes(" name=victim "))!;
      const [, address] = / addr=(\S+) /.exec(line)!;
      assertEquals(address, client.localAddress);
      if (filters) {
        const found = await list("ADDR", address!);
        assertEquals(found.map((line) => / name=(\S*) /.exec(line)![1]), ["victim"]);
      }
      if (inverses) {
        assert((await list("NOT-ADDR", address!)).every((line) => !line.includes("victim")));
      }
      const reply = textOf(await operator.ask("CLIENT", ...form, address!));
      assertEquals(reply, form.length === 1 ? "OK" : "1");
      assertEquals(await client.readToEnd(), "");
      assertEquals(textOf(await bystander.ask("PING")), "PONG");
    });
  }

  await t.step("the address of no client ends no connection", async () => {
    const nobody = `${proxy.host}:1`;
    assertStringIncludes(textOf(await operator.ask("CLIENT", "KILL", nobody))!, "No such client");
    assertEquals(textOf(await operator.ask("CLIENT", "KILL", "ADDR", nobody)), "0");
  });

  const listing = "CLIENT LIST LADDR lists the clients of the node's port";
  await t.step({ name: listing, ignore: !filters, fn: listByPort });
  async function listByPort() {
    using client = await connect();
    await client.ask("CLIENT", "SETNAME", "listed");
    const listed = await list("LADDR", own);
    assert(listed.some((line) => line.includes(" name=listed ")), listed.join("\n"));
    for (const line of listed) assertStringIncludes(line, ` laddr=${own} `);
    assertEquals(await list("LADDR", `${proxy.host}:${proxy.portOf(other)}`), [""]);
    if (inverses) assertEquals(await list("NOT-LADDR", own), [""]);
  }

  await t.step("CLIENT KILL LADDR ends all connections but the caller's", async () => {
    using client = await connect();
    await client.ask("PING");
    assert(Number(textOf(await operator.ask("CLIENT", "KILL", "LADDR", own))) >= 1);
    assertEquals(await client.readToEnd(), "");
    assertEquals(textOf(await operator.ask("PING")), "PONG");
  });
});

Deno.test("the error to a refused request repeats its public address", async () => {
  await using cluster = await RedisCluster.start({
    primaries: 2,
    replicasEach: 0,
    directives: { "rename-command": 'MIGRATE ""' },
  });
  await using proxy = await startProxy(cluster);
  using client = await WireClient.connect(proxy.host, proxy.portOf(cluster.nodes[0]!));
  const to = `${proxy.portOf(cluster.nodes[1]!)}`;
  const refused = await client.ask("MIGRATE", proxy.host, to, "k", "0", "9");
  assertMatch(textOf(refused)!, new RegExp(`unknown command .*${proxy.host}'.*'${to}'`));
  for (const address of [[proxy.host, "1"], ["nowhere.example", to]]) {
    const invalid = textOf(await client.ask("CLUSTER", "MEET", ...address, "700000"))!;
    assert(invalid.startsWith("ERR "), invalid);
  }
  const unknown = await client.ask("CLUSTER", "MEET", "nowhere.example", to);
  assertEquals(textOf(unknown), `ERR Invalid node address specified: nowhere.example:${to}`);
});

/** Runs `redis-cli --cluster`, which must show no address of a node, and returns its output. */
async function manageCluster(nodes: readonly ClusterNode[], ...words: string[]): Promise<string> {
  const { code, output } = await run(["redis-cli", ...toolOptions(), "--cluster", ...words]);
  assertEquals(code, 0, output);
  for (const { address } of nodes) assert(!output.includes(address), output);
  return output;
}

async function keysAt(node: ClusterNode): Promise<number> {
  const keys = itemsOf(await node.order("KEYS", "{2977}:*"))!;
  return keys.length;
}

/** The state of the cluster for a node, and all nodes that it knows, with the slots of each. */
async function slotsSeenBy(node: ClusterNode): Promise<string> {
  const info = textOf(await node.order("CLUSTER", "INFO")) ?? "";
  const lines = (textOf(await node.order("CLUSTER", "NODES")) ?? "").trimEnd().split("\n");
  const nodes = lines.map((line) => {
    const [id, , , , , , , , ...slots] = line.split(" ");
    return [id, ...slots].join(" ");
  });
  return [/^cluster_state:(.*)\r$/m.exec(info)![1], ...nodes.sort()].join("\n");
}

/** How often MIGRATE has reached a node. */
async function restored(node: ClusterNode): Promise<number> {
  const stats = textOf(await node.order("INFO", "commandstats")) ?? "";
  return Number(/^cmdstat_restore(?:-asking)?:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
}

/** What a node says of itself in CLUSTER NODES. */
async function ownLineOf(node: ClusterNode): Promise<string> {
  const lines = (textOf(await node.order("CLUSTER", "NODES")) ?? "").split("\n");
  return lines.find((line) => line.includes("myself"))!;
}
