/** The distribution of several figures. */
export interface Spread {
  readonly least: number;
  /** The first quartile. */
  readonly lower: number;
  readonly median: number;
  /** The third quartile. */
  readonly upper: number;
  readonly most: number;
}

/**
 * The spread of figures, in any order.
 *
 * @throws {RangeError} when there are none
 */
export function spreadOf(figures: readonly number[]): Spread {
  if (figures.length === 0) throw new RangeError("Cannot summarize no figures");
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
 * The figures of each round divided by those of the same round. What slows a whole round cancels
 * out, which it would not in a ratio of medians.
 */
export function ratiosOf(figures: readonly number[], bases: readonly number[]): number[] {
  if (figures.length !== bases.length) {
    throw new RangeError(`${figures.length} rounds cannot be compared with ${bases.length}`);
  }
  return figures.map((figure, round) => figure / bases[round]!);
}

/** The quantile of sorted figures, interpolated. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const [before, after] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return before + (place - Math.floor(place)) * (after - before);
}
