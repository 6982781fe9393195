import { assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { idAt } from "../support/named_nodes.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { SWIFT } from "./scene.ts";

/** Several refresh intervals of `SWIFT`. */
const REFRESH_DEADLINE_MS = 5_000;

Deno.test("regular refreshes alone find a new node and nodes at other addresses", async (t) => {
  await using cluster = await RedisCluster.start({ directives: { appendonly: "yes" } });
  await using proxy = await startProxy(cluster, SWIFT);
  for (const [role, index] of [["primary", 1], ["replica", 5]] as const) {
    await t.step(`a ${role} at another address keeps its public port`, async () => {
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
  await t.step("a new node gets a port", async () => {
    const added = await cluster.add();
    const port = await until("the new node has a port", () => proxy.portOf(added));
    assertEquals(await idAt(proxy.host, port), added.id);
  });
});
