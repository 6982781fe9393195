import { assertEquals } from "@std/assert";
import { engineClass } from "../../../src/tls/engine.ts";

Deno.test("this runtime has the engine that TLS needs to be fast", () => {
  assertEquals(typeof engineClass(), "function");
});
