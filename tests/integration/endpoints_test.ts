import { assert, assertEquals } from "@std/assert";
import { formatHostPort, splitAddress } from "../../src/platform/address.ts";
import { parseNodes } from "../../src/cluster/node.ts";
import { fieldOf, itemsOf, textOf, type Value } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { CLUSTER_LISTINGS, idAt, namedInLines, type NamedNode } from "../support/named_nodes.ts";
import { configure, type Endpoint, named, namedOrNot } from "../support/endpoints.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Keys by their slots: one for each of three primaries, and one in a slot that moves. */
const KEYS: Record<number, string> = { 3300: "b", 7365: "c", 15495: "a", 3168: "f" };

/** The slot that moves back and forth between the first two primaries. */
const MOVING_SLOT = 3168;

/** Where the proxy listens, and the public host, which is nobody's and resolves nowhere. */
const NAMED = { at: "127.0.0.1", publicHost: "nat.example" };

/** The same on one machine. */
const ADDRESSES = { IPv4: "127.0.0.1", IPv6: "::1" };

/** The others take a node for dead after 3 s; on a busy machine more than one vote may be needed. */
const FAILOVER_DEADLINE_MS = 20_000;

/** In this order few names change from one to the next: it takes seconds until all know them. */
const ENDPOINTS: Record<string, Endpoint> = {
  "IP addresses": { type: "ip", hostname: () => "" },
  "IP addresses of nodes with names": { type: "ip", hostname: named },
  "host names": { type: "hostname", hostname: named },
  "some host names": { type: "hostname", hostname: namedOrNot },
  "no endpoint": { type: "unknown-endpoint", hostname: namedOrNot },
  "one host name for all": { type: "hostname", hostname: () => "nodes.internal" },
};

/** A proxy, and to which node each of its ports leads. */
class Scene {
  readonly cluster: RedisCluster;
  readonly proxy: LocalProxy;
  /** The node at each public port. */
  readonly #nodes = new Map<number, ClusterNode>();

  readonly at: string;

  private constructor(cluster: RedisCluster, proxy: LocalProxy, at: string) {
    this.cluster = cluster;
    this.proxy = proxy;
    this.at = at;
  }

  static async start(cluster: RedisCluster, { at, publicHost } = NAMED): Promise<Scene> {
    const listen = { host: at, port: 0 };
    const scene = new Scene(cluster, await startProxy(cluster, { publicHost, listen }), at);
    for (const port of scene.proxy.ports) {
      const id = await idAt(at, port);
      scene.#nodes.set(port, cluster.nodes.find((node) => node.id === id)!);
    }
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
  }

  connect(node: ClusterNode): Promise<WireClient> {
    return WireClient.connect(this.at, this.proxy.portOf(node));
  }

  /** Which node a client reaches that goes where `address`, host and port, tells it to go. */
  nodeAt(address: string): ClusterNode {
    const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
    assertEquals(host, this.proxy.host, address);
    return this.#nodes.get(Number(port))!;
  }

  assertLeadsHome(named: readonly NamedNode[], wanted: readonly ClusterNode[]): void {
    const shown = Deno.inspect(named);
    for (const { id, port, hosts } of named) {
      assertEquals([...new Set(hosts)], [this.proxy.host], shown);
      assertEquals(this.#nodes.get(port)?.id, id, shown);
    }
    const ids = [...new Set(named.map(({ id }) => id))].sort();
    assertEquals(ids, wanted.map(({ id }) => id).sort(), shown);
  }

  /** The node that a redirect of this kind sends a client to, in answer to `request`. */
  async redirected(
    client: WireClient,
    slot: number,
    kind: "MOVED" | "ASK",
    request: readonly string[] = ["GET", KEYS[slot]!],
  ): Promise<ClusterNode> {
    const reply = await client.ask(...request);
    const text = reply.type === "-" ? reply.text : Deno.inspect(reply);
    assert(text.startsWith(`${kind} ${slot} `), text);
    return this.nodeAt(text.slice(`${kind} ${slot} `.length));
  }
}

/** Where nodes are named; each begins with a proxy that has learned nothing yet. */
const PLACES: Record<string, (scene: Scene) => Promise<void>> = {
  "CLUSTER SLOTS, SHARDS, NODES and REPLICAS": assertListings,
  "CLUSTER SLOTS, and nothing else changes": assertShape,
  "ROLE and INFO": assertReplication,
  "MOVED": (scene) =>
    forEachNode(scene, async (node, client) => {
      for (const slot of [3300, 7365, 15495]) {
        const owner = scene.cluster.ownerOf(slot);
        if (owner === node) continue;
        assertEquals((await scene.redirected(client, slot, "MOVED")).id, owner.id);
      }
    }),
  "consecutive MOVED to scripts": (scene) =>
    forEachNode(scene, async (node, client) => {
      const owner = scene.cluster.primaries.find((primary) => primary !== node)!;
      const slot = owner === scene.cluster.primaries[0] ? 3300 : 7365;
      const script = ["EVAL", "return redis.call('GET', KEYS[1])", "1", KEYS[slot]!];
      assertEquals((await scene.redirected(client, slot, "MOVED", script)).id, owner.id);
    }),
  "MOVED after a slot has moved": assertMoves,
  "ASK": assertAsks,
};

for (const samePort of [false, true]) {
  const places = samePort ? "one port at many addresses" : "ports of their own";
  Deno.test(`nodes with ${places} are distinguished`, async (t) => {
    await using cluster = await RedisCluster.start({ samePort });
    for (const [names, endpoint] of Object.entries(ENDPOINTS)) {
      await configure(cluster, endpoint);
      for (const [place, assertDistinguished] of Object.entries(PLACES)) {
        await t.step(`by ${names}, in ${place}`, async () => {
          await using scene = await Scene.start(cluster);
          await assertDistinguished(scene);
        });
      }
    }
  });
}

for (const inside of ["IPv6", "IPv4"] as const) {
  Deno.test(`a cluster on ${inside} is reached over IPv4 and IPv6`, async (t) => {
    await using cluster = await RedisCluster.start({ family: inside });
    for (const outside of ["IPv6", "IPv4"] as const) {
      if (inside === "IPv4" && outside === "IPv4") continue;
      const at = ADDRESSES[outside];
      for (const [place, assertDistinguished] of Object.entries(PLACES)) {
        await t.step(`from ${outside}, in ${place}`, async () => {
          await using scene = await Scene.start(cluster, { at, publicHost: at });
          await assertDistinguished(scene);
        });
      }
      await t.step(`from ${outside}, in CLIENT INFO`, async () => {
        await using scene = await Scene.start(cluster, { at, publicHost: at });
        await forEachNode(scene, async (node, client) => {
          const info = textOf(await client.ask("CLIENT", "INFO"))!;
          const own = formatHostPort({ host: at, port: scene.proxy.portOf(node) });
          assert(info.includes(` laddr=${own} `), info);
          const address = formatHostPort(splitAddress(client.localAddress)!);
          assert(info.includes(` addr=${address} `), info);
        });
      });
    }
  });
}

/** Calls back with a client of each node. */
async function forEachNode(
  scene: Scene,
  call: (node: ClusterNode, client: WireClient) => Promise<void>,
): Promise<void> {
  for (const node of scene.cluster.nodes) {
    using client = await scene.connect(node);
    await call(node, client);
  }
}

async function assertListings(scene: Scene): Promise<void> {
  const { nodes, primaries } = scene.cluster;
  await forEachNode(scene, async (_node, client) => {
    for (const protocol of ["2", "3"]) {
      await client.ask("HELLO", protocol);
      for (const { subcommand, named } of CLUSTER_LISTINGS) {
        scene.assertLeadsHome(named(await client.ask("CLUSTER", subcommand)), nodes);
      }
      for (const [index, primary] of primaries.entries()) {
        const replica = nodes[index + primaries.length]!;
        for (const word of ["REPLICAS", "SLAVES"]) {
          const lines = namedInLines(await client.ask("CLUSTER", word, primary.id));
          scene.assertLeadsHome(lines, [replica]);
        }
      }
    }
  });
}

async function assertReplication(scene: Scene): Promise<void> {
  const { nodes, primaries } = scene.cluster;
  await forEachNode(scene, async (node, client) => {
    const other = nodes[(nodes.indexOf(node) + primaries.length) % nodes.length]!;
    const role = itemsOf(await client.ask("ROLE"))!;
    const info = textOf(await client.ask("INFO", "replication"))!;
    const named: string[] = [];
    if (node.role === "primary") {
      assertEquals(textOf(role[0]), "master");
      const replicas = itemsOf(role[2])!.map((replica) => itemsOf(replica)!.map(textOf));
      assertEquals(replicas.length, 1);
      const [, ip, port] = /^slave0:ip=([^,]*),port=(\d+),state=online,/m.exec(info)!;
      named.push(`${replicas[0]![0]}:${replicas[0]![1]}`, `${ip}:${port}`);
    } else {
      const [word, host, port] = role.map(textOf);
      assertEquals([word, role[2]!.type], ["slave", ":"]);
      const [, infoHost, infoPort] = /^master_host:(.*)\r\nmaster_port:(\d+)\r\n/m.exec(info)!;
      named.push(`${host}:${port}`, `${infoHost}:${infoPort}`);
    }
    for (const address of named) assertEquals(scene.nodeAt(address).id, other.id);
    const server = textOf(await client.ask("INFO", "server"))!;
    assertEquals(/^tcp_port:(\d+)/m.exec(server)![1], `${scene.proxy.portOf(node)}`);
  });
}

/** A slot moves while the proxy runs; a node that has nothing to do with it tells where to. */
async function assertMoves(scene: Scene): Promise<void> {
  const { cluster } = scene;
  const [one, two, other] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode];
  using client = await scene.connect(other);
  const from = (await scene.redirected(client, MOVING_SLOT, "MOVED")).id === one.id ? one : two;
  const to = from === one ? two : one;
  await to.order("CLUSTER", "SETSLOT", `${MOVING_SLOT}`, "IMPORTING", from.id);
  for (const node of [to, from, other]) {
    await node.order("CLUSTER", "SETSLOT", `${MOVING_SLOT}`, "NODE", to.id);
  }
  await until("all primaries know the owner of the slot", async (saw) => {
    for (const node of cluster.primaries) {
      const nodes = textOf(await node.ask("CLUSTER", "NODES"))!;
      saw(`${node.address} says ${nodes}`);
      const owner = parseNodes(nodes).find(({ slots }) =>
        slots.some(({ first, last }) => first <= MOVING_SLOT && MOVING_SLOT <= last)
      );
      if (owner?.id !== to.id) return false;
    }
    return true;
  });
  assertEquals((await scene.redirected(client, MOVING_SLOT, "MOVED")).id, to.id);
}

/** A slot is on its way, then on its way to somewhere else, then not any more. */
async function assertAsks(scene: Scene): Promise<void> {
  const { cluster } = scene;
  const slot = 3300;
  const [source, ...targets] = cluster.primaries as [ClusterNode, ...ClusterNode[]];
  const setSlot = ["CLUSTER", "SETSLOT", `${slot}`];
  using client = await scene.connect(source);
  try {
    for (const target of [...targets, ...targets]) {
      await target.order(...setSlot, "IMPORTING", source.id);
      await source.order(...setSlot, "MIGRATING", target.id);
      assertEquals((await scene.redirected(client, slot, "ASK")).id, target.id);
      // The target serves it to whoever asks; to others it names the owner.
      using there = await scene.connect(target);
      assertEquals((await scene.redirected(there, slot, "MOVED")).id, source.id);
      await there.ask("ASKING");
      assertEquals((await there.ask("GET", KEYS[slot]!)).type, "$");
      await target.order(...setSlot, "STABLE");
    }
  } finally {
    for (const node of cluster.primaries) await node.order(...setSlot, "STABLE");
  }
  assertEquals((await client.ask("GET", KEYS[slot]!)).type, "$");
}

/** The answer to CLUSTER SLOTS is that of the node, but for the addresses. */
async function assertShape(scene: Scene): Promise<void> {
  const { cluster, proxy } = scene;
  await forEachNode(scene, async (node, client) => {
    using straight = await node.connect();
    for (const protocol of ["2", "3"]) {
      await Promise.all([straight, client].map((one) => one.ask("HELLO", protocol)));
      const ranges = itemsOf(await straight.ask("CLUSTER", "SLOTS"))!;
      for (const entry of ranges.flatMap((range) => itemsOf(range)!.slice(2))) {
        const [, port, id, metadata] = itemsOf(entry)!;
        const named = cluster.nodes.find((node) => node.id === textOf(id))!;
        itemsOf(entry)![0] = { type: "$", text: proxy.host };
        setText(port, `${proxy.portOf(named)}`);
        for (const name of ["ip", "hostname"]) setText(fieldOf(metadata, name), proxy.host);
      }
      assertEquals(itemsOf(await client.ask("CLUSTER", "SLOTS")), ranges);
    }
  });
}

function setText(value: Value | undefined, text: string): void {
  if (value !== undefined && "text" in value) value.text = text;
}

Deno.test("a redirect without an address leads to the node that took over from a dead one", async () => {
  await using cluster = await RedisCluster.start({
    samePort: true,
    directives: { "cluster-preferred-endpoint-type": "unknown-endpoint" },
  });
  await using scene = await Scene.start(cluster);
  const [dead, asked] = cluster.primaries as [ClusterNode, ClusterNode];
  const heir = cluster.replicas[0]!;
  using client = await scene.connect(asked);
  assertEquals((await scene.redirected(client, 3300, "MOVED")).id, dead.id);
  await dead.kill();
  await until("the replica has taken over", async (saw) => {
    const nodes = textOf(await asked.ask("CLUSTER", "NODES"))!;
    saw(nodes);
    return new RegExp(`^${heir.id} .* 0-5460$`, "m").test(nodes);
  }, FAILOVER_DEADLINE_MS);
  assertEquals((await scene.redirected(client, 3300, "MOVED")).id, heir.id);
});
