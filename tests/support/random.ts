/** A pseudorandom number generator; the same seed gives the same numbers. */
export interface Random {
  /** An integer from 0 up to `below`, exclusive. */
  int(below: number): number;
  /** True with the probability `share`, between 0 and 1. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** A generator that starts from `seed` (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  function share(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    int: (below) => Math.floor(share() * below),
    chance: (wanted) => share() < wanted,
    pick: (items) => items[Math.floor(share() * items.length)]!,
  };
}

/**
 * The value of an environment variable that configures tests. Unit tests run without permissions,
 * so they need `--allow-env=TEST_SEED,TEST_ROUNDS` to repeat a case.
 */
export function testVariable(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

/** The seed from the environment variable TEST_SEED, or a new one. */
export function testSeed(): number {
  const given = testVariable("TEST_SEED");
  if (given === undefined) return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(given);
  if (given === "" || !Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot read TEST_SEED '${given}': expected an integer`);
  }
  return seed;
}
