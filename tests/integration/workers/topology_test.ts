import { assertEquals, assertRejects } from "@std/assert";
import { itemsOf, textOf } from "../../../src/resp/frame.ts";
import { parseNodes } from "../../../src/cluster/node.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, connectIn, ON_LINUX, threadedNat, threadOf } from "./threaded.ts";

/** With this many clients each of two threads has some, except once in half a million runs. */
const SOME = 20;

Deno.test(
  "all threads serve a new node once one thread names it",
  ON_LINUX,
  async (t) => {
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    // The proxy learns of the new node from replies only.
    await using nat = await threadedNat(node, ["--refresh-interval=0"]).ready();
    const port = nat.mapping.get(node.address)!;
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
        using stack = new DisposableStack();
        const [served] = await Promise.all([
          Promise.all(Array.from({ length: SOME }, async () => {
            const one = stack.use(await WireClient.connect(AT, publicPort));
            assertEquals(await one.ask("PING"), { type: "+", text: "PONG" });
            return one;
          })),
          first.ask("CLUSTER", "MEET", AT, `${publicPort}`),
          second.ask("CLUSTER", "MEET", AT, `${publicPort}`),
        ]);
        const threads = new Set(await Promise.all(served.map((one) => threadOf(nat, one))));
        assertEquals(threads.size, 2);
        const met = itemsOf(await node.ask("SLOWLOG", "GET", "100"))!
          .map((entry) => itemsOf(itemsOf(entry)![3]!)!.map(textOf))
          .filter(([, subcommand]) => subcommand === "MEET");
        assertEquals(met.slice(0, 2).map((words) => words[2]), [added.host, added.host]);
        assertEquals(nat.mapping.get(added.address), publicPort);
        await node.order("SLOWLOG", "RESET");
      });
    }
  },
);

Deno.test("the clients of a removed node end in all threads", ON_LINUX, async () => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 1 });
  const flags = ["--refresh-interval=100ms", "--forget-after=0"];
  await using nat = await threadedNat(cluster.nodes[0]!, flags).ready();
  const leaving = cluster.replicas[0]!;
  const port = nat.mapping.get(leaving.address)!;
  const clients = [await connectIn(1, nat, port), await connectIn(2, nat, port)];
  using other = await connectIn(2, nat, nat.mapping.get(cluster.nodes[0]!.address)!);
  // The node keeps running, but leaves the cluster, as with `redis-cli --cluster del-node`.
  await cluster.remove(leaving, { stop: false });
  await leaving.order("CLUSTER", "RESET", "SOFT");
  await using _stopping = { [Symbol.asyncDispose]: () => leaving.stop() };
  for (const client of clients) {
    assertEquals(await client.readToEnd(), "");
    client.close();
  }
  await until("the port is closed", async () => {
    await assertRejects(() => WireClient.connect(AT, port), Deno.errors.ConnectionRefused);
    return true;
  });
  assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
});

Deno.test(
  "all threads reach a node that has moved when its line is printed",
  ON_LINUX,
  async () => {
    await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 1 });
    await using nat = await threadedNat(cluster.nodes[0]!, ["--refresh-interval=100ms"]).ready();
    const moving = cluster.replicas[0]!;
    const port = nat.mapping.get(moving.address)!;
    const clients = [await connectIn(1, nat, port), await connectIn(2, nat, port)];
    await cluster.relocate(moving);
    for (const client of clients) {
      assertEquals(await client.readToEnd(), "");
      client.close();
    }
    await until("the new address is printed", () => nat.mapping.has(moving.address));
    assertEquals(nat.mapping.get(moving.address), port);
    using stack = new DisposableStack();
    const moved = Array.from({ length: SOME }, async () => {
      const client = stack.use(await WireClient.connect(AT, port));
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
      return await threadOf(nat, client);
    });
    assertEquals(new Set(await Promise.all(moved)).size, 2);
  },
);
