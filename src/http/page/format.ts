/** Formats a number with separators between thousands. */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

const COUNT = new Intl.NumberFormat("en");

/** Formats a count with its noun, such as "1 node" and "2 nodes". */
export function formatNumber(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Formats a number of bytes with two or three digits, such as "640 B", "1.3 KiB" and "24 MiB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 would be rounded to 1024.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Formats a duration by its two largest units, such as "12 s", "3 min 20 s" and "2 d 4 h". */
export function formatDuration(ms: number): string {
  const units = [
    { name: "d", ms: DAY_MS },
    { name: "h", ms: HOUR_MS },
    { name: "min", ms: MINUTE_MS },
    { name: "s", ms: SECOND_MS },
  ];
  const first = units.findIndex((unit) => ms >= unit.ms);
  if (first < 0) return "0 s";
  const [large, small] = units.slice(first);
  const parts = [`${Math.floor(ms / large!.ms)} ${large!.name}`];
  const rest = small && Math.floor((ms % large!.ms) / small.ms);
  if (rest) parts.push(`${rest} ${small.name}`);
  return parts.join(" ");
}

/** Formats the time that a node took to accept a connection, such as "0.4 ms" and "12 ms". */
export function formatLatency(ms: number): string {
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${formatCount(Math.round(ms))} ms`;
}

/** Formats a time as "2026-11-29 22:31:05 UTC". */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace(/\..*$/, " UTC");
}

/** The time left until `ms`, in whole days; negative if that is over. */
export function daysUntil(ms: number, nowMs: number): number {
  return Math.floor((ms - nowMs) / DAY_MS);
}
