import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { run } from "../support/program.ts";

Deno.test("what the microbenchmarks feed to the scanners is what these find in it", async () => {
  const path = fileURLToPath(new URL("scanners_bench.ts", import.meta.url));
  const { code, output } = await run([Deno.execPath(), "bench", "--filter=Scanner", path]);
  assertEquals(code, 0, output);
});
