import { assert } from "@std/assert";
import type { ClusterNode, RedisCluster } from "../support/cluster.ts";
import { untilReplaced } from "./changes.ts";
import { LiveScene, NAMINGS, testLive } from "./scene.ts";

for (const naming of NAMINGS) {
  testLive(`clients get through failovers of nodes with ${naming}`, async (t) => {
    await using scene = await LiveScene.start({ naming });
    const { cluster } = scene;
    await t.step("by agreement", async () => {
      await scene.withstand("a failover", () => cluster.failover(cluster.nodes[4]!));
    });
    await t.step("after the death of a primary", async () => {
      const dead = await primaryOf(cluster, cluster.nodes[2]!);
      await scene.withstand("a dead primary and its return", async () => {
        await dead.kill();
        await untilReplaced(cluster, dead);
        await dead.start();
      }, { primaryDies: true });
    });
  });
}

testLive("clients of a proxy process get through the death of a primary", async () => {
  await using scene = await LiveScene.start({ process: true });
  const { cluster } = scene;
  const dead = cluster.nodes[1]!;
  await scene.withstand("a dead primary", async () => {
    await dead.kill();
    await untilReplaced(cluster, dead);
  }, { primaryDies: true });
});

async function primaryOf(cluster: RedisCluster, node: ClusterNode): Promise<ClusterNode> {
  const standing = (await cluster.standings()).find((standing) => standing.node === node);
  const primary = standing?.primary ?? standing?.node;
  assert(primary !== undefined, `${node.address} has no primary`);
  return primary;
}
