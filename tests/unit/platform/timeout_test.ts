import { assertEquals } from "@std/assert";
import { MAX_TIMER_MS, withTimeout } from "../../../src/platform/timeout.ts";

Deno.test("withTimeout gives up on a promise at its limit", async () => {
  assertEquals(await withTimeout(new Promise(() => {}), 1), undefined);
});

for (const limitMs of [MAX_TIMER_MS, MAX_TIMER_MS + 1000, Infinity]) {
  Deno.test(`withTimeout waits for up to ${limitMs} ms`, async () => {
    // A timer that is too long fires after a millisecond, on a busy machine somewhat later.
    const done = new Promise<string>((resolve) => setTimeout(() => resolve("done"), 100));
    assertEquals(await withTimeout(done, limitMs), "done");
  });
}
