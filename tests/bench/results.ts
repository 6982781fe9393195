import { type ContenderName, CONTENDERS } from "./contenders.ts";
import type { Row } from "./scenario.ts";
import { ratiosOf, type Spread, spreadOf } from "./statistics.ts";

/** Figures of one row by contender and round. */
export type RowFigures = Partial<Record<ContenderName, number[]>>;

/** The programs that the proxy is compared with. */
type Rival = Exclude<ContenderName, "proxy">;

const RIVALS = CONTENDERS.filter((name): name is Rival => name !== "proxy");

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
  for (const name of CONTENDERS) {
    if (figures[name] !== undefined) spreads[name] = spreadOf(figures[name]);
  }
  const ratios: Partial<Record<Rival, Spread>> = {};
  for (const name of RIVALS) {
    const bases = figures[name];
    if (bases !== undefined) ratios[name] = spreadOf(ratiosOf(figures.proxy ?? [], bases));
  }
  const { title, unit, goal } = row;
  const result = { title, unit, ...goal && { goal }, figures: spreads, ratios };
  const judged = goal?.of === "ratio" ? ratios.haproxy : spreads.proxy;
  if (goal === undefined || judged === undefined || goal.compiled && !compiled) return result;
  const { at, bound } = goal;
  return { ...result, met: at === "least" ? judged.median >= bound : judged.median <= bound };
}
