import { assertEquals } from "@std/assert";
import { TrafficHistory } from "../../../../src/http/page/traffic_history.ts";

/** A history of three samples, and how to add one of port 8000. */
function historyOf(...samples: readonly (readonly [nowMs: number, from: number, to: number])[]) {
  const history = new TrafficHistory(3);
  for (const [nowMs, fromClients, toClients] of samples) {
    history.add(new Map([[8000, { fromClients, toClients }]]), nowMs);
  }
  return history;
}

Deno.test("rates are known from the second sample on", () => {
  assertEquals(historyOf([0, 100, 200]).of(8000), undefined);
  assertEquals(historyOf([0, 100, 200], [2000, 300, 800]).of(8000), {
    fromClients: 100,
    toClients: 300,
    history: [400],
  });
});

Deno.test("only the last samples are kept", () => {
  const history = historyOf([0, 0, 0], [1000, 1, 0], [2000, 3, 0], [3000, 6, 0], [4000, 10, 0]);
  assertEquals(history.of(8000)?.history, [2, 3, 4]);
});

Deno.test("totals that start again are no negative traffic", () => {
  assertEquals(historyOf([0, 500, 0], [1000, 10, 10]).of(8000)?.history, [10]);
});

Deno.test("a node that has left is forgotten", () => {
  const history = historyOf([0, 0, 0], [1000, 1, 0]);
  history.add(new Map(), 2000);
  history.add(new Map([[8000, { fromClients: 9, toClients: 0 }]]), 3000);
  assertEquals(history.of(8000), undefined);
});
