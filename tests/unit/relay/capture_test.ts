import { assertEquals, assertThrows } from "@std/assert";
import {
  Capture,
  CaptureBudget,
  CaptureLimitError,
  UNCOUNTED_BYTES,
} from "../../../src/relay/capture.ts";

const LIMIT_BYTES = 64 * 1024;

/** Returns `length` bytes with a pattern that shows missing or moved ones. */
function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at * 31);
}

Deno.test("a capture joins pieces of any size to the original bytes", () => {
  const whole = bytesOf(100_000);
  for (const pieceBytes of [1, 7, 4096, 70_000, whole.length]) {
    const budget = new CaptureBudget(Infinity);
    const capture = new Capture(budget, 0);
    for (let at = 0; at < whole.length; at += pieceBytes) {
      capture.add(whole.subarray(at, at + pieceBytes));
    }
    assertEquals(capture.join(0), whole, `in pieces of ${pieceBytes} bytes`);
    capture.release();
    assertEquals(budget.takenBytes, 0);
  }
});

Deno.test("the first 16 KiB of a capture take nothing of the budget, further bytes do", () => {
  const budget = new CaptureBudget(LIMIT_BYTES);
  budget.take(LIMIT_BYTES);
  const capture = new Capture(budget, 0);
  capture.add(bytesOf(UNCOUNTED_BYTES));
  assertThrows(() => capture.add(bytesOf(1)), CaptureLimitError);
  budget.release(LIMIT_BYTES);
  capture.add(bytesOf(1000));
  assertEquals([budget.takenBytes > 999, budget.takenBytes <= UNCOUNTED_BYTES], [true, true]);
  capture.hold(UNCOUNTED_BYTES + 5);
  assertEquals(budget.takenBytes, 5);
  assertThrows(() => capture.hold(UNCOUNTED_BYTES + LIMIT_BYTES + 1), CaptureLimitError);
  assertEquals(budget.takenBytes, 5);
  capture.hold(UNCOUNTED_BYTES);
  assertEquals(budget.takenBytes, 0);
});

Deno.test("the wait for the node counts from the first piece, that for the client from the last", () => {
  const capture = new Capture(new CaptureBudget(LIMIT_BYTES), 100);
  capture.add(bytesOf(2 * UNCOUNTED_BYTES));
  assertEquals([capture.isComplete, capture.sinceMs], [false, 100]);
  capture.join(200);
  assertEquals([capture.isComplete, capture.sinceMs], [true, 200]);
  // A capture that takes nothing of the budget has no deadline.
  capture.hold(UNCOUNTED_BYTES);
  assertEquals(capture.sinceMs, Infinity);
});
