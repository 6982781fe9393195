import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { slotBar, sparkline } from "../../../../src/http/page/graphics.ts";

/** The line of a sparkline of up to five samples, which is 600 wide and 100 high. */
function lineOf(samples: readonly number[], most: number): string | undefined {
  const drawn = `${sparkline(samples, { most, length: 5, label: "traffic" })}`;
  return /class="line" d="([^"]*)"/.exec(drawn)?.[1];
}

Deno.test("a sparkline goes from the bottom to the top", () => {
  assertEquals(lineOf([0, 5, 10, 5, 0], 10), "M0 96L150 50L300 4L450 50L600 96");
});

Deno.test("a short history begins in the middle of a sparkline, a long one loses its beginning", () => {
  assertEquals(lineOf([0, 0], 10), "M450 96L600 96");
  assertEquals(lineOf([9, 9, 0, 0, 0, 0, 0], 10), "M0 96L150 96L300 96L450 96L600 96");
});

Deno.test("a sparkline without traffic is flat, and one without history is empty", () => {
  assertEquals(lineOf([0, 0], 0), "M450 96L600 96");
  assertEquals(lineOf([3], 3), undefined);
});

Deno.test("a bar shows where slots lie", () => {
  const drawn = `${slotBar([{ first: 0, last: 8191 }, { first: 16383, last: 16383 }])}`;
  assertStringIncludes(drawn, '<rect x="0" width="512" height="4"/><rect x="1020" width="4"');
});

Deno.test("thousands of ranges take as many bars as there is room for", () => {
  const ranges = Array.from(
    { length: 8192 },
    (_, index) => ({ first: 2 * index, last: 2 * index }),
  );
  assert(`${slotBar(ranges)}`.length < 300);
});
