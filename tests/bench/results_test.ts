import { assertEquals } from "@std/assert";
import { resultOf } from "./results.ts";
import type { Goal, Row } from "./scenario.ts";

function rowWith(goal: Goal): Row {
  return { title: "a row", unit: "ms", goal };
}

const FIGURES = { node: [1, 2, 4], haproxy: [2, 4, 8], proxy: [3, 4, 4] };

Deno.test("a row tells medians of figures and of the ratios of each round", () => {
  assertEquals(resultOf({ title: "a row", unit: "ms" }, FIGURES, false), {
    title: "a row",
    unit: "ms",
    figures: {
      node: { least: 1, lower: 1.5, median: 2, upper: 3, most: 4 },
      haproxy: { least: 2, lower: 3, median: 4, upper: 6, most: 8 },
      proxy: { least: 3, lower: 3.5, median: 4, upper: 4, most: 4 },
    },
    ratios: {
      node: { least: 1, lower: 1.5, median: 2, upper: 2.5, most: 3 },
      haproxy: { least: 0.5, lower: 0.75, median: 1, upper: 1.25, most: 1.5 },
    },
  });
});

Deno.test("where the node has no figure, there is no ratio to it", () => {
  const { figures, ratios } = resultOf(
    { title: "a row", unit: "bytes" },
    { haproxy: [1], proxy: [2] },
    false,
  );
  assertEquals([Object.keys(figures), Object.keys(ratios)], [["haproxy", "proxy"], ["haproxy"]]);
});

const GOALS: [goal: Goal, compiled: boolean, met: boolean | undefined][] = [
  [{ of: "ratio", at: "least", bound: 1 }, false, true],
  [{ of: "ratio", at: "least", bound: 1.01 }, false, false],
  [{ of: "ratio", at: "most", bound: 1 }, false, true],
  [{ of: "ratio", at: "most", bound: 0.99 }, false, false],
  [{ of: "figure", at: "most", bound: 4 }, false, true],
  [{ of: "figure", at: "most", bound: 3.9 }, false, false],
  [{ of: "figure", at: "most", bound: 4, compiled: true }, true, true],
  [{ of: "figure", at: "most", bound: 4, compiled: true }, false, undefined],
];

for (const [goal, compiled, met] of GOALS) {
  const what = `${goal.of} of at ${goal.at} ${goal.bound}`;
  const program = `${goal.compiled ? "of the compiled program" : ""} ${compiled ? "by it" : ""}`;
  Deno.test(`a goal is judged by the median: ${what} ${program}`, () => {
    assertEquals(resultOf(rowWith(goal), FIGURES, compiled).met, met);
  });
}
