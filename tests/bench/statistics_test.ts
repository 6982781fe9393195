import { assertEquals, assertThrows } from "@std/assert";
import { ratiosOf, spreadOf } from "./statistics.ts";

Deno.test("the median of an odd number of figures is one of them", () => {
  assertEquals(spreadOf([30, 4, 100]), { median: 30, least: 4, most: 100 });
  assertEquals(spreadOf([7]), { median: 7, least: 7, most: 7 });
});

Deno.test("the median of an even number of figures lies between the middle two", () => {
  assertEquals(spreadOf([9, 1, 4, 2]), { median: 3, least: 1, most: 9 });
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
