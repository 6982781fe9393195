import { assertEquals } from "@std/assert";
import { formatHostPort, type HostPort, splitAddress } from "../../src/platform/address.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { AddressCheck } from "../../src/nat/address_check.ts";
import { TopologyRefresher } from "../../src/nat/refresher.ts";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { idAt, namedInLines } from "../support/named_nodes.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import { idOf, line, PLAIN_LINK, seenBy, TableScene, viewOf } from "../support/views.ts";

/** A discovery with scripted answers. */
class ScriptedDiscovery extends ClusterDiscovery {
  /** The view that `queryAny` returns. */
  view: ClusterView;
  /** The view that `queryNode` returns for each address. */
  readonly answers = new Map<string, ClusterView>();
  /** The queries in order: "any", or an address. */
  readonly asked: string[] = [];
  /** Holds `queryAny` until it is resolved. */
  gate: Promise<void> = Promise.resolve();

  constructor(view: ClusterView) {
    super({ seeds: [], ...PLAIN_LINK });
    this.view = view;
  }

  get anyQueries(): number {
    return this.asked.filter((what) => what === "any").length;
  }

  override async queryAny(): Promise<ClusterView> {
    this.asked.push("any");
    await this.gate;
    return { ...this.view, takenAtMs: performance.now() };
  }

  override queryNode(address: HostPort): Promise<ClusterView | undefined> {
    this.asked.push(formatHostPort(address));
    return Promise.resolve(this.answers.get(formatHostPort(address)));
  }
}

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
  await until("the first refresh", () => topology.anyQueries === 1);
  const start = performance.now();
  for (let times = 0; times < 10; times++) refresher.requestRefresh();
  resolve();
  await until("the second refresh", () => topology.anyQueries === 2);
  assertEquals(performance.now() - start > 900, true, "refreshes are at least a pause apart");
  // A third refresh for the earlier requests would come before the one that this requests.
  refresher.requestRefresh();
  await until("the third refresh", () => topology.anyQueries === 3);
  await refresher.stop();
  assertEquals(topology.anyQueries, 3);
});

const OLD = "10.0.0.2:7000";
const NEW = "10.9.9.9:7000";

/** Another node reports b at a new address; who answers at which address, and whether b has moved. */
const MOVES: [name: string, answers: Record<string, ClusterView>, moved: boolean][] = [
  ["has moved if it announces the new address", { [NEW]: itself("b", NEW) }, true],
  [
    "has not moved if it answers at both and announces each",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", OLD) },
    false,
  ],
  [
    "has moved if it announces the new address at both",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", NEW) },
    true,
  ],
  [
    "has moved if it answers there only, and announces the old address",
    { [NEW]: itself("b", OLD) },
    true,
  ],
  [
    "has moved if another node is at its old address",
    { [NEW]: itself("b", OLD), [OLD]: itself("c", OLD) },
    true,
  ],
  ["has not moved if nobody answers there", { [OLD]: itself("b", OLD) }, false],
  [
    "has not moved if another node answers there",
    { [NEW]: itself("c", NEW), [OLD]: itself("b", OLD) },
    false,
  ],
  [
    "has not moved if it announces the old one and answers at both",
    { [NEW]: itself("b", OLD), [OLD]: itself("b", OLD) },
    false,
  ],
];

for (const [name, answers, moved] of MOVES) {
  Deno.test(`a node that a view reports elsewhere ${name}`, async () => {
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

const SUSPECTS: [name: string, answer: ClusterView | undefined, stays: boolean][] = [
  [
    "answers there, in a cluster with others of this one",
    viewOf([line("b", OLD, "myself,master"), A.replace("myself,", "")]),
    true,
  ],
  ["does not answer", undefined, false],
  ["answers there and is alone", itself("b", OLD), false],
  [
    "answers there, in another cluster",
    viewOf([line("b", OLD, "myself,master"), line("e", "10.1.0.1:7000")]),
    false,
  ],
  [
    "has another in its place",
    viewOf([line("c", OLD, "myself,master"), A.replace("myself,", "")]),
    false,
  ],
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

Deno.test("a node that all others have forgotten keeps its port until it leaves", async () => {
  await using cluster = await RedisCluster.start();
  const leaving = cluster.replicas[0]!;
  await using proxy = await startProxy(cluster, { refreshIntervalMs: 100, forgetAfterMs: 0 });
  const port = proxy.portOf(leaving);
  await cluster.remove(leaving, { stop: false });
  await using _stopping = { [Symbol.asyncDispose]: () => leaving.stop() };
  const verified = async () => {
    const stats = textOf(await leaving.ask("INFO", "commandstats"))!;
    return Number(/^cmdstat_cluster\|nodes:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
  };
  const before = await verified();
  await until("the proxy has verified three times that it is there", async (saw) => {
    const now = await verified();
    saw(now);
    return now >= before + 3;
  });
  assertEquals(await idAt(proxy.host, port), leaving.id);
  await leaving.order("CLUSTER", "RESET", "SOFT");
  await until("its port is closed", () => proxy.proxy.nodes.length === 5);
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
  assertEquals(scene.natTable.withId(idOf("d"))?.publicPort, 8005);
});

Deno.test("a node that joins another cluster does not take the proxy with it", async () => {
  const [cluster, other] = await Promise.all([
    RedisCluster.start({ replicasEach: 1 }),
    RedisCluster.start({ primaries: 1, replicasEach: 0 }),
  ]);
  await using _cluster = cluster;
  await using _other = other;
  const leaver = cluster.replicas[0]!;
  const stranger = other.nodes[0]!;
  await using proxy = await startProxy(cluster, {
    // The worst case: the only seed has left.
    seeds: [{ host: leaver.host, port: leaver.port }],
    refreshIntervalMs: 100,
  });
  const before = proxy.proxy.nodes.map(({ id }) => id);
  // Otherwise, the node would merge the two clusters.
  for (const node of cluster.nodes) {
    if (node !== leaver) await node.order("CLUSTER", "FORGET", leaver.id);
  }
  await leaver.order("CLUSTER", "RESET", "SOFT");
  await leaver.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  await until("it has joined", async () => {
    return (textOf(await leaver.ask("CLUSTER", "INFO")) ?? "").includes("cluster_state:ok");
  });
  using client = await WireClient.connect(proxy.host, proxy.portOf(leaver));
  const named = namedInLines(await client.ask("CLUSTER", "NODES"));
  assertEquals(
    named.map(({ id, port, hosts }) => [id, port, ...hosts]).toSorted(),
    [[leaver.id, proxy.portOf(leaver), proxy.host], [stranger.id, 0, proxy.host]].toSorted(),
  );
  assertEquals(proxy.proxy.nodes.map(({ id }) => id), before);
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
