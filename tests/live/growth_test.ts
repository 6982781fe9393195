import { assert } from "@std/assert";
import { LiveScene, NAMINGS, testLive } from "./scene.ts";

/** Moved before the rebalance, so that clients use new nodes that have few slots. */
const FIRST_SLOTS = 100;

for (const naming of NAMINGS) {
  testLive(
    `clients follow a cluster of nodes with ${naming} that grows, then shrinks`,
    async (t) => {
      await using scene = await LiveScene.start({ naming });
      const { cluster } = scene;
      await t.step("by two nodes, with a rebalance", async () => {
        await scene.withstand("two nodes more", async () => {
          const added = await Promise.all([cluster.add(), cluster.add()]);
          const [first] = await cluster.standings();
          for (const [index, node] of added.entries()) {
            const slots = first!.slots.slice(index * FIRST_SLOTS, (index + 1) * FIRST_SLOTS);
            await cluster.moveSlots(slots, first!.node, node);
          }
          await cluster.rebalance();
        });
      });
      await t.step("by one node", async () => {
        await scene.withstand("a node less", async () => {
          const standings = await cluster.standings();
          const [heir] = standings;
          const leaving = standings.findLast(({ slots }) => slots.length > 0);
          assert(heir !== undefined && leaving !== undefined);
          await cluster.moveSlots(leaving.slots, leaving.node, heir.node);
          await cluster.ready();
          await cluster.remove(leaving.node);
        });
      });
    },
  );
}
