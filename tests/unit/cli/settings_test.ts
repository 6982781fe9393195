import { assert, assertEquals } from "@std/assert";
import { OptionReader } from "../../../src/cli/command_line.ts";
import { settingsOf } from "../../../src/cli/settings.ts";

/** The options that are set, and how they are shown. */
function shown(args: string[], env: Record<string, string> = {}): Record<string, string> {
  const settings = settingsOf(new OptionReader(args, (name) => env[name]));
  const set = settings.filter(({ isDefault }) => !isDefault);
  return Object.fromEntries(set.map(({ flag, value }) => [flag, value]));
}

Deno.test("settings are shown as they were set, and defaults as such", () => {
  assertEquals(shown(["--max-nodes=6"], { THREADS: "2", START_DELAY: "1" }), {
    "--max-nodes": "6",
    "--threads": "2",
    "START_DELAY": "1",
  });
  const settings = settingsOf(new OptionReader([], () => undefined));
  assert(settings.every(({ isDefault }) => isDefault));
  assertEquals(settings[0], { flag: "--listen-addr", value: ":8000", isDefault: true });
});

/** Each with a secret `s3cr3t` in it. */
const SECRETS: [args: string[], shown: Record<string, string>][] = [
  [["--password=s3cr3t"], { "--password": "***" }],
  [
    ["--cluster-addr=rediss://ann:s3cr3t@a:1,rediss://b"],
    { "--cluster-addr": "rediss://a:1,rediss://b:6379" },
  ],
  [["--cluster-addr=redis://:s3cr3t%40@[::1]:1"], { "--cluster-addr": "redis://[::1]:1" }],
  [["--via=socks5://s3cr3t:s3cr3t@a:1"], { "--via": "socks5://a:1" }],
];

for (const [args, expected] of SECRETS) {
  Deno.test(`${args.join(" ")} is shown without its secret`, () => {
    assertEquals(shown(args), expected);
  });
}
