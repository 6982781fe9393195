import { rewriteClients } from "../../../../src/rewrite/replies/client_list.ts";
import { rewriteEchoedArguments } from "../../../../src/rewrite/replies/echoed_arguments.ts";
import { rewriteInfo } from "../../../../src/rewrite/replies/info.ts";
import { rewriteNodes, rewriteReplicas } from "../../../../src/rewrite/replies/nodes.ts";
import { rewritePush } from "../../../../src/rewrite/replies/push.ts";
import { rewriteMigrateError, rewriteRedirect } from "../../../../src/rewrite/replies/redirect.ts";
import { rewriteRole } from "../../../../src/rewrite/replies/role.ts";
import { rewriteShards } from "../../../../src/rewrite/replies/shards.ts";
import { rewriteSlots } from "../../../../src/rewrite/replies/slots.ts";
import type { Rewriter } from "../../../../src/rewrite/public_addresses.ts";
import { assertRewritten, FixedAddresses } from "../../../support/public_addresses.ts";

/** A map in RESP2 and in RESP3, and a null. */
const PROTOCOLS = [["[", "]", "NIL"], ["{", "}", "NULL"]] as const;

/** Each case is one node of a range, up to its metadata, and then the fields of these. */
const SLOTS: Record<string, [node: string, metadata: string]> = {
  "a node by IP": ["{10.0.0.1→ADDR} :{7000→8000} A", "{→hostname NAME}"],
  "a node by IP with a hostname": [
    "{10.0.0.1→ADDR} :{7000→8000} A",
    "hostname {node-a.internal→NAME}",
  ],
  "a node by IP in a zone": [
    "{10.0.0.1→ADDR} :{7000→8000} A",
    "{→hostname NAME} availability-zone eu-1a",
  ],
  "a node by IPv6": ["{fd00::3→ADDR} :{7002→8002} C", "{→hostname NAME}"],
  "a node by hostname": ["{node-b.internal→NAME} :{7001→8001} B", "ip {10.0.0.2→ADDR}"],
  "a node without a host name that prefers one": ["{?→NAME} :{7001→8001} B", "ip {10.0.0.2→ADDR}"],
  "a node of an unknown endpoint": [
    "{NIL→NAME} :{7001→8001} B",
    "ip {10.0.0.2→ADDR} {→hostname NAME}",
  ],
  "a node of an unknown endpoint with a hostname": [
    "{NIL→NAME} :{7001→8001} B",
    "ip {10.0.0.2→ADDR} hostname {node-b.internal→NAME}",
  ],
  "a node of an unknown endpoint in a zone": [
    "{NIL→NAME} :{7001→8001} B",
    "ip {10.0.0.2→ADDR} {→hostname NAME} availability-zone eu-1a",
  ],
  "a node that does not know its IP": ["{''→ADDR} :{7000→8000} A", "{→hostname NAME}"],
  "a node that announces a name as its IP": [
    "{node-b.internal→NAME} :{7001→8001} B",
    "{→hostname NAME}",
  ],
  "a node without a public port": ["{10.0.0.9→''} :{7009→0} D", ""],
  "a node without an address and without a public port": ["'' :0 D", "ip ''"],
};

for (const [name, [node, metadata]] of Object.entries(SLOTS)) {
  test(`CLUSTER SLOTS with ${name}`, () => {
    for (const [start, end, nil] of PROTOCOLS) {
      const entry = `[${node.replace("NIL", nil)} ${start}${metadata}${end}]`;
      assertRewritten(rewriteSlots, `[[:0 :9 ${entry} ${entry}]]`, FixedAddresses.named());
    }
  });
}

test("CLUSTER SLOTS with a node of 6.x", () => {
  const text = "[[:0 :9 [{10.0.0.1→ADDR} :{7000→8000} A]]]";
  for (const adds of [true, false]) {
    assertRewritten(rewriteSlots, text, FixedAddresses.named(adds));
  }
});

const [IP, REST] = ["ip {10.0.0.2→ADDR}", "role replica replication-offset :7000 health online"];

/** Each case is the fields of one node. */
const SHARDS: Record<string, string> = {
  "a node by IP": `id B port :{7001→8001} ${IP} endpoint {10.0.0.2→ADDR} {→hostname NAME} ${REST}`,
  "a node by IP with a hostname":
    `id B port :{7001→8001} ${IP} endpoint {10.0.0.2→ADDR} hostname {node-b.internal→NAME} ${REST}`,
  "a node by hostname": `id B port :{7001→8001} tls-port :{7101→8001} ${IP} ` +
    `endpoint {node-b.internal→NAME} hostname {node-b.internal→NAME} ${REST}`,
  "a node without a host name that prefers one":
    `id B port :{7001→8001} ${IP} endpoint {?→NAME} {→hostname NAME} ${REST}`,
  "a node of an unknown endpoint":
    `id B port :{7001→8001} ${IP} endpoint {''→NAME} {→hostname NAME} ${REST}`,
  "a node that does not know its IP":
    `id A port :{7000→8000} ip {''→ADDR} endpoint {''→ADDR} {→hostname NAME} ${REST}`,
  "a node that announces a name as its IP": `id B port :{7001→8001} ` +
    `ip {node-b.internal→ADDR} endpoint {node-b.internal→NAME} {→hostname NAME} ${REST}`,
  "a node without an address": `id G ip '' endpoint '' ${REST}`,
};

for (const [name, fields] of Object.entries(SHARDS)) {
  test(`CLUSTER SHARDS with ${name}`, () => {
    for (const [start, end] of PROTOCOLS) {
      const text = `[${start}slots [:0 :9] nodes [${start}${fields}${end}]${end}]`;
      assertRewritten(rewriteShards, text, FixedAddresses.named());
    }
  });
}

const TAIL = "0 1700000000000 3 connected";

/** Each case is one line; before 7.0 nodes have no host names. */
const LINES: Record<string, { line: string; before70?: string }> = {
  "a line": {
    line: `A {10.0.0.1:7000→ADDR:8000}@17000{→,NAME} myself,master - ${TAIL} 0-5460`,
    before70: `A {10.0.0.1:7000→ADDR:8000}@17000 myself,master - ${TAIL} 0-5460`,
  },
  "a line with a hostname": {
    line: `B {10.0.0.2:7001→ADDR:8001}@17001,{node-b.internal→NAME} slave A ${TAIL}`,
  },
  "an empty hostname": { line: `B {10.0.0.2:7001→ADDR:8001}@17001,{→NAME} slave A ${TAIL}` },
  "fields behind no hostname": {
    line: `B {10.0.0.2:7001→ADDR:8001}@17001,{→NAME},shard-id=x slave A ${TAIL}`,
  },
  "a node that does not know its IP": {
    line: `A {→ADDR}:{7000→8000}@17000{→,NAME} myself,master - ${TAIL} 0-5460`,
  },
  "a node in handshake, which has not yet sent its name": {
    line: "F {10.0.0.2:7001→ADDR:8001}@17001 handshake - 0 0 0 disconnected",
  },
  "a node without an address": { line: "G :0@0 slave,fail?,noaddr A 0 0 3 disconnected" },
  "a node that kept its hostname when it lost its address": {
    line: "G :0@0,{node-g.internal→NAME} slave,fail,noaddr A 0 0 3 disconnected",
  },
};

for (const [name, { line, before70 }] of Object.entries(LINES)) {
  test(`CLUSTER NODES and REPLICAS with ${name}`, () => {
    for (const [text, adds] of [[line, true], [before70, false]] as const) {
      if (text === undefined) continue;
      assertRewritten(rewriteNodes, `'${text}\n'`, FixedAddresses.named(adds));
      assertRewritten(rewriteReplicas, `['${text}']`, FixedAddresses.named(adds));
    }
  });
}

/** Replies with addresses of one kind each. */
const OTHERS: Record<string, [Rewriter, string]> = {
  "MOVED by IP": [rewriteRedirect, "(-MOVED 1 {10.0.0.2:7001→ADDR:8001})"],
  "MOVED by IPv6": [rewriteRedirect, "(-MOVED 0 {fd00::3:7002→ADDR:8002})"],
  "MOVED by hostname": [rewriteRedirect, "(-MOVED 1 {node-b.internal:7001→NAME:8001})"],
  "MOVED to an unknown endpoint": [rewriteRedirect, "(-MOVED 3999 {:6379→NAME:8001})"],
  "MOVED to a node without a hostname": [rewriteRedirect, "(-MOVED 3999 {?:6379→NAME:8001})"],
  "ASK by IP": [rewriteRedirect, "(-ASK 1 {10.0.0.2:7001→ADDR:8001})"],
  "ASK by hostname": [rewriteRedirect, "(-ASK 1 {node-b.internal:7001→NAME:8001})"],
  "MOVED inside the error of MIGRATE": [
    rewriteMigrateError,
    "(-ERR Target instance replied with error: MOVED 1 {10.0.0.2:7001→ADDR:8001})",
  ],
  "an echoed address": [
    rewriteEchoedArguments,
    "(-ERR Invalid node address specified: {10.0.0.2:7001→NAME:8001})",
  ],
  "ROLE of a primary": [rewriteRole, "[master :7 [[{10.0.0.2→ADDR} {7001→8001} 7]]]"],
  "ROLE of a replica": [rewriteRole, "[slave {10.0.0.2→ADDR} :{7001→8001} connected :7]"],
  "INFO of a primary": [
    rewriteInfo,
    "'slave0:ip={10.0.0.2→ADDR},port={7001→8001},state=online\r\n'",
  ],
  "INFO of a replica": [
    rewriteInfo,
    "'master_host:{10.0.0.2→ADDR}\r\nmaster_port:{7001→8001}\r\n'",
  ],
  "INFO of a server": [rewriteInfo, "'listener0:name=tcp,bind={10.0.0.1→ADDR},port={7000→8000}'"],
  "CLIENT LIST": [
    rewriteClients,
    "'id=7 addr={10.0.0.2:40009→ADDR:40009} laddr={10.0.0.1:7000→ADDR:8000} fd=8\n'",
  ],
  "MOVING by IP": [rewritePush, ">['MOVING' :1 :9 {10.0.0.2:7001→ADDR:8001}]"],
  "MOVING by hostname": [rewritePush, ">['MOVING' :1 :9 {node-b.internal:7001→NAME:8001}]"],
};

for (const [name, [rewrite, text]] of Object.entries(OTHERS)) {
  test(name, () => {
    assertRewritten(rewrite, text, FixedAddresses.named());
  });
}

test("an IPv6 address", () => {
  const at = new FixedAddresses("nat.example", "2001:db8::1");
  const [moved, list] = ["MOVED 1 {10.0.0.2:7001→2001:db8::1:8001}", "laddr={10.0.0.1:7000→"];
  assertRewritten(rewriteRedirect, `(-${moved})`, at);
  assertRewritten(rewriteClients, `'id=7 ${list}[2001:db8::1]:8000} fd=8\n'`, at);
  const line = `A {10.0.0.1:7000→2001:db8::1:8000}@17000{→,NAME} master - ${TAIL}`;
  assertRewritten(rewriteNodes, `'${line}\n'`, at);
});

function test(what: string, check: () => void): void {
  Deno.test(`with a public IP address ${what} gets both, as from a node with a hostname`, check);
}
