import type { Goal, Unit } from "./scenario.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A figure with its unit. */
export function formatFigure(figure: number, unit: Unit): string {
  switch (unit) {
    case "requests/s":
    case "connections/s":
      return `${Math.round(figure)}/s`;
    case "bytes/s":
      return `${Math.round(figure / MIB)} MiB/s`;
    case "bytes":
      return `${(figure / KIB).toFixed(1)} KiB`;
    case "ms":
      return `${figure.toFixed(2)} ms`;
    case "s/million":
      return `${figure.toFixed(2)} s/M`;
  }
}

/** A goal as text. */
export function formatGoal({ of, at, bound, compiled }: Goal, unit: Unit): string {
  const sign = at === "least" ? "≥" : "≤";
  const figure = of === "ratio" ? bound.toFixed(2) : withoutZeros(formatFigure(bound, unit));
  return `${sign} ${figure}${compiled ? " compiled" : ""}`;
}

/** Whether a goal is met, as text. */
export function formatVerdict(met: boolean | undefined): string {
  return met === undefined ? "" : met ? "met" : "not met";
}

function withoutZeros(figure: string): string {
  return figure.replace(/\.0+(?= )/, "");
}
