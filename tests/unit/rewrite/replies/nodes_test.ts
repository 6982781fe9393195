import { assertEquals } from "@std/assert";
import { rewriteNodes, rewriteReplicas } from "../../../../src/rewrite/replies/nodes.ts";
import { assertRewritten, B } from "../../../support/public_addresses.ts";

const TAIL = "0 1700000000000 3 connected";

/** Each case is one line, without its end. */
const LINES: Record<string, string> = {
  "a line of 3.x, without a bus port": `A {10.0.0.1:7000→HOST:8000} master - ${TAIL} 0-5460`,
  "a line with a bus port": `A {10.0.0.1:7000→HOST:8000}@17000 myself,master - ${TAIL} 0-5460`,
  "a line with a hostname":
    `B {10.0.0.2:7001→HOST:8001}@17001,{node-b.internal→HOST} slave A ${TAIL}`,
  "a line with an empty hostname": `B {10.0.0.2:7001→HOST:8001}@17001, slave A ${TAIL}`,
  "fields behind the hostname": `B {10.0.0.2:7001→HOST:8001}@17001,{node-b.internal→HOST}` +
    `,shard-id=x,tls-port=0 slave A ${TAIL}`,
  "fields behind no hostname": `B {10.0.0.2:7001→HOST:8001}@17001,,shard-id=x slave A ${TAIL}`,
  "an announced name for an IP": `B {node-b.internal:7001→HOST:8001}@17001 slave A ${TAIL}`,
  "an IPv6 address without brackets": `C {fd00::3:7002→HOST:8002}@17002 master - ${TAIL} 5461`,
  "the shortest IPv6 address":
    `C {::1:7002→HOST:8002}@17002,{node-c.internal→HOST} master - ${TAIL} 5461`,
  "a node that does not know its IP": `A {→HOST}:{7000→8000}@17000 myself,master - ${TAIL} 0-5460`,
  "a node without a plain-text port": `B {10.0.0.2:0→HOST:8001}@17001 slave A ${TAIL}`,
  "a node without a plain-text port, with a hostname":
    `B {10.0.0.2:0→HOST:8001}@17001,{node-b.internal→HOST} slave A ${TAIL}`,
  "a node that kept its hostname when it lost its address":
    "G :0@0,{node-g.internal→HOST} slave,fail,noaddr A 0 0 3 disconnected",
  "an address that another node had before":
    `B {10.0.0.1:7000→HOST:8001}@17000 master,fail - ${TAIL}`,
  "migrating slots":
    `A {10.0.0.1:7000→HOST:8000}@17000 myself,master - ${TAIL} 0-5 7 [93->-B] [77-<-C]`,
  "a node in handshake, whose id is made up":
    "F {10.0.0.2:7001→HOST:8001}@17001 handshake - 0 0 0 disconnected",
  "a bus port that is the client port of another":
    `A {10.0.0.1:7000→HOST:8000}@7001 noflags - ${TAIL}`,
  "a node without an address": "G :0@0 slave,fail?,noaddr A 0 0 3 disconnected",
  "a line that is not of a node": "vars currentEpoch 6 lastVoteEpoch 0",
  "a word": "word",
  "an empty line": "",
};

for (const [name, line] of Object.entries(LINES)) {
  Deno.test(`CLUSTER NODES and REPLICAS with ${name} are rewritten`, () => {
    for (const start of ["'", "='"]) {
      assertRewritten(rewriteNodes, `${start}${line}\n'`);
      assertRewritten(rewriteNodes, `${start}${line}\n${line}\n'`);
      assertRewritten(rewriteReplicas, `[${start}${line}' ${start}${line}']`);
    }
  });
}

/** Each case is the text behind the address of a line, and how the line refers to its node. */
const REFS: Record<string, object> = {
  [`master - ${TAIL}`]: { id: B },
  [`myself,slave A ${TAIL}`]: { id: B, own: true },
  [`handshake - ${TAIL}`]: { doubtful: true },
  [`handshake,noaddr - ${TAIL}`]: { doubtful: true },
};

for (const [rest, ref] of Object.entries(REFS)) {
  Deno.test(`a line with '${rest}' refers to its node with ${Object.keys(ref)}`, () => {
    const line = `B {10.0.0.2:7001→HOST:8001}@17001,{node-b.internal→HOST} ${rest}`;
    const refs = assertRewritten(rewriteNodes, `'${line}\n'`);
    assertEquals<unknown[]>(refs, [{ ...ref, host: "10.0.0.2", port: 7001 }]);
  });
}

Deno.test("a node's own line belongs to it under an unknown id, too", () => {
  for (const host of ["{→HOST}", "{10.0.0.1→HOST}"]) {
    assertRewritten(rewriteNodes, `'D ${host}:{7000→8000}@17000 myself,master - ${TAIL}\n'`);
  }
});

Deno.test("myself is not the sending node if another line has its id", () => {
  const asked = `A {10.0.0.1:7000→HOST:8000}@17000 slave B ${TAIL}\n`;
  for (const line of ["B {10.0.0.2:7001→HOST:8001}@17001", "D {10.0.0.9:7000→HOST:0}@17000"]) {
    assertRewritten(rewriteNodes, `'${line} myself,master - ${TAIL}\n${asked}'`);
  }
});

Deno.test("a line has an IPv6 public host without brackets", () => {
  const line = `A {10.0.0.1:7000→2001:db8::1:8000}@17000 master - ${TAIL}\n`;
  assertRewritten(rewriteNodes, `'${line}'`, "2001:db8::1");
});

Deno.test("bytes that are not text are kept around an address", () => {
  const line = `A {10.0.0.1:7000→HOST:8000}@17000 master - ${TAIL} \xff\xe9\0\n`;
  assertRewritten(rewriteNodes, `'${line}'`);
});

for (const text of ["NIL", "NULL", "''", "=''", "QUEUED", "(-ERR Unknown node x)"]) {
  Deno.test(`CLUSTER NODES and REPLICAS pass ${text} unchanged`, () => {
    assertRewritten(rewriteNodes, text);
    assertRewritten(rewriteReplicas, text);
  });
}

Deno.test("CLUSTER REPLICAS passes an empty list unchanged", () => {
  for (const text of ["[]", "*-1"]) assertRewritten(rewriteReplicas, text);
});
