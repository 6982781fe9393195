import { type ContenderName, CONTENDERS } from "./contenders.ts";
import type { Row } from "./scenario.ts";

/** The distribution of several figures. */
export interface Spread {
  readonly least: number;
  readonly lower: number;
  readonly median: number;
  readonly upper: number;
  readonly most: number;
}

/** Figures of one row by contender and round. */
export type RowFigures = Partial<Record<ContenderName, number[]>>;

/** The programs that the proxy is compared with. */
type Rival = Exclude<ContenderName, "proxy">;

/** The result of one row over all rounds. */
export interface RowResult extends Row {
  /** By contender, if it has this figure. */
  readonly figures: Readonly<Partial<Record<ContenderName, Spread>>>;
  /** The proxy's figure divided by that of each other contender, round by round. */
  readonly ratios: Readonly<Partial<Record<Rival, Spread>>>;
  /** Whether the median reaches the goal; undefined where there is none. */
  readonly met?: boolean;
}

/**
 * Summarizes the figures of all rounds.
 *
 * @param compiled whether the proxy was a compiled program
 */
export function resultOf(row: Row, figures: RowFigures, compiled: boolean): RowResult {
  const spreads: Partial<Record<ContenderName, Spread>> = {};
  const ratios: Partial<Record<Rival, Spread>> = {};
  for (const name of CONTENDERS) {
    const own = figures[name];
    if (own === undefined) continue;
    spreads[name] = spreadOf(own);
    if (name !== "proxy") ratios[name] = spreadOf(ratiosOf(figures.proxy ?? [], own));
  }
  const { title, unit, goal } = row;
  const result = { title, unit, ...goal && { goal }, figures: spreads, ratios };
  const judged = goal?.of === "ratio" ? ratios.haproxy : spreads.proxy;
  if (goal === undefined || judged === undefined || goal.compiled && !compiled) return result;
  const { at, bound } = goal;
  return { ...result, met: at === "least" ? judged.median >= bound : judged.median <= bound };
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
function ratiosOf(figures: readonly number[], bases: readonly number[]): number[] {
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
