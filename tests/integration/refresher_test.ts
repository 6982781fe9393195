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

/** A cluster that is what a test says. */
class ScriptedTopology extends ClusterDiscovery {
  /** What a look shows. */
  view: ClusterView;
  /** Who answers at which address, and what it announces. */
  readonly answers = new Map<string, ClusterView>();
  /** Looks and visits, in order. */
  readonly asked: string[] = [];
  /** What a look waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor(view: ClusterView) {
    super({ seeds: [], ...PLAIN_LINK });
    this.view = view;
  }

  get looks(): number {
    return this.asked.filter((what) => what === "look").length;
  }

  override async queryAny(): Promise<ClusterView> {
    this.asked.push("look");
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

/** What a node tells of itself. */
function itself(digit: string, address: string): ClusterView {
  return viewOf([line(digit, address, "myself,master")]);
}

Deno.test("looks never pile up, however many reasons there are", async () => {
  const topology = new ScriptedTopology(viewOf([A]));
  const scene = new TableScene().knowing([A]);
  const watch = refresherOf(scene, topology, Infinity);
  const { promise, resolve } = Promise.withResolvers<void>();
  topology.gate = promise;
  watch.start();
  for (let times = 0; times < 10; times++) watch.requestRefresh();
  await until("the watch looks", () => topology.looks === 1);
  const start = performance.now();
  for (let times = 0; times < 10; times++) watch.requestRefresh();
  resolve();
  await until("the watch looks again", () => topology.looks === 2);
  assertEquals(performance.now() - start > 900, true, "between two looks is a pause");
  // A third would have come before the one that this is the reason for.
  watch.requestRefresh();
  await until("the watch looks once more", () => topology.looks === 3);
  await watch.stop();
  assertEquals(topology.looks, 3);
});

const OLD = "10.0.0.2:7000";
const NEW = "10.9.9.9:7000";

/** Where another node tells that b is now, and who answers where. */
const MOVES: [name: string, answers: Record<string, ClusterView>, moved: boolean][] = [
  ["has moved if it announces the new address", { [NEW]: itself("b", NEW) }, true],
  [
    "has not moved if only another with its id says so",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", OLD) },
    false,
  ],
  [
    "has moved if it announces that, and still answers at the old one",
    { [NEW]: itself("b", NEW), [OLD]: itself("b", NEW) },
    true,
  ],
  [
    "has moved if it only answers there, and does not know itself",
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
  Deno.test(`a node that is said to be elsewhere ${name}`, async () => {
    const topology = new ScriptedTopology(viewOf([A, line("b", NEW)]));
    for (const [address, view] of Object.entries(answers)) {
      topology.answers.set(address, { ...view, answeredAt: splitAddress(address)! });
    }
    const scene = new TableScene().knowing([A, line("b", OLD)]);
    const watch = refresherOf(scene, topology, 5);
    watch.start();
    await until("it was found out", () => topology.asked.lastIndexOf("look") > 1);
    await watch.stop();
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
    // Two nodes by turns: neither lists the third.
    const C = line("c", "10.0.0.3:7000");
    const topology = new ScriptedTopology(viewOf([A, C]));
    const scene = new TableScene({ verifies: true }).knowing([A, line("b", OLD), C]);
    scene.applyView(seenBy("c", viewOf([A, C])));
    if (answer !== undefined) topology.answers.set(OLD, answer);
    const watch = refresherOf(scene, topology, 5);
    watch.start();
    await until("it was found out", (saw) => {
      saw(topology.asked);
      return topology.asked.indexOf(OLD) >= 0 && topology.asked.lastIndexOf("look") > 2;
    });
    await watch.stop();
    assertEquals(scene.mapping["b"], stays ? `8001 ${OLD}` : undefined);
  });
}

Deno.test("a node that all others have forgotten keeps its port until it has left, too", async () => {
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

Deno.test("a node that nobody knows by its pinned address is asked who it is", async () => {
  const topology = new ScriptedTopology(viewOf([A]));
  const staticMappings = [{ node: { host: "node-d", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  scene.apply(scene.natTable.openStaticMappings());
  const watch = refresherOf(scene, topology, 5);
  watch.start();
  topology.answers.set("node-d:7000", itself("d", "10.0.0.9:7000"));
  await until("it has told", () => scene.natTable.unidentified.length === 0);
  await watch.stop();
  assertEquals(scene.natTable.withId(idOf("d"))?.publicPort, 8005);
});

Deno.test("a node that joins another cluster does not take the proxy with it", async () => {
  const [cluster, other] = await Promise.all([
    RedisCluster.start({ replicasEach: 1 }),
    RedisCluster.start({ primaries: 1, replicasEach: 0 }),
  ]);
  await using _cluster = cluster;
  await using _other = other;
  const deserter = cluster.replicas[0]!;
  const stranger = other.nodes[0]!;
  await using proxy = await startProxy(cluster, {
    // The worst that can be: all that the operator told of is elsewhere.
    seeds: [{ host: deserter.host, port: deserter.port }],
    refreshIntervalMs: 100,
  });
  const before = proxy.proxy.nodes.map(({ id }) => id);
  // First, or it would bring the two clusters together.
  for (const node of cluster.nodes) {
    if (node !== deserter) await node.order("CLUSTER", "FORGET", deserter.id);
  }
  await deserter.order("CLUSTER", "RESET", "SOFT");
  await deserter.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  await until("it has joined", async () => {
    return (textOf(await deserter.ask("CLUSTER", "INFO")) ?? "").includes("cluster_state:ok");
  });
  using client = await WireClient.connect(proxy.host, proxy.portOf(deserter));
  const named = namedInLines(await client.ask("CLUSTER", "NODES"));
  assertEquals(
    named.map(({ id, port, hosts }) => [id, port, ...hosts]).toSorted(),
    [[deserter.id, proxy.portOf(deserter), proxy.host], [stranger.id, 0, proxy.host]].toSorted(),
  );
  assertEquals(proxy.proxy.nodes.map(({ id }) => id), before);
});

Deno.test("a cluster that is set up anew at the same addresses keeps its ports", async () => {
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
