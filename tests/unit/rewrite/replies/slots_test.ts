import { assertEquals } from "@std/assert";
import { rewriteSlots } from "../../../../src/rewrite/replies/slots.ts";
import { array, bulk, int, map, NIL, NULL } from "../../../support/frames.ts";
import { A, B, C, FixedAddresses, G, rewritten } from "../../../support/public_addresses.ts";

const HOST = bulk("127.0.0.1");

/** Each case is one node of a range. */
const NODES: Record<string, [node: string, rewritten: string]> = {
  "a node of 6.x": [
    array(bulk("10.0.0.1"), int(7000), bulk(A)),
    array(HOST, int(8000), bulk(A)),
  ],
  "a node by IP": [
    array(bulk("10.0.0.1"), int(7000), bulk(A), array()),
    array(HOST, int(8000), bulk(A), array()),
  ],
  "a node by IP in RESP3": [
    array(bulk("10.0.0.1"), int(7000), bulk(A), map()),
    array(HOST, int(8000), bulk(A), map()),
  ],
  "a node by IP with a hostname": [
    array(bulk("10.0.0.1"), int(7000), bulk(A), array(bulk("hostname"), bulk("node-a.internal"))),
    array(HOST, int(8000), bulk(A), array(bulk("hostname"), HOST)),
  ],
  "a node by IP with a hostname in RESP3": [
    array(bulk("10.0.0.1"), int(7000), bulk(A), map(bulk("hostname"), bulk("node-a.internal"))),
    array(HOST, int(8000), bulk(A), map(bulk("hostname"), HOST)),
  ],
  "a node by hostname": [
    array(bulk("node-b.internal"), int(7001), bulk(B), array(bulk("ip"), bulk("10.0.0.2"))),
    array(HOST, int(8001), bulk(B), array(bulk("ip"), HOST)),
  ],
  "a node by hostname in RESP3": [
    array(bulk("node-b.internal"), int(7001), bulk(B), map(bulk("ip"), bulk("10.0.0.2"))),
    array(HOST, int(8001), bulk(B), map(bulk("ip"), HOST)),
  ],
  "a node without a host name that prefers one": [
    array(bulk("?"), int(7001), bulk(B), array(bulk("ip"), bulk("10.0.0.2"))),
    array(HOST, int(8001), bulk(B), array(bulk("ip"), HOST)),
  ],
  "a node of an unknown endpoint": [
    array(NIL, int(7001), bulk(B), array(bulk("ip"), bulk("10.0.0.2"))),
    array(HOST, int(8001), bulk(B), array(bulk("ip"), HOST)),
  ],
  "a node of an unknown endpoint in RESP3": [
    array(
      NULL,
      int(7001),
      bulk(B),
      map(bulk("ip"), bulk("10.0.0.2"), bulk("hostname"), bulk("node-b.internal")),
    ),
    array(HOST, int(8001), bulk(B), map(bulk("ip"), HOST, bulk("hostname"), HOST)),
  ],
  "a node with an availability zone": [
    array(
      NIL,
      int(7001),
      bulk(B),
      array(
        bulk("ip"),
        bulk("10.0.0.2"),
        bulk("hostname"),
        bulk("node-b.internal"),
        bulk("availability-zone"),
        bulk("eu-1a"),
      ),
    ),
    array(
      HOST,
      int(8001),
      bulk(B),
      array(
        bulk("ip"),
        HOST,
        bulk("hostname"),
        HOST,
        bulk("availability-zone"),
        bulk("eu-1a"),
      ),
    ),
  ],
  "a zone with the name of a field": [
    array(bulk("10.0.0.2"), int(7001), bulk(B), map(bulk("availability-zone"), bulk("ip"))),
    array(HOST, int(8001), bulk(B), map(bulk("availability-zone"), bulk("ip"))),
  ],
  "a node that does not know its IP": [
    array(bulk(""), int(7000), bulk(A), array()),
    array(HOST, int(8000), bulk(A), array()),
  ],
  "a node of an unknown IP and endpoint": [
    array(NIL, int(7000), bulk(A), array(bulk("ip"), bulk(""))),
    array(HOST, int(8000), bulk(A), array(bulk("ip"), HOST)),
  ],
  "a node by IPv6": [
    array(bulk("fd00::3"), int(7002), bulk(C), array()),
    array(HOST, int(8002), bulk(C), array()),
  ],
  "a node without a plain-text port": [
    array(bulk("10.0.0.2"), int(0), bulk(B), array()),
    array(HOST, int(8001), bulk(B), array()),
  ],
  "a failed node without an address": [
    array(bulk(""), int(0), bulk(G), array()),
    array(HOST, int(8006), bulk(G), array()),
  ],
  "a node without a public port": [
    array(bulk("10.0.0.9"), int(7009), bulk("d".repeat(40)), array(bulk("ip"), bulk("10.0.0.9"))),
    array(HOST, int(0), bulk("d".repeat(40)), array(bulk("ip"), HOST)),
  ],
  "a node without an address and without a public port": [
    array(bulk(""), int(0), bulk("d".repeat(40)), array(bulk("ip"), bulk(""))),
    array(bulk(""), int(0), bulk("d".repeat(40)), array(bulk("ip"), bulk(""))),
  ],
  "a node of an unknown endpoint, without an address and without a public port": [
    array(NIL, int(0), bulk("d".repeat(40)), array(bulk("hostname"), bulk("node-d.internal"))),
    array(NIL, int(0), bulk("d".repeat(40)), array(bulk("hostname"), HOST)),
  ],
  "an address that another node had before": [
    array(bulk("10.0.0.1"), int(7000), bulk(B), array()),
    array(HOST, int(8001), bulk(B), array()),
  ],
  "unknown metadata and more elements": [
    array(bulk("10.0.0.2"), int(7001), bulk(B), map(bulk("x"), NIL, bulk("ip"), NIL), int(5)),
    array(HOST, int(8001), bulk(B), map(bulk("x"), NIL, bulk("ip"), HOST), int(5)),
  ],
};

for (const [name, [node, expected]] of Object.entries(NODES)) {
  Deno.test(`CLUSTER SLOTS with ${name} is rewritten`, () => {
    const cases: [string, string][] = [
      [array(array(int(0), int(16383), node)), array(array(int(0), int(16383), expected))],
      [
        array(array(int(0), int(0), node, node), array(int(5), int(6), node)),
        array(array(int(0), int(0), expected, expected), array(int(5), int(6), expected)),
      ],
    ];
    for (const [wire, wanted] of cases) assertEquals(rewritten(wire, rewriteSlots), wanted);
  });
}

Deno.test("CLUSTER SLOTS refers to nodes by id and address", () => {
  const addresses = new FixedAddresses();
  const node = array(NULL, int(7001), bulk(B), map());
  rewritten(array(array(int(0), int(1), node)), rewriteSlots, addresses);
  assertEquals(addresses.refs, [{ id: B, host: "", port: 7001 }]);
});

Deno.test("CLUSTER SLOTS has an IPv6 public host without brackets", () => {
  const node = array(bulk("10.0.0.1"), int(7000), bulk(A), map());
  const wire = array(array(int(0), int(1), node));
  assertEquals(
    rewritten(wire, rewriteSlots, new FixedAddresses("2001:db8::1")),
    array(array(int(0), int(1), array(bulk("2001:db8::1"), int(8000), bulk(A), map()))),
  );
});

for (
  const wire of [
    array(),
    array(array(int(0), int(1))),
    "*-1\r\n",
    NIL,
    NULL,
    "+QUEUED\r\n",
    "-ERR This instance has cluster support disabled\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
    bulk("10.0.0.1"),
  ]
) {
  Deno.test(`CLUSTER SLOTS passes ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteSlots), wire);
  });
}
