import { seededRandom, testSeed } from "../support/random.ts";
import { change } from "./changes.ts";
import { LiveScene, testLive } from "./scene.ts";

/** Covers most of the changes; TEST_CHANGES sets more. */
const CHANGES = Number(Deno.env.get("TEST_CHANGES") ?? 6);

testLive("clients follow random changes of the cluster", async () => {
  const seed = testSeed();
  console.log(`TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  // A primary that is restarted must not come back empty.
  await using scene = await LiveScene.start({ cluster: { directives: { appendonly: "yes" } } });
  await scene.withstand(`${CHANGES} changes`, async () => {
    for (let index = 1; index <= CHANGES; index++) {
      console.log(`${index}: ${await change(scene.cluster, random)}`);
    }
  }, { primaryDies: true });
});
