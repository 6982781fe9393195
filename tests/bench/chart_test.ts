import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { drawChart } from "./chart.ts";
import { RESULTS } from "./sample.ts";

const TAG = /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>/gy;

/** The elements of a text that is well-formed as XML, with their attributes. */
function elementsOf(xml: string): { name: string; attributes: Record<string, string> }[] {
  const elements: { name: string; attributes: Record<string, string> }[] = [];
  const open: string[] = [];
  let at = 0;
  while (at < xml.length) {
    const text = /[^<]*/y;
    text.lastIndex = at;
    const [words] = text.exec(xml)!;
    assert(!/&(?!amp;|lt;|gt;)/.test(words), `A bare ampersand in ${words}`);
    at += words.length;
    if (at === xml.length) break;
    TAG.lastIndex = at;
    const tag = TAG.exec(xml);
    assert(tag !== null, `No tag begins at ${xml.slice(at, at + 80)}`);
    const [all, end, name, attributes, empty] = tag;
    if (end) assertEquals(open.pop(), name);
    else {
      const pairs = [...attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)];
      elements.push({
        name: name!,
        attributes: Object.fromEntries(pairs.map(([, key, value]) => [key, value])),
      });
      if (!empty) open.push(name!);
    }
    at += all.length;
  }
  assertEquals(open, []);
  return elements;
}

Deno.test("a chart is well-formed, and nothing in it is outside of it", () => {
  const elements = elementsOf(drawChart(RESULTS, "a <caption> & more"));
  const { name, attributes: { width, height } } = elements[0]!;
  assertEquals(name, "svg");
  for (const { attributes } of elements) {
    for (const [key, value] of Object.entries(attributes)) {
      const limit = /^(x[12]?|width)$/.test(key)
        ? width
        : /^(y[12]?|height)$/.test(key)
        ? height
        : "";
      if (limit === "") continue;
      assert(Number(value) >= 0 && Number(value) <= Number(limit), `${key} is ${value}`);
    }
  }
});

Deno.test("a chart shows a bar for each row, by whether its goal is met", () => {
  const bars = elementsOf(drawChart(RESULTS, "")).filter(({ name, attributes }) =>
    name === "rect" && attributes.class !== "ground"
  );
  // More is better first: requests/s and bytes/s; then p99, memory, start and processor time.
  assertEquals(bars.map(({ attributes }) => attributes.class), [
    "met",
    "free",
    "missed",
    "met",
    "free",
    "free",
  ]);
  const [first, second] = bars.map(({ attributes }) => Number(attributes.width));
  assert(Math.abs(first! / second! - 0.95 / 0.5) < 0.01, `${first} and ${second}`);
});

Deno.test("a chart says in words what its colours say", () => {
  const chart = drawChart(RESULTS, "a <caption> & more");
  for (
    const words of [
      "a &lt;caption> &amp; more",
      "0.95, goal ≥ 0.90, met",
      "p99 &lt;a &amp; b>",
      "3.56, goal ≤ 1.20, not met",
      "2.75, 8.3 KiB, goal ≤ 12 KiB, met",
      "3.50, 140.00 ms, goal ≤ 150 ms compiled",
    ]
  ) assertStringIncludes(chart, `>${words}</text>`);
});
