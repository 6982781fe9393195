import { assertEquals, assertThrows } from "@std/assert";
import { parseLoadFigures } from "./load.ts";

const HEADER = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' +
  '"p99_latency_ms","max_latency_ms"\n';

Deno.test("the figures of a load stand under their names", () => {
  const row = '"GET b","393700.78","1.409","0.248","1.087","4.007","4.919","5.255"\n';
  assertEquals(parseLoadFigures(HEADER + row), {
    requestsPerSecond: 393700.78,
    p50Ms: 1.087,
    p99Ms: 4.919,
  });
});

Deno.test("a command may look like fields, and warnings may stand around the figures", () => {
  const row = '"GET a","b","10.00","1.409","0.248","1.087","4.007","4.919","5.255"\n';
  const output = `WARNING: Keepalive disabled.\n${HEADER}${row}WARNING: Could not fetch CONFIG\n`;
  assertEquals(parseLoadFigures(output).requestsPerSecond, 10);
});

Deno.test("a load that failed says why", () => {
  const output = `${HEADER}Error from server: MOVED 3300 127.0.0.1:8001\n`;
  assertThrows(() => parseLoadFigures(output), Error, "MOVED 3300");
  assertThrows(() => parseLoadFigures("Could not connect"), Error, "Could not connect");
  assertThrows(() => parseLoadFigures(""), Error, "no rps");
});

Deno.test("a load that was too short to be measured has no figures", () => {
  const row = '"GET b","inf","0.000","0.000","0.000","0.000","0.000","0.000"\n';
  assertThrows(() => parseLoadFigures(HEADER + row), Error, "no rps");
});
