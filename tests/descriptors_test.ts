import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  descriptorWarning,
  parseDescriptorLimit,
  readDescriptorLimit,
} from "../src/cli/descriptors.ts";
import { NatProcess } from "./support/nat_process.ts";
import { ScriptedNode } from "./support/scripted_node.ts";

/** What Linux tells, with the soft limit before the hard one. */
function limitsOf(soft: string): string {
  return "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max processes             7823                 7823                 processes \n" +
    `Max open files            ${soft.padEnd(20)} 524288               files     \n` +
    "Max locked memory         8388608              8388608              bytes     \n";
}

Deno.test("the limit of open files is the soft one", () => {
  assertEquals(parseDescriptorLimit(limitsOf("1024")), 1024);
  assertEquals(parseDescriptorLimit(limitsOf("unlimited")), Infinity);
  assertEquals(parseDescriptorLimit("Max processes 7823 7823 processes\n"), undefined);
});

Deno.test({
  name: "the limit of this process can be read",
  ignore: Deno.build.os !== "linux",
  fn() {
    const limit = readDescriptorLimit();
    assert(limit !== undefined && limit > 0, `Read ${limit}`);
  },
});

const WARNINGS: [limit: number, maxConnections: number, threads: number, says: string][] = [
  [1024, Infinity, 1, "enough for 493 clients; raise it (ulimit -n), or set --max-connections"],
  [2037, Infinity, 1, "enough for 999 clients;"],
  [2038, Infinity, 1, ""],
  [Infinity, Infinity, 1, ""],
  [1024, 493, 1, ""],
  [1024, 494, 1, "enough for 493 clients, not for the 494 of --max-connections; raise it to 1026"],
  [1026, 494, 1, ""],
  [1026, 494, 2, "enough for 488 clients, not for the 494 of --max-connections; raise it to 1038"],
  [1038, 494, 2, ""],
  [20, 10, 1, "enough for 0 clients, not for the 10"],
  [Infinity, Number.MAX_SAFE_INTEGER, 64, ""],
];

for (const [limit, maxConnections, threads, says] of WARNINGS) {
  const what = says === "" ? "enough" : "too few";
  Deno.test(`${limit} descriptors are ${what} for ${maxConnections} clients in ${threads} threads`, () => {
    const warning = descriptorWarning(limit, { maxConnections, threads, listeners: 6 * threads });
    if (says === "") assertEquals(warning, undefined);
    else assert(warning?.includes(`${limit} open files is ${says}`), warning);
  });
}

/** Starts the program with so many clients, of whose open files half are allowed. */
async function startLimited(options?: readonly string[]): Promise<string> {
  await using node = await ScriptedNode.start();
  await using nat = new NatProcess([
    `--cluster-addr=${node.address}`,
    "--listen-addr=127.0.0.1:0",
    "--max-connections=100",
    "--threads=1",
  ], { before: ["sh", "-c", 'ulimit -n 133; exec "$@"', "sh"], ...options && { options } });
  await node.introduce();
  await nat.untilLogged(/open files.*\n/);
  return nat.stderr;
}

Deno.test({
  name: "the program says what it needs, or that it has too little if it may know",
  ignore: Deno.build.os !== "linux",
  async fn() {
    assertMatch(await startLimited(), /INFO .*100 clients \(--max-connections\) need one of 233$/m);
    assertMatch(await startLimited(["-A"]), /WARN .*enough for 50 clients, not for the 100 of/);
  },
});
