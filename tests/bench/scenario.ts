import type { ContenderName, Contenders, Way } from "./contenders.ts";

/** What figures are counted in. */
export type Unit = "requests/s" | "connections/s" | "bytes/s" | "bytes" | "ms" | "s/million";

/** What the proxy is to reach: a bound of its figure, or of that divided by HAProxy's. */
export interface Goal {
  readonly of: "ratio" | "figure";
  readonly at: "least" | "most";
  readonly bound: number;
  /** It is a goal of the compiled program only. */
  readonly compiled?: true;
}

/** A line of the table. */
export interface Row {
  readonly title: string;
  readonly unit: Unit;
  readonly goal?: Goal;
}

/** Where scenarios are played. */
export interface Stage {
  readonly contenders: Contenders;
  /** One of each contender, which runs all the time. */
  readonly ways: Readonly<Record<ContenderName, Way>>;
  /** Is aborted by whoever wants no more figures. */
  readonly signal: AbortSignal;
}

/** Some rows that are measured together. */
export interface Scenario {
  /** What `--rows` calls it. */
  readonly name: string;
  readonly rows: readonly Row[];
  /** In how many rounds it is measured at most; in all unless told. */
  readonly mostRounds?: number;
  /** Is called once, before the first round. */
  prepare?(stage: Stage): Promise<void>;
  /** Measures once: a figure for each row, or undefined where there is nothing to measure. */
  measure(contender: ContenderName, stage: Stage): Promise<readonly (number | undefined)[]>;
}

/** Whether more of a unit is better. */
export function moreIsBetter(unit: Unit): boolean {
  return unit.endsWith("/s");
}
