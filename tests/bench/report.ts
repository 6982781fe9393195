import type { Environment } from "./environment.ts";
import type { RowResult } from "./results.ts";

/** The result of a run. */
export interface Report {
  readonly environment: Environment;
  readonly proxy: {
    /** Whether it was a compiled program. */
    readonly compiled: boolean;
    readonly flags: readonly string[];
  };
  readonly rounds: number;
  readonly results: readonly RowResult[];
}

/** How to read the figures, in lines; the first has the most important facts. */
export function formatHead({ environment, proxy, rounds }: Report): string[] {
  const { cores, processor, system, load, programs } = environment;
  const flags = proxy.flags.length === 0 ? "" : ` with ${proxy.flags.join(" ")}`;
  return [
    `${rounds} rounds, ${cores} cores (${processor}), ${system}, ${programs.join(", ")}`,
    `The proxy runs ${proxy.compiled ? "compiled" : "from its sources"}${flags}.`,
    "The load, the node and what is between them share the cores with whatever else runs;",
    `the load average was ${load.toFixed(2)} when they were started.`,
    "Figures are medians. Ratios are of the same round: the median, and where half of them are.",
  ];
}
