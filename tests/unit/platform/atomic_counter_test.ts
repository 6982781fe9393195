import { assertEquals } from "@std/assert";
import { AtomicCounter } from "../../../src/platform/atomic_counter.ts";

Deno.test("a counter stays within its limit", () => {
  const counter = new AtomicCounter();
  assertEquals(counter.addWithin(3, 5), true);
  assertEquals(counter.addWithin(3, 5), false);
  assertEquals(counter.addWithin(2, 5), true);
  assertEquals(counter.addWithin(1, Infinity), true);
  counter.add(-4);
  assertEquals(counter.value, 2);
  assertEquals([counter.replace(1, 7), counter.value], [false, 2]);
  assertEquals([counter.replace(2, 7), counter.value], [true, 7]);
});
