import { assertEquals, assertThrows } from "@std/assert";
import { readOptions, UsageError } from "./options.ts";

const DEFAULTS = { scenarios: ["one", "two"], directory: "/results" };

Deno.test("without words all rows are measured fifteen times", () => {
  assertEquals(readOptions([], DEFAULTS), {
    rounds: 15,
    scenarios: ["one", "two"],
    program: undefined,
    proxyFlags: [],
    directory: "/results",
  });
});

Deno.test("what stands behind -- is for the proxy", () => {
  const options = readOptions(["--rounds=3", "--", "--help", "--", "--rounds", "9"], DEFAULTS);
  assertEquals(options?.proxyFlags, ["--help", "--", "--rounds", "9"]);
  assertEquals(options?.rounds, 3);
});

Deno.test("rows keep their order, whatever that of the command line", () => {
  const options = readOptions(
    ["--rows", "two,one", "--program", "/bin/nat", "--out=/tmp"],
    DEFAULTS,
  );
  assertEquals(options?.scenarios, ["one", "two"]);
  assertEquals([options?.program, options?.directory], ["/bin/nat", "/tmp"]);
});

Deno.test("figures of some rows are written only where the command line says", () => {
  assertEquals(readOptions(["--rows=one"], DEFAULTS)?.directory, undefined);
  assertEquals(readOptions(["--rows=one", "--out=/tmp"], DEFAULTS)?.directory, "/tmp");
});

Deno.test("--help wins over the rest", () => {
  assertEquals(readOptions(["--help", "--rounds=no"], DEFAULTS), undefined);
});

const WRONG: [args: string[], says: string][] = [
  [["--rounds", "0"], "not '0'"],
  [["--rounds=two"], "not 'two'"],
  [["--rounds="], "--rounds needs a value"],
  [["--rows", "one,three"], "no 'three'; there are one, two"],
  [["--threads", "2"], "Cannot use '--threads'; flags for the proxy come behind --"],
  [["one"], "Cannot use 'one'"],
];

for (const [args, says] of WRONG) {
  Deno.test(`'${args.join(" ")}' is refused`, () => {
    assertThrows(() => readOptions(args, DEFAULTS), UsageError, says);
  });
}
