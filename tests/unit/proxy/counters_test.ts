import { assertEquals } from "@std/assert";
import { SharedCounters } from "../../../src/proxy/counters.ts";

Deno.test("counters of the same memory are shared, each in its own cell", () => {
  const memory = SharedCounters.forThreads();
  const [one, other] = [new SharedCounters(memory), new SharedCounters(memory)];
  assertEquals([one.nextClientId(), other.nextClientId(), one.nextClientId()], [1, 2, 3]);
  const names = ["sessions", "captured", "acceptFailures", "acceptFailing"] as const;
  for (const [at, name] of names.entries()) one[name].add(10 + at);
  assertEquals(names.map((name) => other[name].value), [10, 11, 12, 13]);
  const [counts, same] = [one.clientsAtPort!, other.clientsAtPort!];
  counts[65_535] = 1;
  counts[0] = 2;
  assertEquals([same[65_535], same[0]], [1, 2]);
  assertEquals(names.map((name) => other[name].value), [10, 11, 12, 13]);
});
