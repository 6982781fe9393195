import { assertEquals, assertMatch } from "@std/assert";
import type { Config } from "../../../src/cli/config.ts";
import { fieldOf, itemsOf, textOf, type Value } from "../../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { Logged } from "../../support/logged.ts";
import { namedInLines, namedInSlots } from "../../support/named_nodes.ts";
import { runNat } from "../../support/nat_process.ts";
import { type LocalProxy, startProxy } from "../../support/proxy.ts";
import { slotOf } from "../../support/slots.ts";
import { startTlsProxy, tlsAddress } from "../../support/tls_proxy.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";

/** The nodes on the public side. */
const HOST = "nat.example";

/** Nodes that speak TLS to clients, and plain text to each other. */
const PLAIN_BUS = { "tls-cluster": "no", "tls-replication": "no" };

/** The key of the redirects here. */
const KEY = "key";

/** The fields with ports of each node in CLUSTER SHARDS. */
function portsInShards(reply: Value): Record<string, Record<string, number>> {
  const nodes = itemsOf(reply)!.flatMap((shard) => itemsOf(fieldOf(shard, "nodes"))!);
  return Object.fromEntries(nodes.map((node) => {
    const ports = ["port", "tls-port"].map((name) => [name, textOf(fieldOf(node, name))] as const)
      .filter(([, port]) => port !== undefined);
    const id = textOf(fieldOf(node, "id"))!;
    return [id, Object.fromEntries(ports.map(([name, port]) => [name, Number(port)]))];
  }));
}

/** The port of each node in a reply. */
function portsIn(reply: Value, words: string): Record<string, number> {
  const named = words.endsWith("SLOTS") ? namedInSlots(reply) : namedInLines(reply);
  return Object.fromEntries(named.map(({ id, port }) => [id, port]));
}

/** The primary that owns the slot of the key, and the next one. */
function ownerAndOther(cluster: RedisCluster): [owner: ClusterNode, other: ClusterNode] {
  const owner = cluster.ownerOf(slotOf(KEY));
  return [owner, cluster.primaries.find((node) => node !== owner)!];
}

function publicPorts(cluster: RedisCluster, proxy: LocalProxy): Record<string, number> {
  return Object.fromEntries(cluster.nodes.map((node) => [node.id, proxy.portOf(node)]));
}

function connect(proxy: LocalProxy, node: ClusterNode): Promise<WireClient> {
  return WireClient.connect("127.0.0.1", proxy.portOf(node));
}

/** Whether nodes tell their TLS ports to TLS clients without `tls-cluster`: since 7.2. */
async function tellsTlsPorts(node: ClusterNode): Promise<boolean> {
  using client = await node.connectTls();
  const own = namedInLines(await client.ask("CLUSTER", "NODES")).find(({ id }) => id === node.id);
  return own!.port === node.tlsPort;
}

/** How the proxy speaks to nodes. */
const KINDS = { "TLS": startTlsProxy, "plain text": startProxy };

for (const [kind, start] of Object.entries(KINDS)) {
  for (const tls of kind === "TLS" ? ["only", "both"] as const : ["both"] as const) {
    const nodes = tls === "only" ? "TLS only" : "both ports";
    Deno.test(`over ${kind}, every reply names the public ports of nodes with ${nodes}`, async (t) => {
      await using cluster = await RedisCluster.start({ tls });
      await using proxy = await start(cluster, { publicHost: HOST });
      const [owner, other] = ownerAndOther(cluster);
      const replica = cluster.replicas[cluster.primaries.indexOf(owner)]!;
      const ports = publicPorts(cluster, proxy);
      using inside = await (kind === "TLS" ? owner.connectTls() : owner.connect());
      using outside = await connect(proxy, owner);
      for (const protocol of ["2", "3"]) {
        for (const one of [inside, outside]) await one.ask("HELLO", protocol);
        for (const words of ["CLUSTER NODES", "CLUSTER SLOTS"]) {
          await t.step(`${words} in RESP${protocol}`, async () => {
            assertEquals(portsIn(await outside.ask(...words.split(" ")), words), ports);
          });
        }
        const straight = await inside.ask("CLUSTER", "SHARDS");
        const compareShards = async () => {
          const wanted = Object.entries(portsInShards(straight)).map(([id, fields]) => {
            assertEquals(Object.keys(fields), tls === "only" ? ["tls-port"] : ["port", "tls-port"]);
            return [id, Object.fromEntries(Object.keys(fields).map((name) => [name, ports[id]]))];
          });
          const shown = portsInShards(await outside.ask("CLUSTER", "SHARDS"));
          assertEquals(shown, Object.fromEntries(wanted));
        };
        await t.step({
          name: `CLUSTER SHARDS in RESP${protocol}`,
          fn: compareShards,
          // Redis 6.2 does not know it.
          ignore: straight.type === "-",
        });
      }
      await t.step("a redirect", async () => {
        using asked = await connect(proxy, other);
        const moved = textOf(await asked.ask("GET", KEY));
        assertEquals(moved, `MOVED ${slotOf(KEY)} ${HOST}:${ports[owner.id]}`);
      });
      await t.step("ROLE and INFO, with the ports for replication", async () => {
        const [, , [[host, port]]] = await role(outside);
        assertEquals([host, Number(port)], [HOST, ports[replica.id]]);
        using asked = await connect(proxy, replica);
        assertEquals((await role(asked)).slice(1, 3), [HOST, `${ports[owner.id]}`]);
        const info = textOf(await asked.ask("INFO", "replication"))!;
        assertMatch(info, new RegExp(`master_host:${HOST}\r\nmaster_port:${ports[owner.id]}\r\n`));
      });
      await t.step("no reply names a private port", async () => {
        const replies = [["INFO"], ["CLIENT", "LIST"]];
        for (const words of replies) {
          const text = textOf(await outside.ask(...words))!;
          const lines = text.split("\n").filter((line) =>
            /^(tcp_port|listener)|flags=N/.test(line)
          );
          for (const { port, tlsPort } of cluster.nodes) {
            assertEquals(lines.filter((line) => line.includes(`${port}`)), [], `${port}`);
            assertEquals(lines.filter((line) => line.includes(`${tlsPort}`)), [], `${tlsPort}`);
          }
        }
      });
    });
  }
}

// deno-lint-ignore no-explicit-any -- the form depends on the role
async function role(client: WireClient): Promise<any> {
  const plain = (value: Value): unknown => itemsOf(value)?.map(plain) ?? textOf(value);
  return plain(await client.ask("ROLE"));
}

Deno.test("without tls-cluster, nodes are served over TLS if they tell their TLS ports", async (t) => {
  await using cluster = await RedisCluster.start({ tls: "both", directives: PLAIN_BUS });
  const tells = await tellsTlsPorts(cluster.nodes[0]!);
  const [owner, other] = ownerAndOther(cluster);
  await t.step("with one seed", async () => {
    using logged = new Logged();
    const reason = "announces its plain-text port";
    if (tells) {
      await using proxy = await startTlsProxy(cluster);
      assertEquals(privatePorts(proxy), tlsPorts(cluster));
      using client = await connect(proxy, owner);
      assertEquals(textOf(await client.ask("SET", KEY, "1")), "OK");
      assertEquals(logged.lines.filter((line) => line.includes(reason)), []);
    } else {
      await using _proxy = await startTlsProxy(cluster, { connectTimeoutMs: 500 });
      const warnings = logged.lines.filter((line) => line.includes(reason));
      assertEquals(warnings.length, 1);
      assertMatch(warnings[0]!, /set `tls-cluster yes` on each node, or list the TLS address/);
    }
  });
  await t.step("with a seed for each node", async () => {
    const seeds = cluster.nodes.map(tlsAddress);
    await using proxy = await startTlsProxy(cluster, { seeds, connectTimeoutMs: 500 });
    assertEquals(privatePorts(proxy), tlsPorts(cluster));
    using client = await connect(proxy, other);
    const moved = textOf(await client.ask("GET", KEY));
    assertEquals(moved, `MOVED ${slotOf(KEY)} 127.0.0.1:${proxy.portOf(owner)}`);
  });
});

function privatePorts({ proxy }: LocalProxy): Record<string, number> {
  return Object.fromEntries(proxy.nodes.map(({ id, address }) => [id, address.port]));
}

function tlsPorts(cluster: RedisCluster): Record<string, number> {
  return Object.fromEntries(cluster.nodes.map(({ id, tlsPort }) => [id, tlsPort!]));
}

/** Kinds of connection that a blocked client, and MIGRATE, do not follow, but `tls-cluster`. */
const CROSSED: Record<string, [start: typeof startTlsProxy, directives: Record<string, string>]> = {
  "over plain text, with tls-cluster": [startProxy, {}],
  "over TLS, without tls-cluster": [startTlsProxy, PLAIN_BUS],
};

for (const [name, [start, directives]] of Object.entries(CROSSED)) {
  Deno.test(`blocked clients and MIGRATE find other nodes ${name}`, async (t) => {
    await using cluster = await RedisCluster.start({ tls: "both", directives });
    // Before 7.2, such a cluster tells no TLS port.
    const ignore = directives === PLAIN_BUS && !await tellsTlsPorts(cluster.nodes[0]!);
    await using proxy = await start(cluster, { connectTimeoutMs: 500 });
    const [owner, other] = ownerAndOther(cluster);
    const slot = `${slotOf(KEY)}`;
    const redirected = async () => {
      using client = await connect(proxy, owner);
      const blocked = client.askAll([["BLPOP", KEY, "0"]], 20_000);
      await until("it blocks", async () => {
        return /blocked_clients:1/.test(textOf(await owner.ask("INFO", "clients"))!);
      });
      await cluster.moveSlots([slotOf(KEY)], owner, other);
      const [moved] = await blocked;
      assertEquals(textOf(moved!), `MOVED ${slot} 127.0.0.1:${proxy.portOf(other)}`);
    };
    const migrated = async () => {
      using source = await connect(proxy, other);
      assertEquals(textOf(await source.ask("SET", KEY, "1")), "OK");
      await owner.order("CLUSTER", "SETSLOT", slot, "IMPORTING", other.id);
      await other.order("CLUSTER", "SETSLOT", slot, "MIGRATING", owner.id);
      const to = ["127.0.0.1", `${proxy.portOf(owner)}`];
      assertEquals(textOf(await source.ask("MIGRATE", ...to, KEY, "0", "5000")), "OK");
    };
    await t.step({
      name: "a blocked client is redirected to a public port",
      fn: redirected,
      ignore,
    });
    // Before 7.0, no reply has both ports.
    const isOld = (await owner.ask("CLUSTER", "SHARDS")).type === "-";
    const name = "MIGRATE to a public port reaches the node";
    await t.step({ name, fn: migrated, ignore: ignore || isOld });
  });
}

Deno.test("a proxy in plain text says that a node speaks TLS", async (t) => {
  const start = async (address: string) => {
    const flags = ["--check", "--start-timeout=1s", "--public-host=127.0.0.1"];
    return (await runNat([...flags, `--cluster-addr=${address}`])).stderr;
  };
  await t.step("of a node that closes the connection", async () => {
    await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
    const stderr = await start(cluster.nodes[0]!.address);
    assertMatch(stderr, /^redis-cluster-nat: Node \S+ speaks TLS on this port: add --cluster-tls,/);
  });
  await t.step("of a node that sends an alert", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      for await (const conn of listener) {
        await conn.write(new Uint8Array([21, 3, 3, 0, 2, 2, 70]));
        await conn.read(new Uint8Array(1024));
        conn.close();
      }
    })();
    const stderr = await start(`127.0.0.1:${listener.addr.port}`);
    assertMatch(stderr, /^redis-cluster-nat: Node \S+ speaks TLS on this port: add --cluster-tls,/);
    listener.close();
    await serving;
  });
});

Deno.test("a node that gives up its plain-text port is closed, and named in the log", async () => {
  await using cluster = await RedisCluster.start({ tls: "both" });
  using logged = new Logged();
  const swift: Partial<Config> = { refreshIntervalMs: 250 };
  await using plain = await startProxy(cluster, swift);
  await using overTls = await startTlsProxy(cluster, swift);
  const [owner, other] = ownerAndOther(cluster);
  const port = plain.portOf(owner);
  using kept = await connect(overTls, owner);
  await owner.configure({ port: "0" });
  const tellsZero = await until("others know it", async (saw) => {
    const line = namedInLines(await other.ask("CLUSTER", "NODES")).find(({ id }) =>
      id === owner.id
    )!;
    saw(line);
    return line.port !== owner.port && { yes: line.port === 0 };
  });
  const hasShards = (await other.ask("CLUSTER", "SHARDS")).type !== "-";
  if (tellsZero.yes || hasShards) {
    const line = `warning Node ${owner.id} at ${owner.host} has no plain-text port, so no client ` +
      "can reach it; set `port` in its configuration, or use --cluster-tls";
    await until("it is logged", () => logged.lines.includes(line));
  }
  await until("its public port is closed", async () => {
    try {
      using client = await WireClient.connect("127.0.0.1", port);
      return !client;
    } catch (error) {
      return error instanceof Deno.errors.ConnectionRefused;
    }
  });
  assertEquals(textOf(await kept.ask("SET", KEY, "1")), "OK");
  using asked = await connect(overTls, other);
  const moved = `MOVED ${slotOf(KEY)} 127.0.0.1:${overTls.portOf(owner)}`;
  assertEquals(textOf(await asked.ask("GET", KEY)), moved);
});

Deno.test("a node may open its TLS port later", async (t) => {
  await using cluster = await RedisCluster.start({
    tls: "both",
    replicasEach: 0,
    directivesOf: (index) => index === 2 ? { ...PLAIN_BUS, "tls-port": "0" } : PLAIN_BUS,
  });
  // Before 7.2, such a cluster tells no TLS port.
  const ignore = !await tellsTlsPorts(cluster.nodes[0]!);
  const fn = async () => {
    using logged = new Logged();
    await using proxy = await startTlsProxy(cluster, { publicHost: HOST, refreshIntervalMs: 250 });
    const [first, , late] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    using client = await connect(proxy, first);
    const slots = async () => portsIn(await client.ask("CLUSTER", "SLOTS"), "CLUSTER SLOTS");
    assertEquals((await slots())[late.id], 0);
    const line =
      `warning Node ${late.id} at ${late.host} has no TLS port, so no client can reach ` +
      "it; set `tls-port` in its configuration, or do without --cluster-tls";
    assertEquals(logged.lines.filter((one) => one.includes(late.id)), [line]);
    await late.configure({ "tls-port": `${late.tlsPort}` });
    await until("it has a public port", async (saw) => {
      const ports = await slots();
      saw(ports);
      return ports[late.id]! > 0;
    });
    using served = await connect(proxy, late);
    assertEquals(textOf(await served.ask("CLUSTER", "MYID")), late.id);
  };
  await t.step({ name: "and gets a public port then", fn, ignore });
});
