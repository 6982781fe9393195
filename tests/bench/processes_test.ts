import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseProcessorSeconds, processorSeconds } from "../support/processes.ts";

Deno.test("processor time is that of the program and of the system for it", () => {
  const rest = "S 1 7 7 0 -1 4194560 100 0 0 0 1234 66 5 5 20 0 12 0 100 1 2 3";
  assertEquals(parseProcessorSeconds(`7 (deno) ${rest}`), 13);
  assertEquals(parseProcessorSeconds(`7 (a) S 1 (b) ${rest}`), 13);
});

Deno.test("a text that is no stat of a process has no processor time", () => {
  assertThrows(() => parseProcessorSeconds("7 (deno) S 1"), Error, "7 (deno) S 1");
});

Deno.test({
  name: "the processor time of this process can be read",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const seconds = await processorSeconds(Deno.pid);
    assert(seconds > 0, `Read ${seconds}`);
  },
});
