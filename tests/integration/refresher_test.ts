import { assertEquals } from "@std/assert";
import { splitAddress } from "../../src/platform/address.ts";
import type { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { AddressCheck } from "../../src/nat/address_check.ts";
import { TopologyRefresher } from "../../src/nat/refresher.ts";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { idAt, namedInLines } from "../support/named_nodes.ts";
import { startProxy } from "../support/proxy.ts";
import { ScriptedDiscovery } from "../support/scripted_discovery.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import { idOf, line, seenBy, TableScene, viewOf } from "../support/views.ts";

function refresherOf(scene: TableScene, discovery: ClusterDiscovery, intervalMs: number) {
  const context = scene.context(discovery);
  return new TopologyRefresher(context, { intervalMs, addressCheck: new AddressCheck(context) });
}

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";

/** The view of a node that knows itself only. */
function itself(digit: string, address: string): ClusterView {
  return viewOf([line(digit, address, "myself,master")]);
}

Deno.test("requests for a refresh do not accumulate", async () => {
  const topology = new ScriptedDiscovery(viewOf([A]));
  const scene = new TableScene().knowing([A]);
  const refresher = refresherOf(scene, topology, Infinity);
  const { promise, resolve } = Promise.withResolvers<void>();
  topology.gate = promise;
  refresher.start();
  for (let times = 0; times < 10; times++) refresher.requestRefresh();
  const refreshes = () => topology.asked.filter((what) => what === "any").length;
  await until("the first refresh", () => refreshes() === 1);
  const start = performance.now();
  for (let times = 0; times < 10; times++) refresher.requestRefresh();
  resolve();
  await until("the second refresh", () => refreshes() === 2);
  assertEquals(performance.now() - start > 900, true, "refreshes are at least a pause apart");
  // A third refresh for the earlier requests would come before the one that this requests.
  refresher.requestRefresh();
  await until("the third refresh", () => refreshes() === 3);
  await refresher.stop();
  assertEquals(refreshes(), 3);
});

const OLD = "10.0.0.2:7000";
const NEW = "10.9.9.9:7000";

/** Another node reports b at a new address; who answers at which address, and whether b has moved. */
const MOVES: [name: string, answers: Record<string, ClusterView>, moved: boolean][] = [
  ["if it announces the new address", { [NEW]: itself("b", NEW) }, true],
  [
    "if it answers at both and announces each",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", OLD) },
    false,
  ],
  [
    "if it announces the new address at both",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", NEW) },
    true,
  ],
  ["if it answers there only, and announces the old address", { [NEW]: itself("b", OLD) }, true],
  [
    "if another node is at its old address",
    { [NEW]: itself("b", OLD), [OLD]: itself("c", OLD) },
    true,
  ],
  ["if nobody answers there", { [OLD]: itself("b", OLD) }, false],
  ["if another node answers there", { [NEW]: itself("c", NEW), [OLD]: itself("b", OLD) }, false],
  [
    "if it announces the old one and answers at both",
    { [NEW]: itself("b", OLD), [OLD]: itself("b", OLD) },
    false,
  ],
];

for (const [name, answers, moved] of MOVES) {
  Deno.test(`a node that a view reports elsewhere has ${moved ? "moved" : "not moved"} ${name}`, async () => {
    const topology = new ScriptedDiscovery(viewOf([A, line("b", NEW)]));
    for (const [address, view] of Object.entries(answers)) {
      topology.answers.set(address, { ...view, answeredAt: splitAddress(address)! });
    }
    const scene = new TableScene().knowing([A, line("b", OLD)]);
    const refresher = refresherOf(scene, topology, 5);
    refresher.start();
    await until("the refresher has verified it", () => topology.asked.lastIndexOf("any") > 1);
    await refresher.stop();
    assertEquals(scene.mapping["b"], `8001 ${moved ? NEW : OLD}`);
    assertEquals(scene.done.includes("moved 8001"), moved);
  });
}

const OTHER = A.replace("myself,", "");

const SUSPECTS: [name: string, answer: ClusterView | undefined, stays: boolean][] = [
  [
    "answers there, in a cluster with others of this one",
    viewOf([line("b", OLD, "myself,master"), OTHER]),
    true,
  ],
  ["does not answer", undefined, false],
  ["answers there and is alone", itself("b", OLD), false],
  [
    "answers there, in another cluster",
    viewOf([line("b", OLD, "myself,master"), line("e", "10.1.0.1:7000")]),
    false,
  ],
  ["has another in its place", viewOf([line("c", OLD, "myself,master"), OTHER]), false],
];

for (const [name, answer, stays] of SUSPECTS) {
  Deno.test(`a node that views do not list ${stays ? "keeps" : "loses"} its port if it ${name}`, async () => {
    // Two nodes answer in turn, and neither lists the third.
    const C = line("c", "10.0.0.3:7000");
    const topology = new ScriptedDiscovery(viewOf([A, C]));
    const scene = new TableScene({ verifies: true }).knowing([A, line("b", OLD), C]);
    scene.applyView(seenBy("c", viewOf([A, C])));
    if (answer !== undefined) topology.answers.set(OLD, answer);
    const refresher = refresherOf(scene, topology, 5);
    refresher.start();
    await until("the refresher has verified it", (saw) => {
      saw(topology.asked);
      return topology.asked.indexOf(OLD) >= 0 && topology.asked.lastIndexOf("any") > 2;
    });
    await refresher.stop();
    assertEquals(scene.mapping["b"], stays ? `8001 ${OLD}` : undefined);
  });
}

Deno.test("a node that all others have forgotten keeps its port until it joins another cluster", async () => {
  await using cluster = await RedisCluster.start();
  await using other = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const leaver = cluster.replicas[0]!;
  const stranger = other.nodes[0]!;
  await using proxy = await startProxy(cluster, { refreshIntervalMs: 100, forgetAfterMs: 0 });
  // The worst case: the only seed leaves.
  const seeds = [{ host: leaver.host, port: leaver.port }];
  await using misled = await startProxy(cluster, { seeds, refreshIntervalMs: 100 });
  const before = misled.proxy.nodes.map(({ id }) => id);
  const port = proxy.portOf(leaver);
  await cluster.remove(leaver, { stop: false });
  await using _stopping = { [Symbol.asyncDispose]: () => leaver.stop() };
  const verified = async () => {
    const stats = textOf(await leaver.ask("INFO", "commandstats"))!;
    return Number(/^cmdstat_cluster\|nodes:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
  };
  const start = await verified();
  await until("both proxies have verified three times that it is there", async (saw) => {
    const now = await verified();
    saw(now);
    return now >= start + 6;
  });
  assertEquals(await idAt(proxy.host, port), leaver.id);

  await leaver.order("CLUSTER", "RESET", "SOFT");
  await leaver.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  await until("it has joined", async () => {
    return (textOf(await leaver.ask("CLUSTER", "INFO")) ?? "").includes("cluster_state:ok");
  });
  await until("its port is closed", () => proxy.proxy.nodes.length === 5);
  using client = await WireClient.connect(misled.host, misled.portOf(leaver));
  const named = namedInLines(await client.ask("CLUSTER", "NODES"));
  assertEquals(
    named.map(({ id, port, hosts }) => [id, port, ...hosts]).toSorted(),
    [[leaver.id, misled.portOf(leaver), misled.host], [stranger.id, 0, misled.host]].toSorted(),
  );
  assertEquals(misled.proxy.nodes.map(({ id }) => id), before);
});

Deno.test("a statically mapped node that no view lists is queried for its id", async () => {
  const topology = new ScriptedDiscovery(viewOf([A]));
  const staticMappings = [{ node: { host: "node-d", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  scene.apply(scene.natTable.openStaticMappings());
  const refresher = refresherOf(scene, topology, 5);
  refresher.start();
  topology.answers.set("node-d:7000", itself("d", "10.0.0.9:7000"));
  await until("its id is known", () => scene.natTable.unidentified.length === 0);
  await refresher.stop();
  assertEquals(scene.natTable.withId(idOf("d"))?.listenPort, 8005);
});

Deno.test("a cluster that is created again at the same addresses keeps its ports", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await startProxy(cluster, { refreshIntervalMs: 100, forgetAfterMs: 500 });
  const ports = proxy.ports;
  for (const node of cluster.nodes) await node.order("CLUSTER", "RESET", "HARD");
  const [first, ...others] = cluster.nodes;
  await first!.order("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  for (const { host, port } of others) await first!.order("CLUSTER", "MEET", host, `${port}`);
  await until("all nodes are known by their new ids", async (saw) => {
    saw(proxy.proxy.nodes);
    const ids = await Promise.all(ports.map((port) => idAt(proxy.host, port)));
    return proxy.proxy.nodes.length === 3 &&
      ids.every((id, at) => proxy.proxy.nodes[at]!.id === id) &&
      ids.every((id) => cluster.nodes.every((node) => node.id !== id));
  });
  assertEquals(proxy.ports, ports);
});
