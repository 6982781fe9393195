/** The middle of several figures, and how far they lie apart. */
export interface Spread {
  readonly least: number;
  /** A quarter of all lies below. */
  readonly lower: number;
  readonly median: number;
  /** A quarter of all lies above. */
  readonly upper: number;
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
  return {
    least: sorted[0]!,
    lower: quantile(sorted, 1 / 4),
    median: quantile(sorted, 1 / 2),
    upper: quantile(sorted, 3 / 4),
    most: sorted.at(-1)!,
  };
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

/** What so large a share of sorted figures lies below; between two of them if it must. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const [before, after] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return before + (place - Math.floor(place)) * (after - before);
}
