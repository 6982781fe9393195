import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { ConfigError } from "../../src/cli/config_error.ts";
import { readPassword } from "../../src/cluster/credentials.ts";
import { configOf } from "../support/proxy.ts";
import { TemporaryDirectory } from "../support/temporary.ts";

function config(...args: readonly string[]): Config {
  return configOf(["--cluster-addr=10.0.0.1:7000", ...args]);
}

/** The content of a password file, and the password; undefined if the file is refused. */
const PASSWORD_FILES: [content: string, password: string | undefined][] = [
  ["secret", "secret"],
  ["secret\n", "secret"],
  ["secret\r\n", "secret"],
  ["secret\n\n", "secret\n"],
  [" two words ", " two words "],
  ["", undefined],
  ["\n", undefined],
];

/** A password file. */
async function withFile(content: string, use: (file: string) => unknown): Promise<void> {
  await using directory = await TemporaryDirectory.create();
  await Deno.writeTextFile(directory.at("password"), content);
  await use(directory.at("password"));
}

for (const [content, password] of PASSWORD_FILES) {
  Deno.test(`a password file of ${JSON.stringify(content)} is ${password ?? "refused"}`, () =>
    withFile(content, async (file) => {
      if (password === undefined) {
        const message = `Cannot use --password-file '${file}': the file is empty; expected a`;
        assertThrows(() => config("--password-file", file), ConfigError, message);
      } else {
        const { credentials } = config(`--password-file=${file}`, "--username=u");
        assertEquals(credentials, { username: "u", password: { file } });
        assertEquals(await readPassword(credentials!), password);
      }
    }));
}

/** Modes of a password file, and whether users outside its group can read or write it. */
const MODES = { 600: false, 400: false, 640: false, 644: true, 604: true, 602: true, 777: true };

for (const [octal, open] of Object.entries(MODES)) {
  Deno.test({
    name: `a password file of mode ${octal} is used ${open ? "with" : "without"} a warning`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      withFile("secret", (file) => {
        Deno.chmodSync(file, Number.parseInt(octal, 8));
        const { credentials, warnings } = config(`--password-file=${file}`);
        assertEquals(credentials?.password, { file });
        assertEquals(warnings.length, open ? 1 : 0, warnings.join("\n"));
        if (open) assert(warnings[0]!.startsWith("The file of --password-file can be "));
        assert(!warnings.join().includes("secret"), warnings.join());
      }),
  });
}

Deno.test("a password file that cannot be read is refused, with its path and the reason", () => {
  const { message } = assertThrows(() => config("--password-file=/no/such/file"), ConfigError);
  assert(message.startsWith("Cannot read the file of --password-file: No such file"), message);
  assert(message.includes("/no/such/file"), message);
  assertThrows(() => config("--password-file=/"), ConfigError, "Cannot read the file of ");
});
