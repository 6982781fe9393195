import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Config, parseCommand } from "../../src/cli/config.ts";
import { ConfigError } from "../../src/cli/config_error.ts";
import { readPassword } from "../../src/cluster/credentials.ts";

function config(...args: readonly string[]): Config {
  const command = parseCommand(["--cluster-addr=10.0.0.1:7000", ...args], () => undefined);
  assert(command.kind === "serve");
  return command.config;
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

for (const [content, password] of PASSWORD_FILES) {
  Deno.test(`a password file of ${JSON.stringify(content)} is ${password ?? "refused"}`, async () => {
    const file = Deno.makeTempFileSync();
    try {
      Deno.writeTextFileSync(file, content);
      if (password === undefined) {
        const message = `Cannot use --password-file '${file}': the file is empty; expected a`;
        assertThrows(() => config("--password-file", file), ConfigError, message);
      } else {
        const { credentials } = config(`--password-file=${file}`, "--username=u");
        assertEquals(credentials, { username: "u", password: { file } });
        assertEquals(await readPassword(credentials!), password);
      }
    } finally {
      Deno.removeSync(file);
    }
  });
}

/** Modes of a password file, and whether users outside its group can read or write it. */
const MODES: [mode: number, open: boolean][] = [
  [0o600, false],
  [0o400, false],
  [0o640, false],
  [0o644, true],
  [0o604, true],
  [0o602, true],
  [0o777, true],
];

for (const [mode, open] of MODES) {
  const octal = mode.toString(8);
  Deno.test({
    name: `a password file of mode ${octal} is used ${open ? "with" : "without"} a warning`,
    ignore: Deno.build.os === "windows",
    fn() {
      const file = Deno.makeTempFileSync();
      try {
        Deno.writeTextFileSync(file, "secret");
        Deno.chmodSync(file, mode);
        const { credentials, warnings } = config(`--password-file=${file}`);
        assertEquals(credentials?.password, { file });
        assertEquals(warnings.length, open ? 1 : 0, warnings.join("\n"));
        if (open) assert(warnings[0]!.startsWith("The file of --password-file can be "));
        assert(!warnings.join().includes("secret"), warnings.join());
      } finally {
        Deno.removeSync(file);
      }
    },
  });
}

Deno.test("a password file that cannot be read is refused, with its path and the reason", () => {
  const { message } = assertThrows(() => config("--password-file=/no/such/file"), ConfigError);
  assert(message.startsWith("Cannot read the file of --password-file: No such file"), message);
  assert(message.includes("/no/such/file"), message);
  assertThrows(() => config("--password-file=/"), ConfigError, "Cannot read the file of ");
});
