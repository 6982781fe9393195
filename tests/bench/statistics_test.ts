import { assertEquals, assertThrows } from "@std/assert";
import { ratiosOf, spreadOf } from "./statistics.ts";

Deno.test("the median and the quarters of an odd number of figures are some of them", () => {
  assertEquals(spreadOf([30, 4, 100, 2, 31]), {
    least: 2,
    lower: 4,
    median: 30,
    upper: 31,
    most: 100,
  });
});

Deno.test("a single figure is all there is to say", () => {
  assertEquals(spreadOf([7]), { least: 7, lower: 7, median: 7, upper: 7, most: 7 });
});

Deno.test("those of an even number of figures lie between two of them", () => {
  assertEquals(spreadOf([9, 1, 4, 2]), { least: 1, lower: 1.75, median: 3, upper: 5.25, most: 9 });
});

Deno.test("there is no spread of no figures", () => {
  assertThrows(() => spreadOf([]), RangeError);
});

Deno.test("a round that is slow for all does not show in the ratios", () => {
  assertEquals(ratiosOf([90, 9, 45], [100, 10, 50]), [0.9, 0.9, 0.9]);
});

Deno.test("rounds that do not match have no ratios", () => {
  assertThrows(() => ratiosOf([1, 2], [1]), RangeError, "2 rounds");
});
