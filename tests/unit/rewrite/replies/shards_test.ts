import { assertEquals } from "@std/assert";
import { rewriteShards } from "../../../../src/rewrite/replies/shards.ts";
import { array, bulk, int, map, NIL } from "../../../support/frames.ts";
import { A, B, C, FixedAddresses, G, rewritten } from "../../../support/public_addresses.ts";

type Field = [key: string, value: string | number];

/** Each case is the fields of one node, and the fields that change. */
const NODES: Record<string, [fields: Field[], changed: Record<string, string | number>]> = {
  "a node by IP": [
    node(A, 7000, "10.0.0.1", "10.0.0.1"),
    { port: 8000, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node by hostname": [
    [
      ...node(B, 7001, "10.0.0.2", "node-b.internal"),
      ["hostname", "node-b.internal"],
    ],
    { port: 8001, ip: "127.0.0.1", endpoint: "127.0.0.1", hostname: "127.0.0.1" },
  ],
  "a node without a host name that prefers one": [
    node(B, 7001, "10.0.0.2", "?"),
    { port: 8001, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node of an unknown endpoint": [
    [...node(B, 7001, "10.0.0.2", ""), ["hostname", "node-b.internal"]],
    { port: 8001, ip: "127.0.0.1", endpoint: "127.0.0.1", hostname: "127.0.0.1" },
  ],
  "a node with both ports": [
    [["id", B], ["port", 7001], ["tls-port", 7101], ["ip", "10.0.0.2"], ["endpoint", "10.0.0.2"]],
    { port: 8001, "tls-port": 8001, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node with a TLS port only": [
    [["id", B], ["tls-port", 7101], ["ip", "10.0.0.2"], ["endpoint", "10.0.0.2"]],
    { "tls-port": 8001, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node that does not know its IP": [
    node(A, 7000, "", ""),
    { port: 8000, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node by IPv6": [
    node(C, 7002, "fd00::3", "fd00::3"),
    { port: 8002, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node with an availability zone": [
    [...node(A, 7000, "10.0.0.1", "10.0.0.1"), ["availability-zone", "eu-1a"]],
    { port: 8000, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "unknown fields": [
    [...node(A, 7000, "10.0.0.1", "10.0.0.1"), ["x", "ip"], ["y", 7000]],
    { port: 8000, ip: "127.0.0.1", endpoint: "127.0.0.1" },
  ],
  "a node without an address": [node(G, 0, "", ""), {}],
  "a node that kept its hostname when it lost its address": [
    [...node(G, 0, "", ""), ["hostname", "node-g.internal"]],
    { hostname: "127.0.0.1" },
  ],
  "a node that prefers its hostname and lost its address": [
    [...node(G, 0, "", "node-g.internal"), ["hostname", "node-g.internal"]],
    { endpoint: "127.0.0.1", hostname: "127.0.0.1" },
  ],
};

for (const [name, [fields, changed]] of Object.entries(NODES)) {
  const expected = fields.map(([key, value]): Field => [key, changed[key] ?? value]);
  for (const [protocol, mapOf] of [["RESP2", array], ["RESP3", map]] as const) {
    Deno.test(`CLUSTER SHARDS with ${name} is rewritten in ${protocol}`, () => {
      assertEquals(
        rewritten(shards(mapOf, fields), rewriteShards),
        shards(mapOf, expected),
      );
    });
  }
}

Deno.test("CLUSTER SHARDS refers to nodes by id and address", () => {
  const addresses = new FixedAddresses();
  rewritten(shards(map, node(B, 7001, "10.0.0.2", "?")), rewriteShards, addresses);
  assertEquals(addresses.refs[0], { id: B, host: "10.0.0.2", port: 7001 });
});

Deno.test("CLUSTER SHARDS may have its fields in any order", () => {
  const wire = array(map(
    bulk("nodes"),
    array(map(bulk("ip"), bulk("10.0.0.1"), bulk("port"), int(7000), bulk("id"), bulk(A))),
    bulk("slots"),
    array(),
  ));
  assertEquals(
    rewritten(wire, rewriteShards),
    wire.replace(bulk("10.0.0.1"), bulk("127.0.0.1")).replace(":7000", ":8000"),
  );
});

for (
  const wire of [
    array(),
    array(map(bulk("slots"), array(), bulk("nodes"), array())),
    array(array(bulk("slots"), array(int(0), int(5)), bulk("nodes"), array(), bulk("id"), bulk(A))),
    array(map(bulk("slots"), array(int(0), int(5)))),
    "*-1\r\n",
    NIL,
    "-ERR unknown subcommand 'SHARDS'. Try CLUSTER HELP.\r\n",
  ]
) {
  Deno.test(`CLUSTER SHARDS passes ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteShards), wire);
  });
}

/** The fields of every node; a port of 0 is left out. */
function node(id: string, port: number, ip: string, endpoint: string): Field[] {
  const fields: Field[] = [["id", id], ["ip", ip], ["endpoint", endpoint], ["role", "replica"], [
    "replication-offset",
    7000,
  ], ["health", "online"]];
  if (port > 0) fields.splice(1, 0, ["port", port]);
  return fields;
}

/** One shard without nodes and two with. */
function shards(mapOf: typeof map, fields: Field[]): string {
  const node = mapOf(...fields.flatMap(([key, value]) => [
    bulk(key),
    typeof value === "number" ? int(value) : bulk(value),
  ]));
  return array(
    mapOf(bulk("slots"), array(), bulk("nodes"), array()),
    mapOf(bulk("slots"), array(int(0), int(7000)), bulk("nodes"), array(node, node)),
    mapOf(bulk("slots"), array(), bulk("nodes"), array(node), bulk("id"), bulk("f".repeat(40))),
  );
}
