import { formatFigure, formatGoal, formatVerdict } from "./report.ts";
import type { RowResult } from "./results.ts";
import { moreIsBetter } from "./scenario.ts";

/** Lengths in pixels. */
const WIDTH = 960;
const MARGIN = 16;
const PLOT = { left: 300, right: 640 };
const ROW = { height: 24, bar: 14 };
const HEADING = 34;
const TOP = 74;

/** Longer bars are cut off at twice HAProxy's figure. */
const LONGEST_RATIO = 2;

const STYLE = `
  svg { color-scheme: light dark; }
  .ground { fill: #ffffff; }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .heading { font-weight: 600; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  .axis { stroke: #818b98; stroke-dasharray: 3 3; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  .goal { stroke: #1f2328; stroke-width: 3; }
  .met { fill: #4ac26b; }
  .missed { fill: #e5934d; }
  .free { fill: #8fb4e8; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .axis { stroke: #656c76; }
    .spread, .goal { stroke: #f0f6fc; }
    .met { fill: #2a8a43; }
    .missed { fill: #b3621f; }
    .free { fill: #38639e; }
  }
`;

/**
 * Draws the ratios to HAProxy as bars, in two groups: more is better, less is better. A mark across
 * a bar is its goal, a line along it spans the middle half of the rounds.
 *
 * @param caption the source of the figures, in one line
 */
export function drawChart(results: readonly RowResult[], caption: string): string {
  const shown = results.filter(({ ratios }) => ratios.haproxy !== undefined);
  const groups = [
    { heading: "More is better", rows: shown.filter(({ unit }) => moreIsBetter(unit)) },
    { heading: "Less is better", rows: shown.filter(({ unit }) => !moreIsBetter(unit)) },
  ].filter(({ rows }) => rows.length > 0);
  const parts: string[] = [];
  let y = TOP;
  for (const { heading, rows } of groups) {
    parts.push(text({ x: MARGIN, y: y + 20 }, heading, "heading"));
    const top = y += HEADING;
    for (const row of rows) {
      parts.push(...drawRow(row, y));
      y += ROW.height;
    }
    const axis = place(1);
    parts.push(line({ x: axis, y: top - 6 }, { x: axis, y }, "axis"));
    parts.push(text({ x: axis, y: top - 10 }, "HAProxy", "quiet middle"));
  }
  const height = y + MARGIN;
  const title = "The proxy's figures divided by those of HAProxy";
  const key = "bar: the median of all rounds; thin line: half of them; thick mark: the goal; " +
    "green: met, orange: not met, blue: no goal";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    text({ x: MARGIN, y: 28 }, title, "title"),
    text({ x: MARGIN, y: 48 }, caption, "quiet"),
    text({ x: MARGIN, y: 66 }, key, "quiet"),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function drawRow({ title, unit, figures, ratios, goal, met }: RowResult, y: number): string[] {
  const { lower, median, upper } = ratios.haproxy!;
  const middle = y + ROW.height / 2;
  const baseline = middle + 4;
  const top = middle - ROW.bar / 2;
  const kind = met === undefined ? "free" : met ? "met" : "missed";
  const width = round(place(median) - PLOT.left);
  const parts = [
    text({ x: PLOT.left - 10, y: baseline }, title, "end"),
    `<rect class="${kind}" x="${PLOT.left}" y="${top}" width="${width}" height="${ROW.bar}" rx="2"/>`,
    line({ x: place(lower), y: middle }, { x: place(upper), y: middle }, "spread"),
  ];
  if (goal !== undefined) {
    // The bound of an absolute figure as a ratio to HAProxy's.
    const bound = goal.of === "ratio" ? goal.bound : goal.bound / figures.haproxy!.median;
    const x = place(bound);
    if (bound <= LONGEST_RATIO) {
      parts.push(line({ x, y: top - 3 }, { x, y: top + ROW.bar + 3 }, "goal"));
    }
  }
  if (median > LONGEST_RATIO) {
    const [from, tip] = [PLOT.right + 2, PLOT.right + 8];
    const points = `${from},${middle - 5} ${tip},${middle} ${from},${middle + 5}`;
    parts.push(`<polygon class="${kind}" points="${points}"/>`);
  }
  const told = [
    median.toFixed(2),
    goal?.of === "figure" ? formatFigure(figures.proxy!.median, unit) : "",
    goal === undefined ? "" : `goal ${formatGoal(goal, unit)}`,
    formatVerdict(met),
  ].filter((word) => word !== "");
  parts.push(text({ x: PLOT.right + 12, y: baseline }, told.join(", ")));
  return parts;
}

/** The horizontal position of a ratio. */
function place(ratio: number): number {
  const share = Math.min(ratio, LONGEST_RATIO) / LONGEST_RATIO;
  return round(PLOT.left + share * (PLOT.right - PLOT.left));
}

/** Rounds to tenths of a pixel. */
function round(pixels: number): number {
  return Math.round(10 * pixels) / 10;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function line(from: Point, to: Point, kind: string): string {
  return `<line class="${kind}" x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}"/>`;
}

function text({ x, y }: Point, words: string, kind = "plain"): string {
  return `<text class="${kind}" x="${x}" y="${y}">${escape(words)}</text>`;
}

function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
