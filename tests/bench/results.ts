import { type ContenderName, CONTENDERS } from "./contenders.ts";
import type { Row } from "./scenario.ts";
import { ratiosOf, type Spread, spreadOf } from "./statistics.ts";

/** Figures of one row, a list for each contender that has any, by round. */
export type RowFigures = Partial<Record<ContenderName, number[]>>;

/** Whom the proxy is held against. */
type Rival = Exclude<ContenderName, "proxy">;

const RIVALS = CONTENDERS.filter((name): name is Rival => name !== "proxy");

/** What all rounds said of one row. */
export interface RowResult extends Row {
  /** By contender; one that has no such figure is absent. */
  readonly figures: Readonly<Partial<Record<ContenderName, Spread>>>;
  /** The proxy's figure divided by that of each other contender, round by round. */
  readonly ratios: Readonly<Partial<Record<Rival, Spread>>>;
  /** Whether the median reaches the goal; undefined where there is none. */
  readonly met?: boolean;
}

/**
 * Makes of the figures of all rounds what is told of them.
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
