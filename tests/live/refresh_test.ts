import { assert, assertEquals, assertRejects } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { idAt } from "../support/named_nodes.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import { SWIFT } from "./scene.ts";

/** Several times the interval of `SWIFT`, on a machine that is busy. */
const REFRESH_DEADLINE_MS = 5_000;

Deno.test("a new node is listened for without anyone mentioning it", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await startProxy(cluster, SWIFT);
  const added = await cluster.add();
  const port = await until("the new node has a port", () => proxy.portOf(added));
  assertEquals(await idAt(proxy.host, port), added.id);
});

Deno.test("a node at another address keeps its public port and is served on it", async (t) => {
  await using cluster = await RedisCluster.start({ directives: { appendonly: "yes" } });
  await using proxy = await startProxy(cluster, SWIFT);
  for (const [role, index] of [["primary", 1], ["replica", 5]] as const) {
    await t.step(`as a ${role}`, async () => {
      const node = cluster.nodes[index]!;
      const port = proxy.portOf(node);
      await cluster.relocate(node);
      await until("the node is served again", async (saw) => {
        const id = await idAt(proxy.host, port);
        saw(id);
        return id === node.id;
      }, REFRESH_DEADLINE_MS);
      assertEquals(proxy.portOf(node), port);
    });
  }
});

Deno.test("a node that was removed loses its port, and whoever is connected to it", async () => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster, SWIFT);
  const leaving = cluster.nodes[4]!;
  const port = proxy.portOf(leaving);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => leaving.stop());
  using client = await WireClient.connect(proxy.host, port);
  assertEquals(textOf(await client.ask("CLUSTER", "MYID")), leaving.id);
  // It goes on, so that nothing but the proxy can end the connection.
  await cluster.remove(leaving, { stop: false });
  // As `redis-cli --cluster del-node`: without it the node goes on as a member.
  await leaving.order("CLUSTER", "RESET", "SOFT");
  await client.readToEnd(REFRESH_DEADLINE_MS);
  assert(!proxy.ports.includes(port), `${port} in ${proxy.ports}`);
  await assertRejects(() => WireClient.connect(proxy.host, port), Deno.errors.ConnectionRefused);
});

Deno.test("a node that is down keeps its port, and is served again when it is back", async () => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster, SWIFT);
  const node = cluster.nodes[5]!;
  const port = proxy.portOf(node);
  await node.kill();
  await cluster.ready();
  assertEquals(proxy.portOf(node), port);
  await node.start();
  await until("the node is served again", async () => await idAt(proxy.host, port) === node.id);
});
