import { assertEquals } from "@std/assert";
import { AtomicCounter, SharedCounters } from "../../../src/proxy/counters.ts";

Deno.test("a count stays within its limit, however it is added to", () => {
  const count = new AtomicCounter();
  assertEquals(count.addWithin(3, 5), true);
  assertEquals(count.addWithin(3, 5), false);
  assertEquals(count.addWithin(2, 5), true);
  assertEquals(count.addWithin(1, Infinity), true);
  count.add(-4);
  assertEquals(count.value, 2);
  assertEquals([count.replace(1, 7), count.value], [false, 2]);
  assertEquals([count.replace(2, 7), count.value], [true, 7]);
});

Deno.test("tallies of the same memory count the same, each thing by itself", () => {
  const memory = SharedCounters.forThreads();
  const [one, other] = [new SharedCounters(memory), new SharedCounters(memory)];
  assertEquals([one.accept(), other.accept(), one.accept()], [1, 2, 3]);
  const names = ["sessions", "captured", "failures", "fails"] as const;
  for (const [at, name] of names.entries()) one[name].add(10 + at);
  assertEquals(names.map((name) => other[name].value), [10, 11, 12, 13]);
  const [counts, same] = [one.clients!, other.clients!];
  counts.arrivals.add(5);
  counts.departures.add(4);
  counts.atPort[65_535] = 1;
  counts.atPort[0] = 2;
  assertEquals([same.arrivals.value, same.departures.value], [5, 4]);
  assertEquals([same.atPort[65_535], same.atPort[0]], [1, 2]);
  assertEquals(names.map((name) => other[name].value), [10, 11, 12, 13]);
});
