/** The middle of several figures and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/**
 * The spread of figures, in any order.
 *
 * @throws {RangeError} when there are none
 */
export function spreadOf(figures: readonly number[]): Spread {
  if (figures.length === 0) throw new RangeError("No figures have no spread");
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

/**
 * The figures of each round divided by those of the same round: what made a whole round slow is
 * in both and falls out, as it does not when medians are divided.
 */
export function ratiosOf(figures: readonly number[], bases: readonly number[]): number[] {
  if (figures.length !== bases.length) {
    throw new RangeError(`${figures.length} rounds cannot be held against ${bases.length}`);
  }
  return figures.map((figure, round) => figure / bases[round]!);
}
