import { assertEquals } from "@std/assert";
import { rewriteNodes, rewriteReplicas } from "../../../../src/rewrite/replies/nodes.ts";
import { array, bulk, NIL, verbatim } from "../../../support/frames.ts";
import { A, B, C, FixedAddresses, G, rewritten } from "../../../support/public_addresses.ts";

const TAIL = "0 1700000000000 3 connected";

/** Each case is one line, without its end. */
const LINES: Record<string, [line: string, rewritten: string]> = {
  "a line of 3.x, without a bus port": [
    `${A} 10.0.0.1:7000 master - ${TAIL} 0-5460`,
    `${A} 127.0.0.1:8000 master - ${TAIL} 0-5460`,
  ],
  "a line with a bus port": [
    `${A} 10.0.0.1:7000@17000 myself,master - ${TAIL} 0-5460`,
    `${A} 127.0.0.1:8000@17000 myself,master - ${TAIL} 0-5460`,
  ],
  "a line with a hostname": [
    `${B} 10.0.0.2:7001@17001,node-b.internal slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001,127.0.0.1 slave ${A} ${TAIL}`,
  ],
  "a line with an empty hostname": [
    `${B} 10.0.0.2:7001@17001, slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001, slave ${A} ${TAIL}`,
  ],
  "fields behind the hostname": [
    `${B} 10.0.0.2:7001@17001,node-b.internal,shard-id=x,tls-port=0 slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001,127.0.0.1,shard-id=x,tls-port=0 slave ${A} ${TAIL}`,
  ],
  "fields behind no hostname": [
    `${B} 10.0.0.2:7001@17001,,shard-id=x slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001,,shard-id=x slave ${A} ${TAIL}`,
  ],
  "an announced name for an IP": [
    `${B} node-b.internal:7001@17001 slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001 slave ${A} ${TAIL}`,
  ],
  "an IPv6 address without brackets": [
    `${C} fd00::3:7002@17002 master - ${TAIL} 5461`,
    `${C} 127.0.0.1:8002@17002 master - ${TAIL} 5461`,
  ],
  "the shortest IPv6 address": [
    `${C} ::1:7002@17002,node-c.internal master - ${TAIL} 5461`,
    `${C} 127.0.0.1:8002@17002,127.0.0.1 master - ${TAIL} 5461`,
  ],
  "a node that does not know its IP": [
    `${A} :7000@17000 myself,master - ${TAIL} 0-5460`,
    `${A} 127.0.0.1:8000@17000 myself,master - ${TAIL} 0-5460`,
  ],
  "a node without a plain-text port": [
    `${B} 10.0.0.2:0@17001 slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001 slave ${A} ${TAIL}`,
  ],
  "a node without a plain-text port, with a hostname": [
    `${B} 10.0.0.2:0@17001,node-b.internal slave ${A} ${TAIL}`,
    `${B} 127.0.0.1:8001@17001,127.0.0.1 slave ${A} ${TAIL}`,
  ],
  "a node that kept its hostname when it lost its address": [
    `${G} :0@0,node-g.internal slave,fail,noaddr ${A} 0 0 3 disconnected`,
    `${G} :0@0,127.0.0.1 slave,fail,noaddr ${A} 0 0 3 disconnected`,
  ],
  "an address that another node had before": [
    `${B} 10.0.0.1:7000@17000 master,fail - ${TAIL}`,
    `${B} 127.0.0.1:8000@17000 master,fail - ${TAIL}`.replace("8000", "8001"),
  ],
  "migrating slots": [
    `${A} 10.0.0.1:7000@17000 myself,master - ${TAIL} 0-5 7 [93->-${B}] [77-<-${C}]`,
    `${A} 127.0.0.1:8000@17000 myself,master - ${TAIL} 0-5 7 [93->-${B}] [77-<-${C}]`,
  ],
  "a node in handshake, whose id is made up": [
    `${"f".repeat(40)} 10.0.0.2:7001@17001 handshake - 0 0 0 disconnected`,
    `${"f".repeat(40)} 127.0.0.1:8001@17001 handshake - 0 0 0 disconnected`,
  ],
  "a bus port that is the client port of another": [
    `${A} 10.0.0.1:7000@7001 noflags - ${TAIL}`,
    `${A} 127.0.0.1:8000@7001 noflags - ${TAIL}`,
  ],
  "a node without an address": [
    `${G} :0@0 slave,fail?,noaddr ${A} 0 0 3 disconnected`,
    `${G} :0@0 slave,fail?,noaddr ${A} 0 0 3 disconnected`,
  ],
  "a line that is not of a node": [
    "vars currentEpoch 6 lastVoteEpoch 0",
    "vars currentEpoch 6 lastVoteEpoch 0",
  ],
  "a word": ["word", "word"],
  "an empty line": ["", ""],
};

for (const [name, [line, expected]] of Object.entries(LINES)) {
  Deno.test(`CLUSTER NODES with ${name} is rewritten`, () => {
    for (const text of [bulk, verbatim]) {
      for (const wrap of [(text: string) => `${text}\n`, (text: string) => `${text}\n${text}\n`]) {
        assertEquals(rewritten(text(wrap(line)), rewriteNodes), text(wrap(expected)));
      }
    }
  });

  Deno.test(`CLUSTER REPLICAS with ${name} is rewritten`, () => {
    for (const text of [bulk, verbatim]) {
      const wire = array(text(line), text(line));
      assertEquals(rewritten(wire, rewriteReplicas), array(text(expected), text(expected)));
    }
  });
}

Deno.test("a line refers to its node by id, except in handshake", () => {
  const line = `${B} 10.0.0.2:7001@17001,node-b.internal`;
  const cases: [line: string, ...refs: object[]][] = [
    [`${line} master - ${TAIL}`, { id: B, host: "10.0.0.2", port: 7001 }],
    [
      `${line} myself,slave ${A} ${TAIL}`,
      { id: B, host: "10.0.0.2", port: 7001, own: true },
    ],
    [`${line} handshake - ${TAIL}`, { host: "10.0.0.2", port: 7001, doubtful: true }],
    [`${line} handshake,noaddr - ${TAIL}`, { host: "10.0.0.2", port: 7001, doubtful: true }],
  ];
  for (const [line, ...refs] of cases) {
    const addresses = new FixedAddresses();
    rewritten(bulk(`${line}\n`), rewriteNodes, addresses);
    assertEquals<unknown[]>(addresses.refs, refs, line);
  }
});

const NEW = "d".repeat(40);

Deno.test("a node's own line belongs to it under an unknown id, too", () => {
  for (const address of [":7000", "10.0.0.1:7000"]) {
    assertEquals(
      rewritten(bulk(`${NEW} ${address}@17000 myself,master - ${TAIL}\n`), rewriteNodes),
      bulk(`${NEW} 127.0.0.1:8000@17000 myself,master - ${TAIL}\n`),
    );
  }
});

Deno.test("myself is not the sending node if another line has its id", () => {
  const asked = `${A} 10.0.0.1:7000@17000 slave ${B} ${TAIL}\n`;
  const shown = `${A} 127.0.0.1:8000@17000 slave ${B} ${TAIL}\n`;
  const cases: [line: string, rewritten: string][] = [
    [`${B} 10.0.0.2:7001@17001`, `${B} 127.0.0.1:8001@17001`],
    [`${NEW} 10.0.0.9:7000@17000`, `${NEW} 127.0.0.1:0@17000`],
  ];
  for (const [line, wanted] of cases) {
    const own = ` myself,master - ${TAIL}\n`;
    assertEquals(
      rewritten(bulk(line + own + asked), rewriteNodes),
      bulk(wanted + own + shown),
    );
  }
});

Deno.test("a line has an IPv6 public host without brackets", () => {
  const addresses = new FixedAddresses("2001:db8::1");
  assertEquals(
    rewritten(bulk(`${A} 10.0.0.1:7000@17000 master - ${TAIL}\n`), rewriteNodes, addresses),
    bulk(`${A} 2001:db8::1:8000@17000 master - ${TAIL}\n`),
  );
});

Deno.test("bytes that are not text are kept around an address", () => {
  const line = (address: string) => bulk(`${A} ${address}@17000 master - ${TAIL} \xff\xe9\0\n`);
  assertEquals(rewritten(line("10.0.0.1:7000"), rewriteNodes), line("127.0.0.1:8000"));
});

for (
  const wire of [NIL, "_\r\n", bulk(""), verbatim(""), "+QUEUED\r\n", "-ERR Unknown node x\r\n"]
) {
  Deno.test(`CLUSTER NODES and REPLICAS pass ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteNodes), wire);
    assertEquals(rewritten(wire, rewriteReplicas), wire);
  });
}

Deno.test("CLUSTER REPLICAS passes an empty list unchanged", () => {
  for (const wire of [array(), "*-1\r\n"]) assertEquals(rewritten(wire, rewriteReplicas), wire);
});
