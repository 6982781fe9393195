import { assertEquals } from "@std/assert";
import { StatusLine } from "../../../src/platform/status_line.ts";
import { WaitStatus } from "../../../src/proxy/wait_status.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeTerminal } from "../../support/fake_terminal.ts";

/** What a terminal shows while the program waits for `waitMs`, and then has an obstacle. */
function shown(timeoutMs: number, waitMs: number, terminal = new FakeTerminal()): string[] {
  using clock = new FakeClock("setInterval");
  {
    using status = new WaitStatus(timeoutMs, new StatusLine(terminal, () => 100));
    clock.aheadMs = waitMs;
    clock.fire();
    status.obstacle = "No node answers";
    clock.fire();
  }
  return terminal.written.split("\r\x1b[K");
}

Deno.test("a terminal shows for how long the program waits for the cluster, and why", () => {
  assertEquals(shown(60_000, 12_000), [
    "",
    "Waiting for the cluster, 12 of 60 s",
    "Waiting for the cluster, 12 of 60 s: No node answers",
    "",
  ]);
});

Deno.test("without a limit only the seconds are shown", () => {
  assertEquals(shown(Infinity, 5000)[1], "Waiting for the cluster, 5 s");
});

Deno.test("nothing is shown where there is no terminal", () => {
  assertEquals(shown(60_000, 12_000, new FakeTerminal({ isTerminal: false })), [""]);
});
