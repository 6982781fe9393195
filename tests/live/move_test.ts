import { LiveScene, NAMINGS, testLive } from "./scene.ts";

for (const naming of NAMINGS) {
  testLive(`clients follow nodes with ${naming} to other IP addresses`, async (t) => {
    // A primary that is restarted must not come back empty.
    await using scene = await LiveScene.start({
      naming,
      cluster: { directives: { appendonly: "yes" } },
    });
    const { cluster } = scene;
    await t.step("of a primary", async () => {
      await scene.withstand("a primary elsewhere", () => cluster.relocate(cluster.nodes[1]!));
    });
    await t.step("of a replica, which then is a primary", async () => {
      await scene.withstand("a replica elsewhere", async () => {
        await cluster.relocate(cluster.nodes[5]!);
        await cluster.ready();
        await cluster.failover(cluster.nodes[5]!);
      });
    });
  });
}
