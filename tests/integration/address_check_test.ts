import { assert, assertEquals } from "@std/assert";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { AddressCheck } from "../../src/nat/address_check.ts";
import type { NodeDialer } from "../../src/cluster/node_dialer.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import { textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { dialerWith } from "../support/dialer.ts";
import { NODE_LINK } from "../support/dialer.ts";
import { bulk } from "../support/frames.ts";
import { Logged } from "../support/logged.ts";
import { idAt } from "../support/named_nodes.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { Peer } from "../support/peer.ts";
import { findFreePorts, isRefused } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";
import { idOf, TableScene } from "../support/views.ts";

/** More descriptors than a proxy with three nodes has, far fewer than one that dials itself. */
const MOST_DESCRIPTORS = 60;

/** The replies of a node (`me`) in a cluster of a and b with these announced addresses. */
function answerAs(me: "a" | "b", announced: { a: string; b: string }): string {
  const lines = ([["a", "0-8191"], ["b", "8192-16383"]] as const).map(([digit, slots]) => {
    const flags = digit === me ? "myself,master" : "master";
    return `${idOf(digit)} ${announced[digit]}@1 ${flags} - 0 0 1 connected ${slots}\n`;
  });
  return bulk(lines.join("")) + bulk("cluster_state:ok\r\n") + "-ERR no shards\r\n";
}

/** An address on which nothing listens. */
const DEAD = "127.255.255.254:9";

/** What a and b announce, and where they are served; "A" and "B" are where they answer. */
const PLACES: [name: string, announced: [string, string], reached: [string, string]][] = [
  ["what they are", ["A", "B"], ["A", "B"]],
  ["addresses that take no connection", [DEAD, DEAD], ["A", "B"]],
  ["the address of the other", ["B", "B"], ["A", "B"]],
];

const OTHER_PORT = withTls("nodes", "without CLUSTER SHARDS another port is taken for a plain one");

for (const [name, announced, reached] of PLACES) {
  for (const from of ["seeds", "a state file"]) {
    const title = `nodes that announce ${name} and answer at ${from} are served there`;
    Deno.test(unless(announced[0] === "B" ? OTHER_PORT : undefined, title, async () => {
      const ports = { A: findFreePorts(1), B: findFreePorts(1) };
      const at = (place: string) =>
        place === "A" || place === "B" ? `127.0.0.1:${ports[place]}` : place;
      const [a, b] = announced.map(at) as [string, string];
      await using peerA = new Peer({ answer: answerAs("a", { a, b }), port: ports.A });
      await using peerB = new Peer({ answer: answerAs("b", { a, b }), port: ports.B });
      const places: HostPort[] = [peerA, peerB].map(({ host, port }) => ({ host, port }));
      const seeds = from === "seeds" ? places : places.slice(0, 1);
      const saved = from === "seeds" ? [] : [{ id: idOf("b"), address: places[1]!, port: 8001 }];
      const discovery = new ClusterDiscovery({ seeds, ...NODE_LINK });
      const scene = new TableScene();
      const { natTable } = scene;
      using logged = new Logged();

      scene.applyView(await discovery.queryAny());
      const check = new AddressCheck(scene.context(discovery), saved);
      await check.run();
      const found = ["a", "b"].map((digit) =>
        formatHostPort(natTable.withId(idOf(digit))!.address)
      );
      assertEquals(found, reached.map(at));

      const moved = [a, b].flatMap((address, index) =>
        address === at(reached[index]!) ? [] : [
          `warning Node ${idOf("ab"[index]!)} announces ${address}, where it does not answer; ` +
          `serving it at ${at(reached[index]!)}, where it answers. Check its cluster-announce-ip ` +
          "and cluster-announce-port",
        ]
      );
      const warnings = logged.lines.filter((line) => line.startsWith("warning"));
      assertEquals(warnings.toSorted(), moved.toSorted());
      const { accepted } = peerA;
      await check.run();
      assertEquals(peerA.accepted, accepted, "a verified node is not queried again");
    }));
  }
}

Deno.test("without a file descriptor, an address is verified later", async () => {
  const at = findFreePorts(1);
  const announced = { a: DEAD, b: DEAD };
  await using peer = new Peer({ answer: answerAs("a", announced), port: at });
  const dialer = dialerWith();
  let isExhausted = true;
  const isOwn = (address: HostPort) =>
    isExhausted
      ? Promise.reject(new Error("Too many open files (os error 24)"))
      : dialer.isOwn(address);
  const { connectTimeoutMs } = dialer;
  const poor = { connectTimeoutMs, dial: dialer.dial.bind(dialer), isOwn } as NodeDialer;
  const seed = { host: peer.host, port: peer.port };
  const discovery = new ClusterDiscovery({ seeds: [seed], credentials: undefined, dialer: poor });
  const scene = new TableScene();
  const { natTable } = scene;
  using _logged = new Logged();
  scene.applyView(await discovery.queryAny());
  const check = new AddressCheck(scene.context(discovery));
  const place = () => formatHostPort(natTable.withId(idOf("a"))!.address);
  await check.run();
  assertEquals(place(), DEAD);
  isExhausted = false;
  await check.run();
  assertEquals(place(), formatHostPort(seed));
});

/**
 * Has nodes announce the ports of a proxy, and waits until all know. The proxy listens everywhere, so
 * that the hosts of the nodes are its own; the nodes would not find each other at another host.
 */
async function announce(nodes: readonly ClusterNode[], ports: readonly number[]): Promise<void> {
  for (const [at, node] of nodes.entries()) {
    await node.order("CONFIG", "SET", "cluster-announce-port", `${ports[at]}`);
  }
  await until("all nodes know what is announced", async (saw) => {
    const views = await Promise.all(nodes.map((node) => node.order("CLUSTER", "NODES")));
    saw(views.map(textOf).join("\n"));
    return views.every((view) => ports.every((port) => textOf(view)!.includes(`:${port}@`)));
  }, 30_000);
}

Deno.test("nodes that announce the ports of the proxy do not make it dial itself", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const [seed, ...others] = cluster.nodes as [ClusterNode, ...ClusterNode[]];
  const port = findFreePorts(3);
  const ports = [port, port + 1, port + 2];
  await announce(cluster.nodes, ports);
  const addresses = [`--cluster-addr=${seed.address}`, `--listen-addr=:${port}`];
  const args = [...addresses, "--public-host=127.0.0.1", "--max-nodes=3", "--refresh-interval=1s"];
  const warnings = [
    `Node ${seed.id} announces ${seed.host}:${port}, which is a port of this proxy; serving it at ` +
    `${seed.address}, where it answers. Check its cluster-announce-ip and cluster-announce-port`,
    ...others.map(({ id, host }, at) =>
      `Node ${id} announces ${host}:${port + 1 + at}, which is a port of this proxy, so no ` +
      "client can reach it; set its cluster-announce-ip and cluster-announce-port to its own"
    ),
  ];

  await t.step("the node that answers at the seed is served, the others are logged", async () => {
    await using nat = await new NatProcess(args).ready();
    for (const warning of warnings) assert(nat.stderr.includes(warning), nat.stderr);
    assertEquals(await idAt("127.0.0.1", port), seed.id);
    for (const other of ports.slice(1)) {
      await until("the port of an unserved node is closed", () => isRefused(other));
    }
    assert(nat.descriptors < MOST_DESCRIPTORS, `${nat.descriptors} descriptors`);
  });

  await t.step("--check logs the same", async () => {
    const { code, stderr } = await runNat([...args, "--check"]);
    for (const warning of warnings) assert(stderr.includes(warning), stderr);
    assertEquals(code, 0, stderr);
  });
});

Deno.test("a node that starts to announce the proxy is served at its old address", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  using logged = new Logged();
  await using proxy = await startProxy(cluster, {
    listen: { host: "", port: 0 },
    refreshIntervalMs: 200,
  });
  const { proxy: { nodes } } = proxy;
  const addresses = nodes.map(({ address }) => address);
  const ports = cluster.nodes.map((node) => proxy.portOf(node));
  // Each announces the port of another node, then its own port.
  await announce(cluster.nodes, [ports[1]!, ports[2]!, ports[0]!]);
  await announce(cluster.nodes, ports);
  await until("the log has a warning for each", (saw) => {
    saw(logged.lines.join("\n"));
    return cluster.nodes.every(({ id, host, address }, at) =>
      logged.lines.includes(
        `warning Node ${id} announces ${host}:${ports[at]}, which is a port of this proxy; ` +
          `serving it at ${address}, where it answers. Check its cluster-announce-ip and ` +
          "cluster-announce-port",
      )
    );
  });
  for (const node of cluster.nodes) {
    assertEquals(await idAt(proxy.host, proxy.portOf(node)), node.id);
  }
  assertEquals(nodes.map(({ address }) => address), addresses);
  assertEquals(logged.lines.filter((line) => line.includes("has moved")), []);
});

Deno.test("a static mapping to the proxy itself serves no client, and is logged", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const port = findFreePorts(2);
  const own = { host: "127.0.0.1", port: port + 1 };
  using logged = new Logged();
  await using proxy = await startProxy(cluster, {
    listen: { host: "127.0.0.1", port },
    maxNodes: 1,
    staticMappings: [{ node: own, port: port + 1 }],
  });
  const warning = `warning Port ${port + 1} is mapped to 127.0.0.1:${port + 1}, which is a port ` +
    "of this proxy, so it serves no client; change --port-map";
  assert(logged.lines.includes(warning), logged.lines.join("\n"));
  assertEquals(await idAt(proxy.host, port), cluster.nodes[0]!.id);
});

/** The outer proxy speaks to the inner one as to a node. */
const ONE_SIDED = withTls("one", "the inner proxy speaks to clients otherwise than nodes do");

Deno.test(
  unless(ONE_SIDED, "a proxy in front of a proxy reaches its nodes through it", async () => {
    await using cluster = await RedisCluster.start({ replicasEach: 0 });
    await using inner = await startProxy(cluster);
    const [host, port] = [inner.host, inner.ports[1]!];
    await using outer = await startProxy(cluster, { seeds: [{ host, port }] });
    for (const node of cluster.nodes) {
      assertEquals(await idAt(outer.host, outer.portOf(node)), node.id);
      const served = outer.proxy.nodes.find(({ id }) => id === node.id)!;
      assertEquals(served.address, { host, port: inner.portOf(node) });
    }
  }),
);
