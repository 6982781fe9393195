import { assertEquals } from "@std/assert";
import { rewriteSlots } from "../../../../src/rewrite/replies/slots.ts";
import { assertRewritten, B } from "../../../support/public_addresses.ts";

/** Each case is one node of a range. */
const NODES: Record<string, string> = {
  "a node of 6.x": "[{10.0.0.1→HOST} :{7000→8000} A]",
  "a node by IP": "[{10.0.0.1→HOST} :{7000→8000} A []]",
  "a node by IP in RESP3": "[{10.0.0.1→HOST} :{7000→8000} A {}]",
  "a node by IP with a hostname":
    "[{10.0.0.1→HOST} :{7000→8000} A [hostname {node-a.internal→HOST}]]",
  "a node by IP with a hostname in RESP3":
    "[{10.0.0.1→HOST} :{7000→8000} A {hostname {node-a.internal→HOST}}]",
  "a node by hostname": "[{node-b.internal→HOST} :{7001→8001} B [ip {10.0.0.2→HOST}]]",
  "a node by hostname in RESP3": "[{node-b.internal→HOST} :{7001→8001} B {ip {10.0.0.2→HOST}}]",
  "a node without a host name that prefers one": "[{?→HOST} :{7001→8001} B [ip {10.0.0.2→HOST}]]",
  "a node of an unknown endpoint": "[{NIL→HOST} :{7001→8001} B [ip {10.0.0.2→HOST}]]",
  "a node of an unknown endpoint in RESP3":
    "[{NULL→HOST} :{7001→8001} B {ip {10.0.0.2→HOST} hostname {node-b.internal→HOST}}]",
  "a node with an availability zone": `
    [{NIL→HOST} :{7001→8001} B
      [ip {10.0.0.2→HOST} hostname {node-b.internal→HOST} availability-zone eu-1a]]`,
  "a zone with the name of a field": "[{10.0.0.2→HOST} :{7001→8001} B {availability-zone ip}]",
  "a node that does not know its IP": "[{''→HOST} :{7000→8000} A []]",
  "a node of an unknown IP and endpoint": "[{NIL→HOST} :{7000→8000} A [ip {''→HOST}]]",
  "a node by IPv6": "[{fd00::3→HOST} :{7002→8002} C []]",
  "a node without a plain-text port": "[{10.0.0.2→HOST} :{0→8001} B []]",
  "a failed node without an address": "[{''→HOST} :{0→8006} G []]",
  "a node without a public port": "[{10.0.0.9→''} :{7009→0} D [ip {10.0.0.9→HOST}]]",
  "a node without an address and without a public port": "['' :0 D [ip '']]",
  "a node of an unknown endpoint, without an address and without a public port":
    "[NIL :0 D [hostname {node-d.internal→HOST}]]",
  "an address that another node had before": "[{10.0.0.1→HOST} :{7000→8001} B []]",
  "unknown metadata and more elements": "[{10.0.0.2→HOST} :{7001→8001} B {x NIL ip {NIL→HOST}} :5]",
};

for (const [name, node] of Object.entries(NODES)) {
  Deno.test(`CLUSTER SLOTS with ${name} is rewritten`, () => {
    assertRewritten(rewriteSlots, `[[:0 :16383 ${node}]]`);
    assertRewritten(rewriteSlots, `[[:0 :0 ${node} ${node}] [:5 :6 ${node}]]`);
  });
}

Deno.test("CLUSTER SLOTS refers to nodes by id and address", () => {
  const refs = assertRewritten(rewriteSlots, "[[:0 :1 [{NULL→HOST} :{7001→8001} B {}]]]");
  assertEquals(refs, [{ id: B, host: "", port: 7001 }]);
});

Deno.test("CLUSTER SLOTS has an IPv6 public host without brackets", () => {
  const text = "[[:0 :1 [{10.0.0.1→2001:db8::1} :{7000→8000} A {}]]]";
  assertRewritten(rewriteSlots, text, "2001:db8::1");
});

for (
  const text of ["[]", "[[:0 :1]]", "*-1", "NIL", "NULL", "QUEUED", "10.0.0.1"].concat(
    "(-ERR This instance has cluster support disabled)",
    "(-CLUSTERDOWN The cluster is down)",
  )
) {
  Deno.test(`CLUSTER SLOTS passes ${text} unchanged`, () => {
    assertRewritten(rewriteSlots, text);
  });
}
