import { assertEquals } from "@std/assert";
import { rewriteAclLog, rewriteSlowlog } from "../../../../src/rewrite/replies/slowlog.ts";
import { array, bulk, int, map, NIL, verbatim } from "../../../support/frames.ts";
import { rewritten, TableNaming } from "../../../support/naming.ts";

/** Each case is the words of a request and what a client gets; without that they stay. */
const REQUESTS: [words: string, rewritten?: string][] = [
  ["MIGRATE 10.0.0.2 7001 k 0 5000", "MIGRATE 127.0.0.1 8001 k 0 5000"],
  ["migrate node-b.internal 7001 k 0 5000", "migrate 127.0.0.1 8001 k 0 5000"],
  [
    "MIGRATE 10.0.0.2 7001 k 0 9 KEYS 10.0.0.2 7001",
    "MIGRATE 127.0.0.1 8001 k 0 9 KEYS 10.0.0.2 7001",
  ],
  ["CLUSTER MEET fd00::3 7002 17002", "CLUSTER MEET 127.0.0.1 8002 17002"],
  ["CLUSTER FORGET 10.0.0.2 7001"],
  ["REPLICAOF 10.0.0.2 7001", "REPLICAOF 127.0.0.1 8001"],
  ["SLAVEOF 10.0.0.2 7001", "SLAVEOF 127.0.0.1 8001"],
  ["SLAVEOF NO ONE"],
  ["FAILOVER TO 10.0.0.2 7001 FORCE", "FAILOVER TO 127.0.0.1 8001 FORCE"],
  ["failover timeout 9 to 10.0.0.2 7001", "failover timeout 9 to 127.0.0.1 8001"],
  ["FAILOVER ABORT"],
  ["CLIENT KILL 10.0.0.99:40001", "CLIENT KILL 198.51.100.7:50001"],
  [
    "CLIENT KILL ADDR [fd00::99]:40002 LADDR 10.0.0.1:7000",
    "CLIENT KILL ADDR [2001:db8::7]:50002 LADDR 127.0.0.1:8000",
  ],
  ["CLIENT LIST LADDR 10.0.0.1:7000", "CLIENT LIST LADDR 127.0.0.1:8000"],
  ["CLIENT KILL 10.9.9.9:7001"],
  ["MIGRATE 10.9.9.9 7001 k 0 5000"],
  ["MIGRATE 10.0.0.2"],
  ["MIGRATE 10.0.0.2 x"],
  ["MIGRATE"],
  ["SET 10.0.0.2 7001"],
  ["GET 10.0.0.2:7001"],
  ["MIGRATE ... (40 more arguments)"],
];

for (const [words, expected = words] of REQUESTS) {
  Deno.test(`SLOWLOG GET shows ${words} as ${expected}`, () => {
    const entry = (words: string) =>
      array(int(1), int(1700000000), int(7001), array(...words.split(" ").map(bulk)));
    assertEquals(
      rewritten(array(entry(words), entry(words)), rewriteSlowlog),
      array(entry(expected), entry(expected)),
    );
  });
}

/** Each case is the address of a client and what a client gets. */
const PEERS: Record<string, string> = {
  "10.0.0.99:40001": "198.51.100.7:50001",
  "[fd00::99]:40002": "[2001:db8::7]:50002",
  "10.0.0.2:40003": "127.0.0.1:40003",
  "[fd00::4]:40003": "127.0.0.1:40003",
  "/run/redis.sock:0": "/run/redis.sock:0",
  "": "",
};

for (const [address, expected] of Object.entries(PEERS)) {
  Deno.test(`SLOWLOG GET shows the client '${address}' as '${expected}'`, () => {
    const entry = (address: string) =>
      array(
        int(1),
        int(2),
        int(3),
        array(bulk("GET"), bulk("k")),
        bulk(address),
        bulk("10.0.0.1:1"),
      );
    assertEquals(rewritten(array(entry(address)), rewriteSlowlog), array(entry(expected)));
  });
}

Deno.test("what a record repeats may be no node's address", () => {
  const naming = new TableNaming();
  const words = ["REPLICAOF", "10.9.9.9", "7001"].map(bulk);
  rewritten(array(array(int(1), int(2), int(3), array(...words))), rewriteSlowlog, naming);
  assertEquals(naming.mentions, [{ host: "10.9.9.9", port: 7001, doubtful: true }]);
});

Deno.test("ACL LOG shows a client as CLIENT LIST does", () => {
  const line = "id=3 addr=10.0.0.99:40001 laddr=10.0.0.1:7000 name=";
  const expected = "id=3 addr=198.51.100.7:50001 laddr=127.0.0.1:8000 name=";
  for (const pairs of [array, map]) {
    for (const text of [bulk, verbatim]) {
      const entry = (line: string) =>
        pairs(
          bulk("count"),
          int(1),
          bulk("object"),
          bulk("addr=10.0.0.99:40001"),
          bulk("client-info"),
          text(line),
          bulk("entry-id"),
          int(0),
        );
      assertEquals(
        rewritten(array(entry(line), entry(line)), rewriteAclLog),
        array(entry(expected), entry(expected)),
      );
    }
  }
});

for (
  const wire of [
    array(),
    "*-1\r\n",
    NIL,
    int(3),
    array(NIL, int(1), array(), array(int(1), int(2), int(3), NIL, NIL)),
    array(array(bulk("client-info"))),
    "+QUEUED\r\n",
    "-NOPERM this user has no permissions to run the 'slowlog|get' command\r\n",
  ]
) {
  Deno.test(`records that are ${JSON.stringify(wire)} stay`, () => {
    for (const rewrite of [rewriteSlowlog, rewriteAclLog]) {
      assertEquals(rewritten(wire, rewrite), wire);
    }
  });
}
