import { assertEquals } from "@std/assert";
import {
  echoesArguments,
  rewriteEchoedArguments,
} from "../../../../src/rewrite/replies/echoed_arguments.ts";
import { FixedAddresses, rewritten } from "../../../support/public_addresses.ts";

/** Each case is the text of an error and its rewritten text. */
const ERRORS: Record<string, string> = {
  "ERR Invalid node address specified: 10.0.0.2:7001":
    "ERR Invalid node address specified: 127.0.0.1:8001",
  "ERR Invalid node address specified: ::1:7002":
    "ERR Invalid node address specified: 127.0.0.1:8002",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.0.0.2' '7001' 'k' '0' '5000' ":
    "ERR unknown command 'MIGRATE', with args beginning with: '127.0.0.1' '8001' 'k' '0' '5000' ",
  "ERR unknown command `CLUSTER`, with args beginning with: `MEET`, `::1`, `7002`, ":
    "ERR unknown command `CLUSTER`, with args beginning with: `MEET`, `127.0.0.1`, `8002`, ",
  "ERR unknown command 'CLIENT', with args beginning with: 'KILL' 'ADDR' '10.0.0.99:40001' 'LADDR' '10.0.0.1:7000' ":
    "ERR unknown command 'CLIENT', with args beginning with: 'KILL' 'ADDR' '198.51.100.7:50001' 'LADDR' '127.0.0.1:8000' ",
  "ERR unknown command 'CLIENT', with args beginning with: 'KILL' '[fd00::99]:40002' ":
    "ERR unknown command 'CLIENT', with args beginning with: 'KILL' '[2001:db8::7]:50002' ",
};

for (const [text, expected] of Object.entries(ERRORS)) {
  Deno.test(`the error ${text} shows public addresses`, () => {
    assertEquals(echoesArguments(text), true);
    assertEquals(rewritten(`-${text}\r\n`, rewriteEchoedArguments), `-${expected}\r\n`);
  });
}

const UNCHANGED = [
  "ERR Invalid node address specified: 10.9.9.9:7001",
  "ERR Invalid node address specified: localhost",
  "ERR Invalid node address specified: 10.0.0.2:x",
  "ERR unknown command 'MIGRATE', with args beginning with: ",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.9.9.9' '7001' 'a:b' '' '0' ",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.0.0.2'",
  "ERR unknown command 'MIGRATE', with args beginning with: '10.0.0.2' '70015' ",
];

for (const text of UNCHANGED) {
  Deno.test(`the error ${text} passes unchanged`, () => {
    assertEquals(rewritten(`-${text}\r\n`, rewriteEchoedArguments), `-${text}\r\n`);
  });
}

Deno.test("other errors echo no arguments", () => {
  for (const text of ["MOVED 1 10.0.0.2:7001", "ERR No such client", "ERR unknown subcommand"]) {
    assertEquals(echoesArguments(text), false);
  }
});

Deno.test("an echoed address may not be a node's", () => {
  const addresses = new FixedAddresses();
  rewritten(
    "-ERR Invalid node address specified: 10.9.9.9:7001\r\n",
    rewriteEchoedArguments,
    addresses,
  );
  assertEquals(addresses.refs, [{ host: "10.9.9.9", port: 7001, doubtful: true }]);
});
