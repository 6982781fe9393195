import { assertEquals } from "@std/assert";
import {
  echoesArguments,
  rewriteEchoedArguments,
} from "../../../../src/rewrite/replies/echoed_arguments.ts";
import { assertRewritten, sidesOf } from "../../../support/public_addresses.ts";

const ERRORS = [
  "ERR Invalid node address specified: {10.0.0.2:7001→HOST:8001}",
  "ERR Invalid node address specified: {::1:7002→HOST:8002}",
  "ERR unknown command 'MIGRATE', with args beginning with: " +
  "'{10.0.0.2→HOST}' '{7001→8001}' 'k' '0' '5000' ",
  "ERR unknown command `CLUSTER`, with args beginning with: `MEET`, `{::1→HOST}`, `{7002→8002}`, ",
  "ERR unknown command 'CLIENT', with args beginning with: " +
  "'KILL' 'ADDR' '{10.0.0.99:40001→198.51.100.7:50001}' 'LADDR' '{10.0.0.1:7000→HOST:8000}' ",
  "ERR unknown command 'CLIENT', with args beginning with: " +
  "'KILL' '{[fd00::99]:40002→[2001:db8::7]:50002}' ",
  // Unchanged.
  "ERR Invalid node address specified: 10.9.9.9:7001",
  "ERR Invalid node address specified: localhost",
  "ERR Invalid node address specified: 10.0.0.2:x",
  "ERR unknown command 'MIGRATE', with args beginning with: ",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.9.9.9' '7001' 'a:b' '' '0' ",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.0.0.2'",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.0.0.2' '70015' ",
];

for (const text of ERRORS) {
  Deno.test(`the error ${text} shows public addresses`, () => {
    assertEquals(echoesArguments(sidesOf(text)[0]), true);
    assertRewritten(rewriteEchoedArguments, `(-${text})`);
  });
}

Deno.test("other errors echo no arguments", () => {
  for (const text of ["MOVED 1 10.0.0.2:7001", "ERR No such client", "ERR unknown subcommand"]) {
    assertEquals(echoesArguments(text), false);
  }
});

Deno.test("an echoed address may not be a node's", () => {
  const text = "(-ERR Invalid node address specified: 10.9.9.9:7001)";
  assertEquals(assertRewritten(rewriteEchoedArguments, text), [
    { host: "10.9.9.9", port: 7001, doubtful: true },
  ]);
});
