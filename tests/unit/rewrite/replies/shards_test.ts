import { assertEquals } from "@std/assert";
import { rewriteShards } from "../../../../src/rewrite/replies/shards.ts";
import { assertRewritten, B } from "../../../support/public_addresses.ts";

const [IP, HOSTNAME] = ["ip {10.0.0.2→HOST}", "hostname {node-b.internal→HOST}"];
const REST = "role replica replication-offset :7000 health online";

/** Each case is the fields of one node. */
const NODES: Record<string, string> = {
  "a node by IP": `id A port :{7000→8000} ip {10.0.0.1→HOST} endpoint {10.0.0.1→HOST} ${REST}`,
  "a node by hostname":
    `id B port :{7001→8001} ${IP} endpoint {node-b.internal→HOST} ${REST} ${HOSTNAME}`,
  "a node without a host name that prefers one":
    `id B port :{7001→8001} ${IP} endpoint {?→HOST} ${REST}`,
  "a node of an unknown endpoint":
    `id B port :{7001→8001} ${IP} endpoint {''→HOST} ${REST} ${HOSTNAME}`,
  "a node with both ports":
    `id B port :{7001→8001} tls-port :{7101→8001} ${IP} endpoint {10.0.0.2→HOST}`,
  "a node with a TLS port only": `id B tls-port :{7101→8001} ${IP} endpoint {10.0.0.2→HOST}`,
  "a node that does not know its IP":
    `id A port :{7000→8000} ip {''→HOST} endpoint {''→HOST} ${REST}`,
  "a node by IPv6": `id C port :{7002→8002} ip {fd00::3→HOST} endpoint {fd00::3→HOST} ${REST}`,
  "a node with an availability zone":
    `id B port :{7001→8001} ${IP} endpoint {10.0.0.2→HOST} ${REST} availability-zone eu-1a`,
  "unknown fields": `id B port :{7001→8001} ${IP} endpoint {10.0.0.2→HOST} ${REST} x ip y :7000`,
  "a node without an address": `id G ip '' endpoint '' ${REST}`,
  "a node that kept its hostname when it lost its address":
    `id G ip '' endpoint '' ${REST} hostname {node-g.internal→HOST}`,
  "a node that prefers its hostname and lost its address":
    `id G ip '' endpoint {node-g.internal→HOST} ${REST} hostname {node-g.internal→HOST}`,
};

for (const [name, node] of Object.entries(NODES)) {
  for (const [protocol, start, end] of [["RESP2", "[", "]"], ["RESP3", "{", "}"]]) {
    Deno.test(`CLUSTER SHARDS with ${name} is rewritten in ${protocol}`, () => {
      const map = (fields: string) => `${start}${fields}${end}`;
      const shards = [
        map("slots [] nodes []"),
        map(`slots [:0 :7000] nodes [${map(node)} ${map(node)}]`),
        map(`slots [] nodes [${map(node)}] id F`),
      ];
      assertRewritten(rewriteShards, `[${shards.join(" ")}]`);
    });
  }
}

Deno.test("CLUSTER SHARDS refers to nodes by id and address", () => {
  const text = `[{slots [] nodes [{${NODES["a node without a host name that prefers one"]}}]}]`;
  assertEquals(assertRewritten(rewriteShards, text)[0], { id: B, host: "10.0.0.2", port: 7001 });
});

Deno.test("CLUSTER SHARDS may have its fields in any order", () => {
  assertRewritten(
    rewriteShards,
    "[{nodes [{ip {10.0.0.1→HOST} port :{7000→8000} id A}] slots []}]",
  );
});

for (
  const text of ["[]", "[{slots [] nodes []}]", "[{slots [:0 :5]}]", "*-1", "NIL"].concat(
    "[[slots [:0 :5] nodes [] id A]]",
    "(-ERR unknown subcommand 'SHARDS'. Try CLUSTER HELP.)",
  )
) {
  Deno.test(`CLUSTER SHARDS passes ${text} unchanged`, () => {
    assertRewritten(rewriteShards, text);
  });
}
