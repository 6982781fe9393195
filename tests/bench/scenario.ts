import type { ContenderName, TlsUse, Way } from "./contenders.ts";

/** Units of figures. */
export type Unit = "requests/s" | "connections/s" | "bytes/s" | "bytes" | "ms" | "s/million";

/** A bound for the proxy's figure, or for its ratio to HAProxy's. */
export interface Goal {
  readonly of: "ratio" | "figure";
  readonly at: "least" | "most";
  readonly bound: number;
  /** Whether it applies to the compiled program only. */
  readonly compiled?: true;
}

/** A line of the table. */
export interface Row {
  readonly title: string;
  readonly unit: Unit;
  readonly goal?: Goal;
}

/** What scenarios work with. */
export interface Stage {
  /** Starts a further one. */
  readonly start: (name: ContenderName) => Promise<Way>;
  /** One of each contender, which runs all the time. */
  readonly ways: Readonly<Record<ContenderName, Way>>;
  readonly signal: AbortSignal;
}

/** Rows that are measured together. */
export interface Scenario {
  /** Its name in `--rows`. */
  readonly name: string;
  /** Its ways are in plain text if this is undefined. */
  readonly tls?: TlsUse | undefined;
  readonly rows: readonly Row[];
  /** The maximum number of rounds; all by default. */
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
