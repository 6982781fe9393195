import { assertEquals } from "@std/assert";
import { SharedPortsLog } from "../../../src/nat/shared_ports_log.ts";
import { Logged } from "../../support/logged.ts";

Deno.test("each reason why a start waits for the shared ports is logged once a minute", () => {
  using logged = new Logged();
  const log = new SharedPortsLog("nat:ports");
  // One node after the other is asked.
  for (const reason of ["a is down", "b is loading", "a is down", "b is loading"]) {
    log.waiting(reason);
  }
  assertEquals(logged.lines, [
    "info Waiting for the shared ports at 'nat:ports': a is down",
    "info Waiting for the shared ports at 'nat:ports': b is loading",
  ]);
});
