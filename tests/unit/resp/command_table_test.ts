import { assertEquals, assertThrows } from "@std/assert";
import { CommandTable } from "../../../src/resp/command_table.ts";
import { fromLatin1 } from "../../../src/resp/bytes.ts";

const get = { keepArgs: 1 };
const longest = { keepArgs: 2 };
const table = new CommandTable({ get, "abcdefghij_mnop": longest });

Deno.test("a command is found by its name in any case", () => {
  for (const name of ["get", "GET", "Get"]) assertEquals(table.findByName(name), get, name);
  for (const name of ["", "ge", "gets", "det", "g\x05t", "abcdefghij\x7fmnop"]) {
    assertEquals(table.findByName(name), undefined, name);
  }
  assertEquals(table.findByName("ABCDEFGHIJ_MNOP"), longest);
});

Deno.test("a command is found in the middle of a buffer", () => {
  const bytes = fromLatin1("$3\r\nGET\r\n");
  assertEquals(table.find(bytes, 4, 3), get);
  assertEquals(table.find(bytes, 4, 2), undefined);
});

Deno.test("a command table refuses a name that is too long", () => {
  assertThrows(
    () => new CommandTable({ abcdefghijklmnopq: { keepArgs: 1 } }),
    RangeError,
    "'abcdefghijklmnopq' is too long",
  );
});
