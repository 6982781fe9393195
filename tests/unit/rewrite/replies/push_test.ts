import { assertEquals } from "@std/assert";
import { isAddressPush, rewritePush } from "../../../../src/rewrite/replies/push.ts";
import { array, bulk, int, NIL, NULL, push } from "../../../support/frames.ts";
import { FixedAddresses, rewritten } from "../../../support/public_addresses.ts";

const PUSHES: Record<string, [wire: string, rewritten: string]> = {
  "MOVING to an IP": [
    push(bulk("MOVING"), int(1), int(15), bulk("10.0.0.2:7001")),
    push(bulk("MOVING"), int(1), int(15), bulk("127.0.0.1:8001")),
  ],
  "MOVING to a hostname, in simple strings": [
    push("+MOVING\r\n", int(1), int(15), "+node-b.internal:7001\r\n"),
    push("+MOVING\r\n", int(1), int(15), "+127.0.0.1:8001\r\n"),
  ],
  "MOVING to an IPv6 address in brackets": [
    push(bulk("MOVING"), int(1), int(15), bulk("[fd00::3]:7002")),
    push(bulk("MOVING"), int(1), int(15), bulk("127.0.0.1:8002")),
  ],
  "MOVING to an unknown node": [
    push(bulk("MOVING"), int(1), int(15), NULL),
    push(bulk("MOVING"), int(1), int(15), NULL),
  ],
  "MOVING to an unknown node, with a null of RESP2": [
    push(bulk("MOVING"), int(1), int(15), NIL),
    push(bulk("MOVING"), int(1), int(15), NIL),
  ],
  "SMIGRATED with triplets": [
    push(
      bulk("SMIGRATED"),
      int(7001),
      array(
        array(bulk("10.0.0.1:7000"), bulk("10.0.0.2:7001"), bulk("123,456,789-1000")),
        array(bulk("10.0.0.1:7000"), bulk("[fd00::3]:7002"), bulk("7000-7001")),
      ),
    ),
    push(
      bulk("SMIGRATED"),
      int(7001),
      array(
        array(bulk("127.0.0.1:8000"), bulk("127.0.0.1:8001"), bulk("123,456,789-1000")),
        array(bulk("127.0.0.1:8000"), bulk("127.0.0.1:8002"), bulk("7000-7001")),
      ),
    ),
  ],
  "SMIGRATED with triplets of simple strings": [
    push(
      "+SMIGRATED\r\n",
      int(1),
      array(array("+10.0.0.1:7000\r\n", "+node-b.internal:7001\r\n", "+5\r\n")),
    ),
    push(
      "+SMIGRATED\r\n",
      int(1),
      array(array("+127.0.0.1:8000\r\n", "+127.0.0.1:8001\r\n", "+5\r\n")),
    ),
  ],
  "SMIGRATED with pairs": [
    push(bulk("SMIGRATED"), int(1), array(array(bulk("10.0.0.2:7001"), bulk("1,5-9")))),
    push(bulk("SMIGRATED"), int(1), array(array(bulk("127.0.0.1:8001"), bulk("1,5-9")))),
  ],
  "SMIGRATED in flat form": [
    push(bulk("SMIGRATED"), int(1), bulk("10.0.0.2:7001"), bulk("1,5-9")),
    push(bulk("SMIGRATED"), int(1), bulk("127.0.0.1:8001"), bulk("1,5-9")),
  ],
  "an empty SMIGRATED": [
    push(bulk("SMIGRATED"), int(1), array()),
    push(bulk("SMIGRATED"), int(1), array()),
  ],
};

for (const [name, [wire, expected]] of Object.entries(PUSHES)) {
  Deno.test(`${name} is rewritten`, () => {
    assertEquals(rewritten(wire, rewritePush), expected);
  });
}

Deno.test("a push has an IPv6 public host in brackets", () => {
  const wire = push(bulk("MOVING"), int(1), int(15), bulk("10.0.0.2:7001"));
  assertEquals(
    rewritten(wire, rewritePush, new FixedAddresses("2001:db8::1")),
    push(bulk("MOVING"), int(1), int(15), bulk("[2001:db8::1]:8001")),
  );
});

Deno.test("no other push carries addresses", () => {
  for (
    const kind of [
      "message",
      "pmessage",
      "smessage",
      "subscribe",
      "sunsubscribe",
      "invalidate",
      "tracking-redir-broken",
      "server-cpu-usage",
      "MIGRATING",
      "MIGRATED",
      "FAILING_OVER",
      "FAILED_OVER",
      "SMIGRATING",
      "moving",
      "",
    ]
  ) assertEquals(isAddressPush(kind), false, kind);
  for (const kind of ["MOVING", "SMIGRATED"]) assertEquals(isAddressPush(kind), true, kind);
});
