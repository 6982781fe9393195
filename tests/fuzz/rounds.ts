import { testSeed, testVariable } from "../support/random.ts";

/**
 * Runs a case for TEST_ROUNDS times `share` seeds, from TEST_SEED on. The error of a failure names
 * the seed that repeats it.
 */
export async function eachRound(
  share: number,
  run: (seed: number) => Promise<void> | void,
): Promise<void> {
  const rounds = Math.ceil(Number(testVariable("TEST_ROUNDS") ?? DEFAULT_ROUNDS) * share);
  const first = testSeed();
  for (let round = 0; round < rounds; round++) {
    const seed = first + round;
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`Round ${round} failed; repeat it with TEST_SEED=${seed} TEST_ROUNDS=1`, {
        cause: error,
      });
    }
  }
}

/** With this number, all of tests/fuzz takes a few seconds. */
const DEFAULT_ROUNDS = 500;
