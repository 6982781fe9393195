import { testSeed, testVariable } from "../support/random.ts";

/**
 * Runs a case for each of so many seeds: TEST_ROUNDS times `share`, from TEST_SEED on. A failure
 * says which seed alone repeats it.
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
      throw new Error(`TEST_SEED=${seed} TEST_ROUNDS=1 fails, in round ${round}`, {
        cause: error,
      });
    }
  }
}

/** All of tests/fuzz takes some seconds with it. */
const DEFAULT_ROUNDS = 500;
