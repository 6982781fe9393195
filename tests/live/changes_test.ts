import { seededRandom, testSeed } from "../support/random.ts";
import { change, type ChangeName, untilReplaced } from "./changes.ts";
import { LiveScene, NAMINGS, testLive } from "./scene.ts";

/** Covers most of the changes; TEST_CHANGES sets more. */
const COUNT = Number(Deno.env.get("TEST_CHANGES") ?? 6);

/** Made one after the other at a cluster of each naming. */
const NAMED: readonly ChangeName[] = [
  ...["a failover", "a dead primary", "a primary at another address"] as const,
  "a replica at another address, then a failover",
  ...["two primaries more, and a rebalance", "a primary less"] as const,
];

/** A primary that is restarted must not come back empty. */
const cluster = { directives: { appendonly: "yes" } };

const seed = testSeed();

for (const naming of NAMINGS) {
  testLive(`clients follow changes of nodes with ${naming}`, async (t) => {
    console.log(`TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    await using scene = await LiveScene.start({ naming, cluster });
    for (const name of NAMED) {
      await t.step(name, async () => {
        const primaryDies = name === "a dead primary";
        await scene.withstand(name, () => change(scene.cluster, random, [name]), { primaryDies });
      });
    }
  });
}

testLive("clients follow random changes of the cluster", async () => {
  console.log(`TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  await using scene = await LiveScene.start({ cluster });
  await scene.withstand(`${COUNT} changes`, async () => {
    for (let index = 1; index <= COUNT; index++) {
      console.log(`${index}: ${await change(scene.cluster, random)}`);
    }
  }, { primaryDies: true });
});

testLive("clients of a proxy process get through the death of a primary", async () => {
  await using scene = await LiveScene.start({ process: true });
  const dead = scene.cluster.nodes[1]!;
  await scene.withstand("a dead primary", async () => {
    await dead.kill();
    await untilReplaced(scene.cluster, dead);
  }, { primaryDies: true });
});
