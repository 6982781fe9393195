import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

Deno.test("a cluster replicates while its block runs and leaves no process behind", async () => {
  const remains: { host: string; port: number; pid: number }[] = [];
  {
    await using cluster = await RedisCluster.start();
    for (const { host, port, pid } of cluster.nodes) remains.push({ host, port, pid: pid! });

    const slot = Number(textOf(await cluster.ask(cluster.nodes[0]!, "CLUSTER", "KEYSLOT", "key")));
    const owner = cluster.ownerOf(slot);
    const replica = cluster.replicas[cluster.primaries.indexOf(owner)]!;
    assertEquals(textOf(await cluster.ask(owner, "SET", "key", "value")), "OK");
    using client = await replica.connect();
    assertEquals(textOf(await client.ask("READONLY")), "OK");
    await until("the replica has the key", async (saw) => {
      const value = textOf(await client.ask("GET", "key"));
      saw(value);
      return value === "value";
    });
  }
  assertEquals(remains.length, 6);
  for (const { host, port, pid } of remains) {
    // A continued process would go on; one that is no more cannot be told anything.
    assertThrows(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
    await assertRejects(() => WireClient.connect(host, port), Deno.errors.ConnectionRefused);
  }
});

Deno.test("a cluster grows, changes its roles, moves and shrinks with all its keys", async () => {
  // A primary that is restarted must not come back empty.
  await using cluster = await RedisCluster.start({ directives: { appendonly: "yes" } });
  const keys = Array.from({ length: 300 }, (_, index) => `key:${index}`);
  await Promise.all(keys.map(async (key) => {
    const slot = textOf(await cluster.ask(cluster.nodes[0]!, "CLUSTER", "KEYSLOT", key));
    await cluster.ownerOf(Number(slot)).order("SET", key, `<${key}>`);
  }));
  async function assertWhole(): Promise<void> {
    await cluster.ready();
    const owners = (await cluster.standings()).filter(({ role }) => role === "primary");
    const counts = await Promise.all(
      owners.map(async ({ node }) => Number(textOf(await node.order("DBSIZE")))),
    );
    assertEquals(counts.reduce((sum, count) => sum + count), keys.length);
  }
  async function slotsOf(node: ClusterNode): Promise<readonly number[]> {
    return (await cluster.standings()).find((standing) => standing.node === node)!.slots;
  }

  const primary = await cluster.add();
  await cluster.add({ replicaOf: primary });
  await cluster.rebalance();
  await assertWhole();
  assertEquals((await slotsOf(primary)).length, 4096);

  const [first, , , replica] = cluster.nodes as [ClusterNode, ClusterNode, unknown, ClusterNode];
  await cluster.failover(replica);
  await assertWhole();
  assertEquals((await slotsOf(replica)).length, 4096);

  const { address } = replica;
  await cluster.relocate(replica);
  assert(replica.address !== address, address);
  await assertWhole();
  await cluster.remove(first);
  await assertWhole();

  await cluster.moveSlots(await slotsOf(primary), primary, replica);
  await cluster.ready();
  await cluster.remove(primary);
  await assertWhole();
  assertEquals(cluster.nodes.length, 6);
  assertEquals((await slotsOf(replica)).length, 8192);
});
