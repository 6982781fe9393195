import { assertEquals } from "@std/assert";
import { StatusLine } from "../../../src/platform/status_line.ts";
import { FakeTerminal } from "../../support/fake_terminal.ts";

function lineOn(terminal: FakeTerminal): StatusLine {
  return new StatusLine(terminal, () => 20);
}

Deno.test("a text replaces the last one in its line", () => {
  const terminal = new FakeTerminal();
  const line = lineOn(terminal);
  line.show("one");
  line.show("two");
  line.show("two");
  line.show("");
  assertEquals(terminal.written, "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K");
});

Deno.test("other lines are written above it", () => {
  const terminal = new FakeTerminal();
  const line = lineOn(terminal);
  line.above(() => terminal.write("first\n"));
  line.show("status");
  line.above(() => terminal.write("second\n"));
  assertEquals(terminal.written, "first\n\r\x1b[Kstatus\r\x1b[Ksecond\nstatus");
});

Deno.test("a text is cut to the width of the terminal, and controls nothing", () => {
  const terminal = new FakeTerminal();
  lineOn(terminal).show("\x1b[2J\n" + "x".repeat(99));
  assertEquals(terminal.written, "\r\x1b[K\\u001b[2J\\nxxxxxxxx");
});

Deno.test("nothing is written where nobody sees it", () => {
  const terminal = new FakeTerminal({ isTerminal: false });
  const line = lineOn(terminal);
  line.show("status");
  line.above(() => terminal.write("line\n"));
  assertEquals(terminal.written, "line\n");
});

Deno.test("a terminal that is gone is ignored", () => {
  const terminal = new FakeTerminal();
  terminal.writeSync = () => {
    throw new Deno.errors.BrokenPipe("gone");
  };
  lineOn(terminal).show("status");
});
