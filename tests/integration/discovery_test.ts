import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { NoPublicPortError } from "../../src/nat/no_public_port_error.ts";
import type { NodeRef } from "../../src/cluster/node_ref.ts";
import { NodeResolver } from "../../src/nat/node_resolver.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { itemsOf, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import {
  idAt,
  namedInLines,
  namedInShards,
  namedInSlots,
  type NamedNode,
} from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { NatProcess } from "../support/nat_process.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { idOf, PLAIN_LINK, TableScene, viewOf } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

/** In slots 3300, 7365 and 15495: one for each of three primaries. */
const KEYS = ["b", "c", "a"];

const ELSEWHERE = "--listen-addr=127.0.0.1:0";

/** A node that has met no other, without slots. */
async function startLoneNode(): Promise<RedisCluster> {
  const cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  try {
    await cluster.nodes[0]!.order("CLUSTER", "FLUSHSLOTS");
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

function place({ host, port }: HostPort): HostPort {
  return { host, port };
}

/** Checks that each node of a reply has the public host, and that its port leads to it now. */
async function assertLeadsHome(named: readonly NamedNode[], host: string): Promise<void> {
  for (const { id, port, hosts } of named) {
    const shown = Deno.inspect(named);
    assert(hosts.every((given) => given === host), shown);
    assertEquals(await idAt(host, port), id, shown);
  }
}

Deno.test("a proxy waits for a cluster that is being created, and logs the reason", async () => {
  await using lone = new AsyncDisposableStack();
  const clusters = await Promise.all([startLoneNode(), startLoneNode(), startLoneNode()]);
  clusters.forEach((cluster) => lone.use(cluster));
  const nodes = clusters.map(({ nodes }) => nodes[0]!);
  const [first, second, third] = nodes as [ClusterNode, ClusterNode, ClusterNode];

  const discovery = new ClusterDiscovery({ seeds: [place(second)], ...PLAIN_LINK });
  await assertRejects(
    () => waitUntilReady(discovery, 300),
    OperatorError,
    `The cluster at ${second.address} is not ready: its state is fail, 0 of 16384 slots are ` +
      "covered (gave up after 0.3 s, --start-timeout)",
  );

  await using nat = new NatProcess([
    `--cluster-addr=${second.address}`,
    ELSEWHERE,
    "--start-timeout=0",
  ]);
  const waits =
    `Waiting for the cluster: The cluster at ${second.address} is not ready: its state is fail, `;
  await nat.untilLogged(new RegExp(`${waits}0 of 16384 slots are covered`));
  await second.order("CLUSTER", "ADDSLOTSRANGE", "5461", "16000");
  await nat.untilLogged(new RegExp(`${waits}10540 of 16384 slots are covered`));
  assertEquals(nat.stdout, "");

  await first.order("CLUSTER", "ADDSLOTSRANGE", "0", "5460");
  await third.order("CLUSTER", "ADDSLOTSRANGE", "16001", "16383");
  for (const other of [first, third]) {
    await second.order("CLUSTER", "MEET", other.host, `${other.port}`);
  }
  await nat.ready();
  await nat.untilMapped(3);
  for (const node of nodes) {
    assertEquals(await idAt("127.0.0.1", nat.mapping.get(node.address)!), node.id);
  }
});

Deno.test("a node that has met no other is reached at the address that answered", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const own = textOf(await node.ask("CLUSTER", "NODES"))!;
  assertMatch(own, /^\S{40} :\d+@/, "the node does not know its own address");
  await using proxy = await startProxy(cluster, { publicHost: "nat.example" });
  const named = { id: node.id, port: proxy.portOf(node) };
  using client = await WireClient.connect("127.0.0.1", named.port);
  for (const protocol of ["2", "3"]) {
    await client.ask("HELLO", protocol);
    await t.step(`in RESP${protocol}`, async () => {
      assertEquals(namedInSlots(await client.ask("CLUSTER", "SLOTS")), [
        { ...named, hosts: ["nat.example"] },
      ]);
      assertEquals(namedInShards(await client.ask("CLUSTER", "SHARDS")), [
        { ...named, hosts: ["nat.example", "nat.example"] },
      ]);
      const [line] = namedInLines(await client.ask("CLUSTER", "NODES"));
      assertEquals([line!.id, line!.port, line!.hosts[0]], [node.id, named.port, "nat.example"]);
    });
  }
  await t.step("and by a name", async () => {
    // If it announces no address, only the seed leads to it.
    const { port } = node;
    await node.order("CONFIG", "SET", "bind", `${node.host} 127.0.0.1`);
    await using byName = await startProxy(cluster, { seeds: [{ host: "localhost", port }] });
    assertEquals(byName.proxy.nodes.map(({ address }) => formatHostPort(address)), [
      `127.0.0.1:${port}`,
    ]);
    assertEquals(await idAt("127.0.0.1", byName.portOf(node)), node.id);
  });
});

Deno.test("seeds are queried in turn until one answers", async () => {
  const lone = { primaries: 1, replicasEach: 0 };
  const [first, second] = await Promise.all([
    RedisCluster.start(lone),
    RedisCluster.start({ ...lone, directives: { requirepass: "secret" } }),
  ]);
  await using cluster = first;
  await using guarded = second;
  // Accepts and closes, like a load balancer without servers.
  const closing = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = (async () => {
    for await (const connection of closing) connection.close();
  })();
  const node = cluster.nodes[0]!;
  const seeds: HostPort[] = [
    { host: "127.0.0.1", port: findFreePorts(1) },
    { host: "node.invalid", port: 7000 },
    { host: "127.0.0.1", port: closing.addr.port },
    guarded.nodes[0]!,
    node,
  ].map(place);
  try {
    await using proxy = await startProxy(cluster, { seeds, startTimeoutMs: 10_000 });
    assertEquals(await idAt("127.0.0.1", proxy.portOf(node)), node.id);
  } finally {
    closing.close();
    await closed;
  }
});

Deno.test("ports follow the private addresses, whichever node is queried", async () => {
  await using cluster = await RedisCluster.start({ primaries: 10, replicasEach: 0 });
  for (const seed of [cluster.nodes[9]!, cluster.nodes[4]!]) {
    const listen = { host: "127.0.0.1", port: findFreePorts(10) };
    await using proxy = await startProxy(cluster, { seeds: [place(seed)], listen });
    assertEquals(
      proxy.proxy.nodes.map((node) => [formatHostPort(node.address), node.publicPort]),
      // The addresses end in .1 to .10, in the order of nodes.
      cluster.nodes.map((node, index) => [node.address, listen.port + index]),
    );
  }
});

Deno.test("a node in handshake gets no port at the start", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const nobody = { host: "127.0.0.1", port: findFreePorts(1) };
  for (const node of cluster.nodes) {
    await node.order("CLUSTER", "MEET", nobody.host, `${nobody.port}`);
  }
  const seen = textOf(await cluster.nodes[0]!.ask("CLUSTER", "NODES"))!;
  assertMatch(seen, / handshake - /);
  await using proxy = await startProxy(cluster);
  assertEquals(proxy.proxy.nodes.map(({ id }) => id), cluster.nodes.map(({ id }) => id));
});

const IDS = ["1", "2", "3", "4"].map(idOf);

/** A view of nodes whose ids count from 1. */
function viewOfLines(...lines: string[]): ClusterView {
  return viewOf(lines.map((line, index) => `${index + 1} ${line}`));
}

function sceneOf(view: ClusterView): TableScene {
  const scene = new TableScene({ count: 3 });
  scene.applyView(view);
  return scene;
}

Deno.test("a node without an address gets a port when it has an address", () => {
  const noAddress = viewOfLines(
    "10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383",
    ":0@0 slave,fail?,noaddr - 0 0 1 disconnected",
    "10.0.0.3:7000@17000 handshake - 0 0 0 disconnected",
    "10.0.0.2:7000@17000 slave,fail - 0 0 1 disconnected",
  );
  const scene = sceneOf(noAddress);
  const { natTable } = scene;
  assertEquals(natTable.nodes.map(({ id, publicPort }) => [id, publicPort]), [
    [IDS[0], 8000],
    [IDS[3], 8001],
  ]);
  const ref: NodeRef = { id: IDS[1]!, host: "10.0.0.9", port: 7000 };
  assertEquals(natTable.portOf(ref), undefined);
  scene.applyView(viewOfLines(
    "10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383",
    "10.0.0.9:7000@17000 slave - 0 0 1 connected",
  ));
  assertEquals(natTable.portOf(ref), 8002);
});

Deno.test("numbers in addresses are compared as numbers", () => {
  const [myself, other] = ["myself,master - 0 0 1 connected", "master - 0 0 1 connected"];
  const hosts = sceneOf(viewOfLines(
    `10.0.0.10:7000@17000 ${myself}`,
    `10.0.0.9:10000@20000 ${other}`,
    `10.0.0.9:7000@17000 ${other}`,
  )).natTable.nodes.map(({ address }) => formatHostPort(address));
  assertEquals(hosts, ["10.0.0.9:7000", "10.0.0.9:10000", "10.0.0.10:7000"]);
});

Deno.test("the port of a new node is open before a reply names it", async (t) => {
  const [cluster, more] = await Promise.all([
    RedisCluster.start({ replicasEach: 0 }),
    startLoneNode(),
  ]);
  await using stack = new AsyncDisposableStack();
  stack.use(cluster);
  stack.use(more);
  const asked = cluster.nodes[0]!;
  const stranger = more.nodes[0]!;
  const queries: Record<string, (client: WireClient) => Promise<NamedNode[]>> = {
    "CLUSTER NODES": async (client) => namedInLines(await client.ask("CLUSTER", "NODES")),
    "CLUSTER SHARDS": async (client) => namedInShards(await client.ask("CLUSTER", "SHARDS")),
    "CLUSTER SLOTS in EXEC": async (client) => {
      await client.ask("MULTI");
      await client.ask("CLUSTER", "SLOTS");
      return namedInSlots(itemsOf(await client.ask("EXEC"))![0]!);
    },
    "MOVED": async (client) => {
      const reply = textOf(await client.ask("GET", "b"));
      const [, host, port] = /^MOVED 3300 (.*):(\d+)$/.exec(reply ?? "") ?? [];
      return host === undefined ? [] : [{ id: stranger.id, hosts: [host], port: Number(port) }];
    },
  };
  const ready: (() => Promise<void>)[] = [];
  for (const [query, names] of Object.entries(queries)) {
    const proxy = stack.use(await startProxy(cluster));
    const client = stack.use(await WireClient.connect(proxy.host, proxy.portOf(asked)));
    ready.push(async () => {
      await t.step(query, () =>
        until("the node has been named", async (saw) => {
          const named = await names(client);
          saw(named);
          // Earlier replies are correct, too, except for nodes in handshake.
          const known = [...cluster.nodes, stranger].map(({ id }) => id);
          await assertLeadsHome(named.filter(({ id }) => known.includes(id)), proxy.host);
          for (const { port } of named) (await WireClient.connect(proxy.host, port)).close();
          return named.some(({ id }) => id === stranger.id);
        }).then(() => {}));
    });
  }
  await asked.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  for (const [index, step] of ready.entries()) {
    // CLUSTER SLOTS and MOVED have only owners of slots.
    if (index === 2) await moveSlot(cluster, stranger, 3300);
    await step();
  }
});

/** Assigns a slot to a node, and waits until all nodes know it. */
async function moveSlot(cluster: RedisCluster, to: ClusterNode, slot: number): Promise<void> {
  const setSlot = ["CLUSTER", "SETSLOT", `${slot}`, "NODE", to.id];
  await until("all nodes know where the slot is", async (saw) => {
    for (const node of [...cluster.nodes, to]) {
      const reply = await node.ask(...setSlot);
      saw(reply);
      if (reply.type === "-") return false;
    }
    return true;
  });
}

Deno.test("with too few ports, only redirects to a node without a port fail", async (t) => {
  await using stack = new AsyncDisposableStack();
  const [cluster, more] = await Promise.all([
    RedisCluster.start({ replicasEach: 0 }),
    startLoneNode(),
  ]);
  stack.use(cluster);
  stack.use(more);
  const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const error = {
    type: "-",
    text: "CLUSTERDOWN The proxy has no port for a node of this reply",
  } as const;

  await t.step("from the start", async () => {
    await using nat = await new NatProcess([
      `--cluster-addr=${first.address}`,
      `--listen-addr=127.0.0.1:${findFreePorts(2)}`,
      "--max-nodes=2",
      "--log-level=info",
    ]).ready();
    assertEquals([...nat.mapping.keys()], [first.address, second.address]);
    assertMatch(nat.stderr, new RegExp(`ERROR .*${third.address}.*--max-nodes above 2`));
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(first.address)!);
    assertEquals(await client.ask("SET", KEYS[0]!, "1"), { type: "+", text: "OK" });
    const { text } = await client.ask("GET", KEYS[1]!) as { text: string };
    assertEquals(text, `MOVED 7365 127.0.0.1:${nat.mapping.get(second.address)}`);
    await client.ask("MULTI");
    for (const queued of ["SLOTS", "SHARDS", "NODES"]) await client.ask("CLUSTER", queued);
    const [slots, shards, nodes] = itemsOf(await client.ask("EXEC"))!;
    const named = [namedInSlots(slots!), namedInShards(shards!), namedInLines(nodes!)].flat();
    for (const { id, port, hosts } of named) {
      const { address } = cluster.nodes.find((node) => node.id === id)!;
      const known = nat.mapping.get(address) ?? 0;
      assertEquals([port, ...new Set(hosts)], [known, "127.0.0.1"]);
    }
    assertEquals(named.filter(({ port }) => port === 0).map(({ id }) => id), [
      third.id,
      third.id,
      third.id,
    ]);
    assertEquals(await client.ask("GET", KEYS[2]!), error);
    await nat.untilLogged(/ERROR Replied CLUSTERDOWN to client 1: .*--max-nodes above 2/);
  });

  await t.step("when a node joins later", async () => {
    const stranger = more.nodes[0]!;
    await using proxy = await startProxy(cluster, { maxNodes: 3 });
    using client = await WireClient.connect(proxy.host, proxy.portOf(first));
    assertEquals(namedInLines(await client.ask("CLUSTER", "NODES")).length, 3);
    await first.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
    await until("all nodes know the new node", async () => {
      return textOf(await first.ask("CLUSTER", "NODES"))!.includes(stranger.id);
    });
    const named = [
      ...namedInLines(await client.ask("CLUSTER", "NODES")),
      ...namedInShards(await client.ask("CLUSTER", "SHARDS")),
    ];
    assertEquals(named.filter(({ id }) => id === stranger.id).map(({ port }) => port), [0, 0]);
    await assertLeadsHome(named.filter(({ id }) => id !== stranger.id), proxy.host);
    // The node owns no slot, so this reply does not have it.
    await assertLeadsHome(namedInSlots(await client.ask("CLUSTER", "SLOTS")), proxy.host);
    const { text } = await client.ask("GET", KEYS[2]!) as { text: string };
    assertEquals(text, `MOVED 15495 127.0.0.1:${proxy.portOf(third)}`);
  });
});

Deno.test("a port that is in use is skipped when a node joins later", async () => {
  await using stack = new AsyncDisposableStack();
  const lone = { primaries: 1, replicasEach: 0 };
  const [cluster, more] = await Promise.all([RedisCluster.start(lone), startLoneNode()]);
  stack.use(cluster);
  stack.use(more);
  const [node, stranger] = [cluster.nodes[0]!, more.nodes[0]!];
  const port = findFreePorts(3);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: port + 1 });
  await using proxy = await startProxy(cluster, { listen: { host: "127.0.0.1", port } });
  using client = await WireClient.connect("127.0.0.1", port);
  await node.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  await until("the node has been named", async () => {
    const named = namedInLines(await client.ask("CLUSTER", "NODES"));
    return named.some(({ id }) => id === stranger.id);
  });
  assertEquals(proxy.portOf(stranger), port + 2);
  assertEquals(await idAt("127.0.0.1", port + 2), stranger.id);
});

Deno.test("an unknown host gets port 0 in a reply, and an error in a redirect", async () => {
  const scene = sceneOf(
    viewOfLines("10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383"),
  );
  const nodeResolver = new NodeResolver(
    scene.context(new ClusterDiscovery({ seeds: [], ...PLAIN_LINK })),
  );
  for (const host of ["", "?"]) {
    const ref: NodeRef = { host, port: 0 };
    const locate = (ref: NodeRef) => nodeResolver.resolve(ref, scene.natTable.nodes[0]!, 0);
    assertEquals(await locate(ref), 0);
    await assertRejects(() => locate({ ...ref, redirects: true }), NoPublicPortError);
  }
});

const HOSTS: Record<string, string> = { IPv4: "127.0.0.1", IPv6: "::1" };

for (const privately of ["IPv6", "IPv4"] as const) {
  Deno.test(`a cluster on ${privately} is reached over IPv4 and IPv6`, async (t) => {
    await using cluster = await RedisCluster.start({ family: privately });
    for (const publicly of privately === "IPv6" ? ["IPv6", "IPv4"] : ["IPv6"]) {
      await t.step(`from clients on ${publicly}`, async () => {
        const host = HOSTS[publicly]!;
        await using proxy = await startProxy(cluster, {
          listen: { host, port: 0 },
          publicHost: host,
        });
        for (const node of cluster.nodes) {
          assertEquals(await idAt(host, proxy.portOf(node)), node.id);
          using client = await WireClient.connect(host, proxy.portOf(node));
          const named = [
            ...namedInSlots(await client.ask("CLUSTER", "SLOTS")),
            ...namedInShards(await client.ask("CLUSTER", "SHARDS")),
            ...namedInLines(await client.ask("CLUSTER", "NODES")),
            ...namedInLines(await client.ask("CLUSTER", "REPLICAS", cluster.nodes[0]!.id)),
          ];
          // 3 shards of 2 nodes each, all of them three times, and one replica.
          assertEquals(named.length, 19);
          for (const { id, port, hosts } of named) {
            const of = cluster.nodes.find((node) => node.id === id)!;
            assertEquals(
              [port, ...new Set(hosts.filter((given) => given !== ""))],
              [proxy.portOf(of), host],
            );
          }
          await assertRedirects(cluster, client, host, proxy.portOf);
          const list = textOf(await client.ask("CLIENT", "INFO"))!;
          const at = formatHostPort({ host, port: proxy.portOf(node) });
          assert(list.includes(` laddr=${at} `), list);
          const { hostname, port } = addressOf(client);
          assert(list.includes(` addr=${formatHostPort({ host: hostname, port })} `), list);
        }
      });
    }
  });
}

/** The local address of a client. */
function addressOf(client: WireClient): { hostname: string; port: number } {
  const [, hostname, port] = /^(.*):(\d+)$/.exec(client.localAddress)!;
  return { hostname: hostname!, port: Number(port) };
}

async function assertRedirects(
  cluster: RedisCluster,
  client: WireClient,
  host: string,
  portOf: (node: ClusterNode) => number,
): Promise<void> {
  const id = textOf(await client.ask("CLUSTER", "MYID"));
  for (const key of KEYS) {
    const slot = Number(textOf(await client.ask("CLUSTER", "KEYSLOT", key)));
    const owner = cluster.ownerOf(slot);
    const reply = await client.ask("GET", key);
    if (owner.id === id) continue;
    // Servers send no brackets around an IPv6 address.
    assertEquals(reply, { type: "-", text: `MOVED ${slot} ${host}:${portOf(owner)}` });
  }
}
