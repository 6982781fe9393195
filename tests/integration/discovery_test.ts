import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { NoPublicPortError } from "../../src/nat/no_public_port_error.ts";
import type { NodeRef } from "../../src/cluster/node_ref.ts";
import { NodeResolver } from "../../src/nat/node_resolver.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import { NodeConnectionError } from "../../src/cluster/node_connection_error.ts";
import { itemsOf, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NODE_LINK } from "../support/dialer.ts";
import {
  CLUSTER_LISTINGS,
  idAt,
  namedInLines,
  namedInShards,
  namedInSlots,
  type NamedNode,
} from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { NatProcess } from "../support/nat_process.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { idOf, line, TableScene } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

/** In slots 3300, 7365 and 15495: one for each of three primaries. */
const KEYS = ["b", "c", "a"];

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

Deno.test("a node that has met no other is reached at the address that answered", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const own = textOf(await node.ask("CLUSTER", "NODES"))!;
  assertMatch(own, /^\S{40} :\d+@/, "the node does not know its own address");
  await using proxy = await startProxy(cluster, { publicHost: "nat.example" });
  const port = proxy.portOf(node);
  using client = await WireClient.connect("127.0.0.1", port);
  for (const protocol of ["2", "3"]) {
    await client.ask("HELLO", protocol);
    for (const { subcommand, named } of CLUSTER_LISTINGS) {
      await t.step(`in CLUSTER ${subcommand} in RESP${protocol}`, async () => {
        const [{ id, port: shown, hosts }] = named(await client.ask("CLUSTER", subcommand)) as [
          NamedNode,
        ];
        assertEquals([id, shown, ...new Set(hosts)], [node.id, port, "nat.example"]);
      });
    }
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

Deno.test("ports follow the private addresses, whichever node is queried", async () => {
  await using cluster = await RedisCluster.start({ primaries: 10, replicasEach: 0 });
  for (const seed of [cluster.nodes[9]!, cluster.nodes[4]!]) {
    const listen = { host: "127.0.0.1", port: findFreePorts(10) };
    await using proxy = await startProxy(cluster, { seeds: [place(seed)], listen });
    assertEquals(
      proxy.proxy.nodes.map((node) => [formatHostPort(node.address), node.listenPort]),
      // The addresses end in .1 to .10, in the order of nodes.
      cluster.nodes.map((node, index) => [node.address, listen.port + index]),
    );
  }
});

Deno.test("a node without an address gets a port when it has an address", () => {
  const scene = new TableScene({ count: 3 }).knowing([
    "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383",
    "b :0@0 slave,fail?,noaddr - 0 0 1 disconnected",
    "c 10.0.0.3:7000@17000 handshake - 0 0 0 disconnected",
    "d 10.0.0.2:7000@17000 slave,fail - 0 0 1 disconnected",
  ]);
  assertEquals(scene.mapping, { a: "8000 10.0.0.1:7000", d: "8001 10.0.0.2:7000" });
  const ref: NodeRef = { id: idOf("b"), host: "10.0.0.9", port: 7000 };
  assertEquals(scene.natTable.portOf(ref), undefined);
  scene.knowing([line("a", "10.0.0.1:7000"), line("b", "10.0.0.9:7000", "slave")]);
  assertEquals(scene.natTable.portOf(ref), 8002);
});

Deno.test("numbers in addresses are compared as numbers", () => {
  const addresses = ["10.0.0.10:7000", "10.0.0.9:10000", "10.0.0.9:7000"];
  const scene = new TableScene().knowing(addresses.map((at, index) => line("abc"[index]!, at)));
  const hosts = scene.natTable.nodes.map(({ address }) => formatHostPort(address));
  assertEquals(hosts, addresses.toReversed());
});

Deno.test("the port of a new node is open before a reply names it", async (t) => {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await RedisCluster.start({ replicasEach: 0 }));
  const more = stack.use(await startLoneNode());
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
  // Each through a proxy of its own that has not yet heard of the new node.
  const clients: { proxy: LocalProxy; client: WireClient }[] = [];
  for (const _query of Object.keys(queries)) {
    const proxy = stack.use(await startProxy(cluster));
    const client = stack.use(await WireClient.connect(proxy.host, proxy.portOf(asked)));
    clients.push({ proxy, client });
  }
  await asked.order("CLUSTER", "MEET", stranger.host, `${stranger.port}`);
  const known = [...cluster.nodes, stranger].map(({ id }) => id);
  for (const [index, [query, names]] of Object.entries(queries).entries()) {
    // CLUSTER SLOTS and MOVED have only owners of slots.
    if (index === 2) await moveSlot(cluster, stranger, 3300);
    const { proxy, client } = clients[index]!;
    await t.step(query, async () => {
      await until("the node has been named", async (saw) => {
        const named = await names(client);
        saw(named);
        // Earlier replies are correct, too, except for nodes in handshake.
        await assertLeadsHome(named.filter(({ id }) => known.includes(id)), proxy.host);
        for (const { port } of named) (await WireClient.connect(proxy.host, port)).close();
        return named.some(({ id }) => id === stranger.id);
      });
    });
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
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using more = await startLoneNode();
  const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const text = "CLUSTERDOWN The proxy has no port for a node of this reply";
  const error = { type: "-", text } as const;

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
    for (const [index, { id, port, hosts }] of named.entries()) {
      const { address } = cluster.nodes.find((node) => node.id === id)!;
      const known = nat.mapping.get(address) ?? 0;
      // Only CLUSTER SLOTS, which comes first, has no host then.
      const host = known === 0 && index < cluster.nodes.length ? "" : "127.0.0.1";
      assertEquals([port, ...new Set(hosts)], [known, host]);
    }
    const without = named.filter(({ port }) => port === 0).map(({ id }) => id);
    assertEquals(without, [third.id, third.id, third.id]);
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
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using more = await startLoneNode();
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
  const scene = new TableScene().knowing([`${line("a", "10.0.0.1:7000")} 0-16383`]);
  const discovery = new ClusterDiscovery({ seeds: [], ...NODE_LINK });
  const nodeResolver = new NodeResolver(scene.context(discovery));
  for (const host of ["", "?"]) {
    const ref: NodeRef = { host, port: 0 };
    const locate = (ref: NodeRef) => nodeResolver.resolve(ref, scene.natTable.nodes[0]!, 0);
    assertEquals(await locate(ref), 0);
    await assertRejects(() => locate({ ...ref, redirects: true }), NoPublicPortError);
  }
});

Deno.test("a connection whose login is not answered is given up within its limit", async () => {
  // The kernel accepts connections for a program that hangs.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const credentials = { username: undefined, password: "secret" };
  const discovery = new ClusterDiscovery({ seeds: [], ...NODE_LINK, credentials });
  const { hostname: host, port } = listener.addr as Deno.NetAddr;
  await assertRejects(
    () => discovery.connect({ host, port }, 100),
    NodeConnectionError,
    `Node ${host}:${port} cannot be reached: it did not answer within 100 ms`,
  );
});
