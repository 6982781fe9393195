import { CONTENDERS } from "./contenders.ts";
import type { Environment } from "./environment.ts";
import type { RowResult, Spread } from "./results.ts";
import type { Goal, Unit } from "./scenario.ts";

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

const NOTHING = "-";

const HEADINGS = [
  ...["", "node", "HAProxy", "relay", "proxy", "proxy/HAProxy", "proxy/relay", "goal", ""],
];

/** The results as a text table: medians, and the quartiles of ratios in brackets. */
export function formatTable(results: readonly RowResult[]): string {
  const lines = [HEADINGS, ...results.map(cellsOf)];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...lines.map((cells) => cells[column]!.length))
  );
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}

function cellsOf({ title, unit, figures, ratios, goal, met }: RowResult): string[] {
  const figure = (spread: Spread | undefined) =>
    spread === undefined ? NOTHING : formatFigure(spread.median, unit);
  return [
    title,
    ...CONTENDERS.map((name) => figure(figures[name])),
    formatRatio(ratios.haproxy),
    formatRatio(ratios.relay),
    goal === undefined ? "" : formatGoal(goal, unit),
    formatVerdict(met),
  ];
}

function formatRatio(ratio: Spread | undefined): string {
  if (ratio === undefined) return NOTHING;
  const { lower, median, upper } = ratio;
  return `${median.toFixed(2)} (${lower.toFixed(2)}-${upper.toFixed(2)})`;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** A figure with its unit. */
export function formatFigure(figure: number, unit: Unit): string {
  return {
    "requests/s": `${Math.round(figure)}/s`,
    "connections/s": `${Math.round(figure)}/s`,
    "bytes/s": `${Math.round(figure / MIB)} MiB/s`,
    "bytes": `${(figure / KIB).toFixed(1)} KiB`,
    "ms": `${figure.toFixed(2)} ms`,
    "s/million": `${figure.toFixed(2)} s/M`,
  }[unit];
}

/** A goal as text. */
export function formatGoal({ of, at, bound, compiled }: Goal, unit: Unit): string {
  const sign = at === "least" ? "≥" : "≤";
  const figure = of === "ratio"
    ? bound.toFixed(2)
    : formatFigure(bound, unit).replace(/\.0+(?= )/, "");
  return `${sign} ${figure}${compiled ? " compiled" : ""}`;
}

/** Whether a goal is met, as text. */
export function formatVerdict(met: boolean | undefined): string {
  return met === undefined ? "" : met ? "met" : "not met";
}
