import { assert, assertEquals, assertRejects } from "@std/assert";
import type { HostPort } from "../../src/platform/address.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import { ClusterDiscovery, type QueryOptions } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NODE_LINK } from "../support/dialer.ts";
import { bulk } from "../support/frames.ts";
import { idAt } from "../support/named_nodes.ts";
import { Peer, TcpPeer } from "../support/peer.ts";
import { findFreePorts } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { idOf } from "../support/views.ts";

/**
 * Less than the 5 s timeout of a node that hangs. The slowest case takes 1.75 s: three nodes that
 * hang get a head start of 250 ms each, and a view that is not wanted 1 s for a better one.
 */
const SOON_MS = 2_500;

/** The address that answers for such seeds; fails if that takes long. */
async function lookFrom(seeds: readonly HostPort[], options?: QueryOptions): Promise<ClusterView> {
  const discovery = new ClusterDiscovery({
    seeds: seeds.map(({ host, port }) => ({ host, port })),
    ...NODE_LINK,
  });
  const startMs = performance.now();
  try {
    return await discovery.queryAny(options);
  } finally {
    discovery.close();
    const tookMs = performance.now() - startMs;
    assert(tookMs < SOON_MS, `the look took ${tookMs} ms`);
  }
}

/** Closes each connection at once, like a load balancer without servers. */
class ClosingPeer extends TcpPeer {
  protected override talk(): Promise<void> {
    return Promise.resolve();
  }
}

/** What is of no use at an address, and its replies; undefined if it accepts no connection. */
const USELESS: Record<string, string | undefined> = {
  "hangs": "",
  "is loading": "-LOADING Redis is loading the dataset in memory\r\n".repeat(3),
  "is no cluster": "-ERR This instance has cluster support disabled\r\n".repeat(3),
  "wants a password": "-NOAUTH Authentication required.\r\n".repeat(3),
  "is not ready": bulk(`${idOf("9")} 127.9.9.9:1@2 myself,master - 0 0 1 connected\n`) +
    bulk("cluster_state:fail\r\n") + "-ERR no shards\r\n",
  "closes connections": "close",
  "refuses connections": undefined,
};

/** Puts something useless at an address. */
function uselessPeer(answer: string | undefined, at: { host?: string; port?: number }) {
  if (answer === undefined) return undefined;
  return answer === "close" ? new ClosingPeer(at) : new Peer({ answer, ...at });
}

Deno.test("an address that is of no use hides no other", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes as [ClusterNode];
  const host = "127.9.9.9";
  for (const [name, answer] of Object.entries(USELESS)) {
    await t.step(`of a seed's name, if it ${name}`, async () => {
      await using _useless = uselessPeer(answer, { host, port: node.port });
      for (const addresses of [[host, node.host], [node.host, host]]) {
        class NamingTopology extends ClusterDiscovery {
          override resolve(host: string): Promise<string[]> {
            assertEquals(host, "nodes.example");
            return Promise.resolve(addresses);
          }
        }
        const seeds = [{ host: "nodes.example", port: node.port }];
        const topology = new NamingTopology({ seeds, ...NODE_LINK });
        // The start retries even a lasting error, unless every address has one.
        const startMs = performance.now();
        const view = await waitUntilReady(topology, 10_000);
        topology.close();
        assertEquals([view.answeredBy.id, view.answeredAt.host], [node.id, node.host]);
        assert(performance.now() - startMs < SOON_MS);
      }
    });
  }
  await t.step("of several seeds", async () => {
    await using stack = new AsyncDisposableStack();
    const seeds = Object.values(USELESS).map((answer): HostPort => {
      const peer = stack.use(uselessPeer(answer, {}));
      return { host: "127.0.0.1", port: peer?.port ?? findFreePorts(1) };
    });
    seeds.push({ host: "node.invalid", port: 7000 }, { host: node.host, port: node.port });
    await using proxy = await startProxy(cluster, { seeds, startTimeoutMs: 10_000 });
    assertEquals(await idAt("127.0.0.1", proxy.portOf(node)), node.id);
  });
});

Deno.test("seeds that hang cost little time, whether the others are ready or not", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using stack = new AsyncDisposableStack();
  const hung = Array.from({ length: 3 }, () => stack.use(new Peer()));
  const [node] = cluster.nodes as [ClusterNode];
  for (const wanted of [true, false]) {
    for (const seeds of [[...hung, node], [node, ...hung]]) {
      await t.step(
        `${seeds.indexOf(node)} of them before one that is ${wanted || "not"} wanted`,
        async () => {
          const view = await lookFrom(seeds, { isSufficient: () => wanted });
          assertEquals(view.answeredBy.id, node.id);
        },
      );
    }
  }
});

Deno.test("without a wanted view, the one with most slots is used", async () => {
  await using stack = new AsyncDisposableStack();
  const answers = ["0-5", "0-100", ""].map((slots, at) =>
    bulk(`${idOf(`${at}`)} 127.0.0.1:1@2 myself,master - 0 0 1 connected ${slots}\n`) +
    bulk("cluster_state:ok\r\n") + "-ERR no shards\r\n"
  );
  const peers = answers.map((answer) => stack.use(new Peer({ answer })));
  const view = await lookFrom(peers, { isSufficient: () => false });
  assertEquals(view.answeredBy.id, idOf("1"));
});

Deno.test("a seed that is not a node refers to the nodes that it lists", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const lines = cluster.nodes.map(({ id, address }, at) =>
    `${id} ${address}@1 master - 0 0 ${at + 1} connected ${at}\n`
  ).join("");
  const info = bulk("cluster_state:ok\r\n");
  const fronts: Record<string, string> = {
    "one that does not list itself": bulk(lines) + info + "-ERR no shards\r\n",
    "one that refuses CLUSTER INFO": bulk(lines) + "-ERR unknown subcommand\r\n*0\r\n",
    "one that lists itself and refuses CLUSTER INFO":
      bulk(`${idOf("f")} 127.0.0.1:1@2 myself,master - 0 0 9 connected\n${lines}`) +
      "-NOPERM no permissions\r\n*0\r\n",
  };
  for (const [name, answer] of Object.entries(fronts)) {
    await t.step(name, async () => {
      await using front = new Peer({ answer });
      const { host, port } = front;
      await using proxy = await startProxy(cluster, { seeds: [{ host, port }] });
      assertEquals(proxy.proxy.nodes.map(({ id }) => id), cluster.nodes.map(({ id }) => id));
      for (const node of cluster.nodes) {
        assertEquals(await idAt(proxy.host, proxy.portOf(node)), node.id);
      }
    });
  }
  await t.step("if none of these answers, the error has both reasons", async () => {
    const dead = `${idOf("a")} 127.0.0.1:1@2 master - 0 0 1 connected 0-16383\n`;
    await using front = new Peer({ answer: bulk(dead) + info + "*0\r\n" });
    const error = await assertRejects(() => lookFrom([front]), AggregateError);
    assertEquals((error as AggregateError).errors.map(({ message }) => message), [
      `Node ${front.address} does not list itself in CLUSTER NODES`,
      "Node 127.0.0.1:1 refuses connections: check that it is running and that the port is right",
    ]);
  });
});
