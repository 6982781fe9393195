import { assert } from "@std/assert";
import { helpText } from "../../../src/cli/help.ts";
import { OPTIONS } from "../../../src/cli/options.ts";

Deno.test("the help names every flag, variable and default in 100 columns", () => {
  const help = helpText();
  for (const { name, alias, env, default: text, envOnly } of OPTIONS) {
    if (!envOnly) assert(help.includes(`  --${name} `), name);
    if (alias !== undefined) assert(help.includes(`--${alias}`), alias);
    if (env !== undefined) assert(help.includes(env), env);
    if (text !== undefined) {
      // Lines are wrapped between words.
      assert(help.replace(/\s+/g, " ").includes(`default ${text}]`), name);
    }
  }
  for (const line of help.split("\n")) assert(line.length <= 100, line);
});
