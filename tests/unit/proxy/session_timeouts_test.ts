import { assertEquals } from "@std/assert";
import { SessionTimeouts } from "../../../src/proxy/session_timeouts.ts";

const OPTIONS = { idleTimeoutMs: 600_000, captureTimeoutMs: 5_000 };

/** Checks at some times after `startMs`, while `progress` stays the same. */
function checks(
  timeouts: SessionTimeouts,
  startMs: number,
  times: readonly number[],
  progress = 7,
) {
  return times.map((ms) => timeouts.check(startMs + ms, progress, undefined, OPTIONS));
}

Deno.test("a session is idle when nothing has arrived for longer than the timeout", () => {
  const timeouts = new SessionTimeouts();
  assertEquals(checks(timeouts, 1000, [0, 600_000]), [undefined, undefined]);
  assertEquals(checks(timeouts, 1000, [600_001]), ["idle"]);
  assertEquals(checks(timeouts, 1000, [600_002], 8), [undefined]);
});

Deno.test("a captured reply may neither be unfinished nor unread for too long", () => {
  const timeouts = new SessionTimeouts();
  const check = (nowMs: number, isComplete: boolean) =>
    timeouts.check(nowMs, nowMs, { isComplete, sinceMs: 1000 }, OPTIONS);
  assertEquals([check(6000, false), check(6001, false)], [undefined, "unfinished-reply"]);
  assertEquals([check(6000, true), check(6001, true)], [undefined, "unread-reply"]);
});

Deno.test("a client has a second after the end of its stream, and again after each request", () => {
  const timeouts = new SessionTimeouts();
  timeouts.recordGracefulClose();
  const startMs = performance.now();
  assertEquals(checks(timeouts, startMs, [0, 900], 1), [undefined, undefined]);
  assertEquals(checks(timeouts, startMs, [1800, 2700], 2), [undefined, undefined]);
  assertEquals(checks(timeouts, startMs, [2801], 2), ["close-wait"]);
});

Deno.test("a client has a minute after its node has ended, whatever it sends", () => {
  const timeouts = new SessionTimeouts();
  timeouts.recordNodeEnd();
  const startMs = performance.now();
  assertEquals(checks(timeouts, startMs, [59_000], 1), [undefined]);
  assertEquals(checks(timeouts, startMs, [60_001], 2), ["half-closed"]);
});

Deno.test("a node may be silent for a minute after its client has ended", () => {
  const timeouts = new SessionTimeouts();
  assertEquals(timeouts.hasClientEnded, false);
  timeouts.recordClientEnd();
  assertEquals(timeouts.hasClientEnded, true);
  const startMs = performance.now();
  assertEquals(checks(timeouts, startMs, [0, 59_000], 1), [undefined, undefined]);
  assertEquals(checks(timeouts, startMs, [59_500, 119_000], 2), [undefined, undefined]);
  assertEquals(checks(timeouts, startMs, [119_501], 2), ["half-closed"]);
});
