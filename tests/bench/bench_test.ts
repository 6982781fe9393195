import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { parseProcessorSeconds } from "../support/processes.ts";
import { run } from "../support/program.ts";
import { UsageError } from "../support/task.ts";
import { drawChart } from "./chart.ts";
import { parseLoadFigures } from "./load.ts";
import { readOptions } from "./options.ts";
import { formatTable } from "./report.ts";
import { resultOf, type RowFigures } from "./results.ts";
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
    { title: "start", unit: "ms", goal: { of: "figure", at: "most", bound: 150, compiled: true } },
    { haproxy: [40], proxy: [140] },
  ],
  [
    { title: "bytes/s", unit: "bytes/s" },
    { node: [4 * 2 ** 30], haproxy: [2 ** 30], proxy: [2 ** 29] },
  ],
  // Ratios are those of each round: 2.5, 0.9 and 0.9.
  [
    { title: "processor time", unit: "s/million" },
    { haproxy: [1, 100, 10], proxy: [2.5, 90, 9] },
  ],
];

const RESULTS = ROWS.map(([row, figures]) => resultOf(row, figures, false));

Deno.test("the table shows medians, spreads of ratios per round and whether goals are met", () => {
  assertEquals(
    formatTable(RESULTS),
    `\
                      node     HAProxy     relay      proxy     proxy/HAProxy       proxy/relay               goal
requests/s         40000/s     20000/s   19500/s    19000/s  0.95 (0.95-0.95)  0.97 (0.97-0.97)             ≥ 0.90      met
p99 <a & b>        1.00 ms     2.00 ms   3.00 ms    7.13 ms  3.56 (3.56-3.56)  2.38 (2.38-2.38)             ≤ 1.20  not met
memory                   -     3.0 KiB  33.0 KiB    8.3 KiB  2.75 (2.75-2.75)  0.25 (0.25-0.25)           ≤ 12 KiB      met
start                    -    40.00 ms         -  140.00 ms  3.50 (3.50-3.50)                 -  ≤ 150 ms compiled
bytes/s         4096 MiB/s  1024 MiB/s         -  512 MiB/s  0.50 (0.50-0.50)                 -
processor time           -   10.00 s/M         -   9.00 s/M  0.90 (0.90-1.70)                 -`,
  );
});

Deno.test("a goal of the compiled program is judged only there", () => {
  const verdicts = [true, false].map((compiled) => resultOf(...ROWS[3]!, compiled).met);
  assertEquals(verdicts, [true, undefined]);
});

Deno.test("the chart shows a bar for each row and escapes text", () => {
  const chart = drawChart(RESULTS, "a <caption> & more");
  const bars = [...chart.matchAll(/<rect class="(met|missed|free)"/g)].map(([, kind]) => kind);
  // Rows where more is better come first.
  assertEquals(bars, ["met", "free", "missed", "met", "free", "free"]);
  for (
    const words of [
      ...["a &lt;caption> &amp; more", "p99 &lt;a &amp; b>", "0.95, goal ≥ 0.90, met"],
      "3.50, 140.00 ms, goal ≤ 150 ms compiled",
    ]
  ) assertStringIncludes(chart, `>${words}</text>`);
});

const DEFAULTS = { scenarios: ["one", "two"], directory: "/results" };

Deno.test("arguments after -- are options of the proxy", () => {
  const options = readOptions(["--rounds=3", "--rows", "two,one", "--", "--rounds=9"], DEFAULTS);
  assertEquals(options.proxyFlags, ["--rounds=9"]);
  assertEquals([options.rounds, options.scenarios], [3, ["one", "two"]]);
});

Deno.test("results of some rows are written only to a directory that is given", () => {
  for (
    const [args, directory] of [
      [[], "/results"],
      [["--rows=one"], undefined],
      [["--rows=one", "--out=/tmp"], "/tmp"],
    ] as const
  ) assertEquals(readOptions(args, DEFAULTS).directory, directory);
});

for (
  const [args, message] of [
    ["--rounds=0", "not '0'"],
    ["--rounds=", "--rounds needs a value"],
    ["--rows=one,three", "no 'three'; there are one, two"],
    ["--threads=2", "flags for the proxy come behind --"],
  ] as const
) {
  Deno.test(`the benchmark refuses '${args}'`, () => {
    assertThrows(() => readOptions([args], DEFAULTS), UsageError, message);
  });
}

const HEADER = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' +
  '"p99_latency_ms","max_latency_ms"\n';

Deno.test("figures are read from what redis-benchmark prints", () => {
  const row = '"GET a","b","10.00","1.409","0.248","1.087","4.007","4.919","5.255"\n';
  assertEquals(parseLoadFigures(`WARNING: x\n${HEADER}${row}WARNING: y\n`), {
    requestsPerSecond: 10,
    p50Ms: 1.087,
    p99Ms: 4.919,
  });
  const failed = `${HEADER}Error from server: MOVED 3300 127.0.0.1:8001\n`;
  assertThrows(() => parseLoadFigures(failed), Error, "MOVED 3300");
  const short = `${HEADER}"GET b","inf","0.000","0.000","0.000","0.000","0.000","0.000"\n`;
  assertEquals(parseLoadFigures(short), { requestsPerSecond: Infinity, p50Ms: 0, p99Ms: 0 });
  const none = `${HEADER}"GET b","-nan","0.000","0.000","0.000","0.000","0.000","0.000"\n`;
  assertThrows(() => parseLoadFigures(none), Error, "no rps");
});

Deno.test("CPU time is that of the process in user and kernel mode", () => {
  const rest = "S 1 7 7 0 -1 4194560 100 0 0 0 1234 66 5 5 20 0 12 0 100 1 2 3";
  assertEquals(parseProcessorSeconds(`7 (a) S 1 (b) ${rest}`), 13);
  assertThrows(() => parseProcessorSeconds("7 (deno) S 1"), Error, "7 (deno) S 1");
});

Deno.test("the scanners find the frames that the microbenchmarks feed to them", async () => {
  const path = fileURLToPath(new URL("scanners_bench.ts", import.meta.url));
  const { code, output } = await run([Deno.execPath(), "bench", "--filter=Scanner", path]);
  assertEquals(code, 0, output);
});
