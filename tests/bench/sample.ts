import { resultOf, type RowFigures, type RowResult } from "./results.ts";
import type { Row } from "./scenario.ts";

const ROWS: [row: Row, figures: RowFigures][] = [
  [
    { title: "requests/s", unit: "requests/s", goal: { of: "ratio", at: "least", bound: 0.9 } },
    { node: [40_000], haproxy: [20_000], relay: [19_500], proxy: [19_000.4] },
  ],
  [
    { title: "p99 <a & b>", unit: "ms", goal: { of: "ratio", at: "most", bound: 1.2 } },
    { node: [1], haproxy: [2], relay: [3], proxy: [7.126] },
  ],
  [
    { title: "memory", unit: "bytes", goal: { of: "figure", at: "most", bound: 12 * 1024 } },
    { haproxy: [3 * 1024], relay: [33 * 1024], proxy: [8.25 * 1024] },
  ],
  [
    {
      title: "start",
      unit: "ms",
      goal: { of: "figure", at: "most", bound: 150, compiled: true },
    },
    { haproxy: [40], proxy: [140] },
  ],
  [
    { title: "bytes/s", unit: "bytes/s" },
    { node: [4 * 2 ** 30], haproxy: [2 ** 30], proxy: [2 ** 29] },
  ],
  [{ title: "processor time", unit: "s/million" }, { haproxy: [1.5, 1.6], proxy: [3, 1.6] }],
];

/** A result of each kind. */
export const RESULTS: readonly RowResult[] = ROWS.map(([row, figures]) =>
  resultOf(row, figures, false)
);
