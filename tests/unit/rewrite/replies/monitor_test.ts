import { assertEquals } from "@std/assert";
import { readMonitorHead, rewriteMonitored } from "../../../../src/rewrite/replies/monitor.ts";
import { monitored } from "../../../support/frames.ts";
import { rewritten, TableNaming } from "../../../support/naming.ts";

/** Each case is the client of a line and what is shown of it; without that it stays. */
const CLIENTS: [client: string, shown?: string][] = [
  ["10.0.0.99:40001", "198.51.100.7:50001"],
  ["[fd00::99]:40002", "[2001:db8::7]:50002"],
  ["10.0.0.2:40003", "127.0.0.1:40003"],
  ["[fd00::4]:40003", "127.0.0.1:40003"],
  ["?:0", "127.0.0.1:0"],
  ["lua"],
  ["unix:/run/redis.sock"],
  ["unix:/run/redis:7000"],
  ["unix:/run/a [0 10.0.0.99:40001] b"],
];

for (const [client, shown = client] of CLIENTS) {
  Deno.test(`MONITOR shows the client ${client} as ${shown}`, () => {
    for (const words of [["GET", "k"], ["PING"], ["MIGRATE", "h"]]) {
      const line = monitored(client, words);
      assertEquals(rewritten(line, rewriteMonitored), monitored(shown, words));
      const peer = readMonitorHead(line.slice(1))?.peer;
      const place = peer && line.slice(1).slice(peer.from, peer.to);
      assertEquals(place, shown === client ? undefined : client);
    }
  });
}

/** Each case is the words of a request and what is shown of them; without that they stay. */
const REQUESTS: [words: string, shown?: string][] = [
  ["MIGRATE 10.0.0.2 7001 k 0 5000", "MIGRATE 127.0.0.1 8001 k 0 5000"],
  ["migrate fd00::3 7002 k 0 5000", "migrate 127.0.0.1 8002 k 0 5000"],
  ["MIGRATE node-b.internal 7001  0 9 KEYS", "MIGRATE 127.0.0.1 8001  0 9 KEYS"],
  [
    "MIGRATE 10.0.0.2 7001 10.0.0.2:7001 0 9 KEYS 10.0.0.2 7001",
    "MIGRATE 127.0.0.1 8001 10.0.0.2:7001 0 9 KEYS 10.0.0.2 7001",
  ],
  [
    'MIGRATE 10.0.0.2 7001 a"b\\c\r\n\t\x07\b\0\xff 0 9',
    'MIGRATE 127.0.0.1 8001 a"b\\c\r\n\t\x07\b\0\xff 0 9',
  ],
  ["CLUSTER MEET 10.0.0.2 7001 17001", "CLUSTER MEET 127.0.0.1 8001 17001"],
  ["REPLICAOF 10.0.0.2 7001", "REPLICAOF 127.0.0.1 8001"],
  ["slaveOf 10.0.0.2 7001", "slaveOf 127.0.0.1 8001"],
  ["FAILOVER TIMEOUT 9 TO 10.0.0.2 7001", "FAILOVER TIMEOUT 9 TO 127.0.0.1 8001"],
  ["CLIENT KILL 10.0.0.99:40001", "CLIENT KILL 198.51.100.7:50001"],
  [
    'CLIENT KILL USER " ADDR [fd00::99]:40002 LADDR 10.0.0.1:7000',
    'CLIENT KILL USER " ADDR [2001:db8::7]:50002 LADDR 127.0.0.1:8000',
  ],
  ["CLIENT LIST LADDR 10.0.0.1:7000", "CLIENT LIST LADDR 127.0.0.1:8000"],
  ["MIGRATE 10.9.9.9 7001 k 0 9"],
  ['MIGRATE "10.0.0.2" 7001 k 0 9'],
  ["MIGRATE 10.0.0.2"],
  ['MIGRATE " \\ 10.0.0.2 7001'],
  ["SET 10.0.0.2 7001"],
  ["GET 10.0.0.2:7001"],
  ["GET MIGRATE 10.0.0.2 7001"],
  ['"MIGRATE" 10.0.0.2 7001'],
];

for (const [words, shown = words] of REQUESTS) {
  Deno.test(`MONITOR shows ${JSON.stringify(words)} as ${JSON.stringify(shown)}`, () => {
    const line = (words: string) => monitored("lua", words.split(" "));
    assertEquals(rewritten(line(words), rewriteMonitored), line(shown));
  });
}

Deno.test("MONITOR names a node in the words that are translated, and in no others", () => {
  for (const [words, shown = words] of REQUESTS) {
    const text = monitored("10.0.0.99:40001", words.split(" ")).slice(1);
    const naming = /^(MIGRATE|REPLICAOF|SLAVEOF|FAILOVER|CLUSTER MEET|CLIENT (KILL|LIST))/i;
    assertEquals(readMonitorHead(text)?.namesNode, naming.test(words), words);
    if (shown !== words) assertEquals(readMonitorHead(text)?.namesNode, true, words);
  }
});

Deno.test("of a line that is cut off all words are rewritten that are whole", () => {
  const line = monitored("10.0.0.99:40001", ["MIGRATE", "10.0.0.2", "7001", 'a"b\\', "0"]);
  const shown = monitored("198.51.100.7:50001", ["MIGRATE", "127.0.0.1", "8001", 'a"b\\', "0"]);
  const known = line.indexOf('"7001"') + '"7001"'.length;
  for (let length = known; length < line.length - 2; length++) {
    const rest = line.slice(known, length);
    const kept = shown.slice(0, shown.indexOf('"8001"') + '"8001"'.length) + rest;
    assertEquals(rewritten(`${line.slice(0, length)}\r\n`, rewriteMonitored), `${kept}\r\n`);
  }
});

Deno.test("what a line of MONITOR repeats may be no node's address", () => {
  const naming = new TableNaming();
  rewritten(monitored("lua", ["MIGRATE", "10.9.9.9", "7001"]), rewriteMonitored, naming);
  assertEquals(naming.mentions, [{ host: "10.9.9.9", port: 7001, doubtful: true }]);
});

Deno.test("an IPv6 address in a line of MONITOR has brackets on the public side, too", () => {
  const line = monitored("10.0.0.2:40003", ["CLIENT", "LIST", "LADDR", "10.0.0.1:7000"]);
  assertEquals(
    rewritten(line, rewriteMonitored, new TableNaming("2001:db8::1")),
    monitored("[2001:db8::1]:40003", ["CLIENT", "LIST", "LADDR", "[2001:db8::1]:8000"]),
  );
});

for (
  const wire of [
    "+OK\r\n",
    "+\r\n",
    "+1700000000.123456\r\n",
    '+1700000000.123456 [0 10.0.0.99:40001 "GET"\r\n',
    "+1700000000.123456 [0 10.0.0.99:40001] GET\r\n",
    '+x1700000000.123456 [0 10.0.0.99:40001] "GET"\r\n',
  ]
) {
  Deno.test(`${JSON.stringify(wire)} is no line of MONITOR`, () => {
    assertEquals(readMonitorHead(wire.slice(1, -2)), undefined);
    assertEquals(rewritten(wire, rewriteMonitored), wire);
  });
}
