import { assertEquals } from "@std/assert";
import {
  daysUntil,
  formatBytes,
  formatDuration,
  formatLatency,
  formatNumber,
  formatTime,
} from "../../../../src/http/page/format.ts";

const ROWS: [formatted: string, expected: string][] = [
  [formatBytes(0), "0 B"],
  [formatBytes(0.4), "0 B"],
  [formatBytes(1023.4), "1023 B"],
  [formatBytes(1023.6), "1.0 KiB"],
  [formatBytes(9.94 * 1024), "9.9 KiB"],
  [formatBytes(9.96 * 1024), "10 KiB"],
  [formatBytes(1023.6 * 1024), "1.0 MiB"],
  [formatBytes(2 ** 60), "1048576 TiB"],
  [formatDuration(-5), "0 s"],
  [formatDuration(999), "0 s"],
  [formatDuration(59_999), "59 s"],
  [formatDuration(60_000), "1 min"],
  [formatDuration(200_000), "3 min 20 s"],
  [formatDuration(3_600_000 + 59_000), "1 h"],
  [formatDuration(100 * 3_600_000), "4 d 4 h"],
  [formatLatency(0.04), "0.0 ms"],
  [formatLatency(9.96), "10 ms"],
  [formatLatency(3000), "3,000 ms"],
  [formatNumber(1, "node"), "1 node"],
  [formatNumber(16384, "slot"), "16,384 slots"],
  [formatTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), "2026-01-02 03:04:05 UTC"],
];

for (const [formatted, expected] of ROWS) {
  Deno.test(`a figure is formatted as ${expected}`, () => assertEquals(formatted, expected));
}

Deno.test("a part of a day that is left is no day", () => {
  const dayMs = 86_400_000;
  assertEquals([0.9, 1, 14.5, -0.1].map((days) => daysUntil(days * dayMs, 0)), [0, 1, 14, -1]);
});
