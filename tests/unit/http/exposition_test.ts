import { assertEquals } from "@std/assert";
import { Exposition } from "../../../src/http/exposition.ts";

Deno.test("metrics are written as Prometheus reads them", () => {
  const exposition = new Exposition();
  exposition.counter({ name: "a_total", help: "Help." }, [
    [1.5, { one: 'quote " backslash \\ line\nbreak', two: 8000 }],
    [0, { one: "", two: 1 }],
  ]);
  exposition.gauge({ name: "b", help: "More." }, [[Infinity]]);
  exposition.gauge({ name: "without_samples", help: "Nothing." }, []);
  exposition.histogram({ name: "c_seconds", help: "Times." }, {
    bounds: [0.0005, 1],
    counts: [2, 0, 3],
    sum: 12.25,
  });
  assertEquals(
    exposition.text,
    [
      "# HELP a_total Help.",
      "# TYPE a_total counter",
      'a_total{one="quote \\" backslash \\\\ line\\nbreak",two="8000"} 1.5',
      'a_total{one="",two="1"} 0',
      "# HELP b More.",
      "# TYPE b gauge",
      "b +Inf",
      "# HELP c_seconds Times.",
      "# TYPE c_seconds histogram",
      'c_seconds_bucket{le="0.0005"} 2',
      'c_seconds_bucket{le="1"} 2',
      'c_seconds_bucket{le="+Inf"} 5',
      "c_seconds_sum 12.25",
      "c_seconds_count 5",
      "",
    ].join("\n"),
  );
});
