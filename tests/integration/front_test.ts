import { assertEquals } from "@std/assert";
import { formatHostPort } from "../../src/platform/address.ts";
import { NodeResolver } from "../../src/nat/node_resolver.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import { AnsweringNode, viewAnswers } from "../support/answering_node.ts";
import { NODE_LINK } from "../support/dialer.ts";
import { namedInLines } from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { ScriptedDiscovery } from "../support/scripted_discovery.ts";
import { idOf, line, TableScene, viewOf } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

const [A, B, C] = ["a", "b", "c"].map(idOf) as [string, string, string];

for (const pinned of [false, true]) {
  Deno.test(`nodes behind a front with one CLUSTER NODES for all have a port each${pinned ? ", as mapped" : ""}`, async () => {
    // Like that of ElastiCache Serverless.
    await using primary = new AnsweringNode();
    await using replica = new AnsweringNode();
    for (const node of [primary, replica]) {
      node.answers = viewAnswers([
        `${A} ${primary.address}@1122 myself,master - 0 0 1 connected 0-16383`,
        `${B} ${replica.address}@1122 slave ${A} 0 0 1 connected`,
      ]);
    }
    const first = findFreePorts(2);
    const staticMappings = [primary, replica].map(({ host, port }, index) => ({
      node: { host, port },
      port: first + 1 - index,
    }));
    const seed = { ...primary, id: A, address: primary.address };
    await using proxy = await startProxy({ nodes: [seed] }, {
      publicHost: "nat.example",
      refreshIntervalMs: 100,
      ...(pinned ? { staticMappings } : {}),
    });
    const mapped = proxy.proxy.nodes.map(({ id, address }) => [id, formatHostPort(address)]);
    assertEquals(mapped.toSorted(), [[A, primary.address], [B, replica.address]]);
    const ports = [A, B].map((id) => proxy.proxy.nodes.find((node) => node.id === id)!.listenPort);
    if (pinned) assertEquals(ports, [first + 1, first]);
    for (const port of ports) {
      using client = await WireClient.connect("127.0.0.1", port);
      assertEquals(namedInLines(await client.ask("CLUSTER", "NODES")), [
        { id: A, port: ports[0]!, hosts: ["nat.example"] },
        { id: B, port: ports[1]!, hosts: ["nat.example"] },
      ]);
    }
  });
}

/** What the queried node lists, where `HERE` is its address; and which node it is. */
const TEXTS: [name: string, lines: string[], answeredBy: string][] = [
  ["itself here", [`${A} HERE@1 myself,master -`, `${B} 10.0.0.2:1@1 slave ${A}`], A],
  ["itself nowhere", [`${A} :1@1 myself,master -`, `${B} HERE@1 master,fail -`], A],
  ["itself elsewhere", [`${A} 10.0.0.1:1@1 myself,master -`, `${B} 10.0.0.2:1@1 slave ${A}`], A],
  ["another here", [`${A} 10.0.0.1:1@1 myself,master -`, `${B} HERE@1 slave ${A}`], B],
  ["another by name", [`${A} 10.0.0.1:1@1 myself,master -`, `${B} ::9:PORT@1,HOST slave ${A}`], B],
  // Like a node that was restarted with the address of another restarted node.
  ["a failed one here", [`${A} 10.0.0.1:1@1 myself,master -`, `${B} HERE@1 slave,fail? ${A}`], A],
  [
    "two here",
    [`${A} 10.0.0.1:1@1 myself,master -`, `${B} HERE@1 slave ${A}`, `${C} HERE@1 slave ${A}`],
    A,
  ],
  ["itself and another here", [`${A} HERE@1 myself,master -`, `${B} HERE@1 slave ${A}`], A],
];

for (const [name, lines, answeredBy] of TEXTS) {
  Deno.test(`a node that lists ${name} is ${answeredBy[0]}`, async () => {
    await using node = new AnsweringNode();
    const { host, port, address } = node;
    const here = (line: string) =>
      line.replace("HERE", address).replace("PORT", `${port}`).replace("HOST", host);
    node.answers = viewAnswers(lines.map((line) => `${here(line)} 0 0 1 connected`));
    const discovery = new ClusterDiscovery({ seeds: [], ...NODE_LINK });
    const view = await discovery.queryNode({ host, port });
    discovery.close();
    assertEquals(view?.answeredBy.id, answeredBy);
  });
}

Deno.test("a node with a new id keeps its port, unless it lists the former node of the address", async () => {
  const scene = new TableScene({ count: 1 }).knowing([line("b", "10.0.0.1:7000")]);
  const topology = new ScriptedDiscovery(viewOf([line("b", "10.0.0.1:7000", "myself,master")]));
  const nodeResolver = new NodeResolver(scene.context(topology));
  const [from] = scene.natTable.nodes;
  const mention = { id: A, host: "10.0.0.9", port: 7000 };
  const own = line("a", "10.0.0.9:7000", "myself,master");
  topology.answers.set("10.0.0.1:7000", viewOf([own]));
  assertEquals(await nodeResolver.resolve(mention, from!, performance.now()), 8000);
  topology.answers.set("10.0.0.1:7000", viewOf([own, line("b", "10.0.0.2:7000")]));
  assertEquals(await nodeResolver.resolve(mention, from!, performance.now()), 0);
  const stranger = { id: C, host: "10.0.0.8", port: 7000 };
  assertEquals(await nodeResolver.resolve(stranger, from!, performance.now()), 0);
  const asked = new Set(topology.asked.filter((what) => what !== "any"));
  assertEquals([...asked], ["10.0.0.1:7000"], "an unknown id is not queried elsewhere");
});

Deno.test("a node's own line is known under a new id, without another query", async () => {
  await using node = new AnsweringNode();
  const lineOf = (id: string) => `${id} ${node.address}@1 myself,master - 0 0 1 connected 0-16383`;
  node.answers = viewAnswers([lineOf(A)]);
  const seed = { ...node, id: A, address: node.address };
  await using proxy = await startProxy({ nodes: [seed] }, { refreshIntervalMs: Infinity });
  const [port] = proxy.ports;
  using client = await WireClient.connect(proxy.host, port!);
  node.answers = viewAnswers([lineOf(C)]);
  node.asked.length = 0;
  assertEquals(namedInLines(await client.ask("CLUSTER", "NODES")), [
    { id: C, port: port!, hosts: [proxy.host] },
  ]);
  assertEquals(node.asked, ["CLUSTER NODES"]);
});
