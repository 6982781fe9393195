import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { ROOT } from "../../support/compiler.ts";
import { missingHaProxy } from "../../support/haproxy.ts";
import { run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";

Deno.test(unless(
  await missingHaProxy(),
  "HAProxy accepts the section in the documents without a warning",
  async () => {
    const text = await Deno.readTextFile(join(ROOT, ".github", "docs", "operation.md"));
    const [, section] = /^```\n(listen redis\n.*?)^```\n/ms.exec(text)!;
    await using directory = await TemporaryDirectory.create();
    const file = directory.at("haproxy.cfg");
    await Deno.writeTextFile(file, section!);
    assertEquals(await run(["haproxy", "-c", "-q", "-f", file]), { code: 0, output: "" });
  },
));
