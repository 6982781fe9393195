import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
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
