import { assertEquals } from "@std/assert";
import { rewriteClients } from "../../../../src/rewrite/replies/client_list.ts";
import { bulk, NIL, verbatim } from "../../../support/frames.ts";
import { FixedAddresses, rewritten } from "../../../support/public_addresses.ts";

const TAIL = "fd=8 name= age=1 idle=0 flags=N db=0 sub=0 cmd=client|list user=default resp=2";

/** Each case is one line, without its end. */
const LINES: Record<string, [line: string, rewritten: string]> = {
  "a client of the proxy": [
    `id=3 addr=10.0.0.99:40001 laddr=10.0.0.1:7000 ${TAIL}`,
    `id=3 addr=198.51.100.7:50001 laddr=127.0.0.1:8000 ${TAIL}`,
  ],
  "an IPv6 client of the proxy": [
    `id=3 addr=[fd00::99]:40002 laddr=[fd00::3]:7002 ${TAIL}`,
    `id=3 addr=[2001:db8::7]:50002 laddr=127.0.0.1:8000 ${TAIL}`,
  ],
  "another peer": [
    `id=3 addr=10.0.0.2:40003 laddr=10.0.0.1:7000 ${TAIL}`,
    `id=3 addr=127.0.0.1:40003 laddr=127.0.0.1:8000 ${TAIL}`,
  ],
  "another IPv6 peer": [
    `id=3 addr=[fd00::4]:40003 laddr=[::1]:7000 ${TAIL}`,
    `id=3 addr=127.0.0.1:40003 laddr=127.0.0.1:8000 ${TAIL}`,
  ],
  "a server before 6.2, which has no laddr": [
    `id=3 addr=10.0.0.99:40001 ${TAIL}`,
    `id=3 addr=198.51.100.7:50001 ${TAIL}`,
  ],
  "fields in another order": [
    `laddr=10.0.0.1:7000 ${TAIL} addr=10.0.0.99:40001`,
    `laddr=127.0.0.1:8000 ${TAIL} addr=198.51.100.7:50001`,
  ],
  "a client through a Unix socket": [
    `id=3 addr=/run/redis.sock:0 laddr=/run/redis.sock:0 ${TAIL}`,
    `id=3 addr=/run/redis.sock:0 laddr=/run/redis.sock:0 ${TAIL}`,
  ],
  "other fields that hold an address": [
    `id=3 addr=10.0.0.99:40001 laddr=10.0.0.1:7000 name=addr=10.0.0.99:40001 xaddr=10.0.0.1:7000`,
    `id=3 addr=198.51.100.7:50001 laddr=127.0.0.1:8000 name=addr=10.0.0.99:40001 xaddr=10.0.0.1:7000`,
  ],
};

for (const [name, [line, expected]] of Object.entries(LINES)) {
  Deno.test(`CLIENT LIST and INFO with ${name} show public addresses`, () => {
    for (const text of [bulk, verbatim]) {
      for (const count of [1, 2]) {
        assertEquals(
          rewritten(text(`${line}\n`.repeat(count)), rewriteClients),
          text(`${expected}\n`.repeat(count)),
        );
      }
      assertEquals(rewritten(text(line), rewriteClients), text(expected));
    }
  });
}

Deno.test("CLIENT LIST has an IPv6 public host in brackets", () => {
  assertEquals(
    rewritten(
      bulk("addr=10.0.0.2:4 laddr=10.0.0.1:7000\n"),
      rewriteClients,
      new FixedAddresses("2001:db8::1"),
    ),
    bulk("addr=[2001:db8::1]:4 laddr=[2001:db8::1]:8000\n"),
  );
});

for (const wire of [NIL, bulk(""), verbatim("\n"), "+QUEUED\r\n", "-ERR Invalid client ID\r\n"]) {
  Deno.test(`CLIENT LIST passes ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteClients), wire);
  });
}
