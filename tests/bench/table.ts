import type { RowResult } from "./results.ts";
import { formatFigure, formatGoal, formatVerdict } from "./format.ts";
import type { Spread } from "./statistics.ts";

/** Shown where nothing was measured. */
const NOTHING = "-";

const HEADINGS = [
  "",
  "node",
  "HAProxy",
  "relay",
  "proxy",
  "proxy/HAProxy",
  "proxy/relay",
  "goal",
  "",
];

/** The results as a text table: medians, and the quartiles of ratios in brackets. */
export function formatTable(results: readonly RowResult[]): string {
  const lines = [HEADINGS, ...results.map(cellsOf)];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...lines.map((cells) => cells[column]!.length))
  );
  const texts = lines.map((cells) =>
    cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  );
  return texts.join("\n");
}

function cellsOf({ title, unit, figures, ratios, goal, met }: RowResult): string[] {
  const figure = (spread: Spread | undefined) =>
    spread === undefined ? NOTHING : formatFigure(spread.median, unit);
  return [
    title,
    figure(figures.node),
    figure(figures.haproxy),
    figure(figures.relay),
    figure(figures.proxy),
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
