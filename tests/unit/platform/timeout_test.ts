import { assertEquals } from "@std/assert";
import { LONGEST_TIMER_MS, withTimeout } from "../../../src/platform/timeout.ts";

Deno.test("what takes longer than it may is waited for no more", async () => {
  assertEquals(await withTimeout(1, new Promise(() => {})), undefined);
});

for (const limitMs of [LONGEST_TIMER_MS, LONGEST_TIMER_MS + 1000, Infinity]) {
  Deno.test(`what may take ${limitMs} ms is waited for`, async () => {
    // A timer that is too long takes a millisecond, and a busy machine some more.
    const done = new Promise<string>((resolve) => setTimeout(() => resolve("done"), 100));
    assertEquals(await withTimeout(limitMs, done), "done");
  });
}
