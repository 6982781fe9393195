import { textOf } from "../../src/resp/frame.ts";
import { until } from "../support/until.ts";
import { LiveScene, testLive } from "./scene.ts";

/** The last node notices after the node timeout, which is 3 s. */
const NOTICE_DEADLINE_MS = 20_000;

testLive("clients come back after all nodes but one were down", async (t) => {
  // A primary that is restarted must not come back empty.
  await using scene = await LiveScene.start({ cluster: { directives: { appendonly: "yes" } } });
  const { cluster } = scene;
  for (const [role, index] of [["primary", 0], ["replica", 3]] as const) {
    await t.step(`and the one was a ${role}`, async () => {
      const last = cluster.nodes[index]!;
      await scene.withstand(`all down but a ${role}`, async () => {
        const others = cluster.nodes.filter((node) => node !== last);
        await Promise.all(others.map((node) => node.kill()));
        await until("the last node reports cluster_state:fail", async (saw) => {
          const info = textOf(await last.order("CLUSTER", "INFO"))!;
          saw(info);
          return info.includes("cluster_state:fail");
        }, NOTICE_DEADLINE_MS);
        await Promise.all(others.map((node) => node.start()));
      }, { primaryDies: true });
    });
  }
});
