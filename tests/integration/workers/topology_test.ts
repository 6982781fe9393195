import { assertEquals } from "@std/assert";
import { itemsOf, textOf } from "../../../src/resp/frame.ts";
import { parseNodes } from "../../../src/cluster/node.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import type { NatProcess } from "../../support/nat_process.ts";
import { onLinux } from "../../support/platform.ts";
import { isRefused } from "../../support/ports.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, connectIn, threadedNat, threadOf } from "./threaded.ts";

/** With this many clients each of two threads has some, except once in half a million runs. */
const SOME = 20;

/** Connects some clients to a port, which both threads must serve. */
async function assertServed(nat: NatProcess, port: number): Promise<void> {
  using stack = new DisposableStack();
  const threads = Array.from({ length: SOME }, async () => {
    const client = stack.use(await WireClient.connect(AT, port));
    assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
    return await threadOf(nat, client);
  });
  assertEquals(new Set(await Promise.all(threads)).size, 2);
}

onLinux.test("all threads serve a new node once one thread names it", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  // The proxy learns of the new node from replies only.
  await using nat = await threadedNat(node, ["--refresh-interval=0"]).ready();
  const port = nat.portOf(node);
  using first = await connectIn(1, nat, port);
  using second = await connectIn(2, nat, port);
  await node.order("CONFIG", "SET", "slowlog-log-slower-than", "0");
  for (const [by, client] of [["another thread", second], ["the first one", first]] as const) {
    await t.step(`when ${by} names it`, async () => {
      const added = await cluster.add();
      const publicPort = await until("the node is named", async () => {
        const nodes = parseNodes(textOf(await client.ask("CLUSTER", "NODES"))!);
        return nodes.find(({ id }) => id === added.id)?.port;
      });
      await Promise.all([
        assertServed(nat, publicPort),
        first.ask("CLUSTER", "MEET", AT, `${publicPort}`),
        second.ask("CLUSTER", "MEET", AT, `${publicPort}`),
      ]);
      const met = itemsOf(await node.ask("SLOWLOG", "GET", "100"))!
        .map((entry) => itemsOf(itemsOf(entry)![3]!)!.map(textOf))
        .filter(([, subcommand]) => subcommand === "MEET");
      assertEquals(met.slice(0, 2).map((words) => words[2]), [added.host, added.host]);
      assertEquals(nat.mapping.get(added.address), publicPort);
      await node.order("SLOWLOG", "RESET");
    });
  }
});

onLinux.test("all threads follow a node that moves, and one that is removed", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 1 });
  const flags = ["--refresh-interval=100ms", "--forget-after=0"];
  await using nat = await threadedNat(cluster.nodes[0]!, flags).ready();
  using other = await connectIn(2, nat, nat.portOf(cluster.nodes[0]!));
  const [moving, leaving] = cluster.replicas as [ClusterNode, ClusterNode];

  /** Checks that clients of both threads end after a change, and returns the port of the node. */
  async function assertEnded(node: ClusterNode, change: () => Promise<void>): Promise<number> {
    const port = nat.portOf(node);
    const clients = [await connectIn(1, nat, port), await connectIn(2, nat, port)];
    await change();
    for (const client of clients) {
      assertEquals(await client.readToEnd(), "");
      client.close();
    }
    return port;
  }

  await t.step("the line of the new address is printed when all threads reach it", async () => {
    const port = await assertEnded(moving, () => cluster.relocate(moving));
    await until("the new address is printed", () => nat.mapping.has(moving.address));
    assertEquals(nat.mapping.get(moving.address), port);
    await assertServed(nat, port);
  });

  await t.step("the clients of the removed node end", async () => {
    await using _stopping = { [Symbol.asyncDispose]: () => leaving.stop() };
    const port = await assertEnded(leaving, async () => {
      // The node keeps running, but leaves the cluster, as with `redis-cli --cluster del-node`.
      await cluster.remove(leaving, { stop: false });
      await leaving.order("CLUSTER", "RESET", "SOFT");
    });
    await until("the port is closed", () => isRefused(port));
    assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
  });
});
