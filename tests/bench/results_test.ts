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
      node: { median: 2, least: 1, most: 4 },
      haproxy: { median: 4, least: 2, most: 8 },
      proxy: { median: 4, least: 3, most: 4 },
    },
    ratios: {
      haproxy: { median: 1, least: 0.5, most: 1.5 },
      node: { median: 2, least: 1, most: 3 },
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
