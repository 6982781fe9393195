import { assertEquals } from "@std/assert";
import { rewriteConfig } from "../../src/rewrite/config.ts";
import { array, bulk, int, map, NIL } from "../support/frames.ts";
import { rewritten, TableNaming } from "../support/naming.ts";

/** Each case is a name, its value and what a client gets; without that the value stays. */
const SETTINGS: [name: string, value: string, rewritten?: string][] = [
  ["cluster-announce-ip", "10.0.0.1", "127.0.0.1"],
  ["cluster-announce-ip", ""],
  ["cluster-announce-hostname", "node-a.internal", "127.0.0.1"],
  ["cluster-announce-hostname", ""],
  ["cluster-announce-client-ipv4", "10.0.0.1", "127.0.0.1"],
  ["cluster-announce-client-ipv6", "fd00::1", "127.0.0.1"],
  ["replica-announce-ip", "10.0.0.1", "127.0.0.1"],
  ["slave-announce-ip", "10.0.0.1", "127.0.0.1"],
  ["Cluster-Announce-IP", "10.0.0.1", "127.0.0.1"],
  ["bind", "10.0.0.1", "127.0.0.1"],
  ["bind", "10.0.0.1 fd00::1 -::1", "127.0.0.1"],
  ["bind", "10.0.0.1 -::*", "127.0.0.1 -::*"],
  ["bind", "* -::*"],
  ["bind", ""],
  ["bind-source-addr", "10.0.0.1", "127.0.0.1"],
  ["bind-source-addr", ""],
  ["port", "7000", "8000"],
  ["PORT", "7000", "8000"],
  ["port", "0"],
  ["tls-port", "7100", "8000"],
  ["tls-port", "0"],
  ["cluster-announce-port", "7000", "8000"],
  ["cluster-announce-tls-port", "7100", "8000"],
  ["cluster-announce-client-port", "7000", "8000"],
  ["cluster-announce-client-tls-port", "7100", "8000"],
  ["replica-announce-port", "7000", "8000"],
  ["slave-announce-port", "0"],
  ["replicaof", "10.0.0.2 7001", "127.0.0.1 8001"],
  ["slaveof", "fd00::3 7002", "127.0.0.1 8002"],
  ["replicaof", "10.9.9.9 7001", "127.0.0.1 0"],
  ["replicaof", ""],
  ["cluster-port", "17000"],
  ["cluster-announce-bus-port", "17000"],
  ["unixsocket", "/run/redis.sock"],
  ["requirepass", "10.0.0.1"],
  ["maxmemory", "7000"],
];

for (const [name, value, expected = value] of SETTINGS) {
  Deno.test(`CONFIG GET of ${name} '${value}' is '${expected}'`, () => {
    const others = [bulk("masterauth"), bulk("port"), bulk("databases"), bulk("16")];
    for (const pairs of [array, map]) {
      assertEquals(
        rewritten(pairs(...others, bulk(name), bulk(value), ...others), rewriteConfig),
        pairs(...others, bulk(name), bulk(expected), ...others),
      );
    }
  });
}

Deno.test("CONFIG GET names a primary as such, and has an IPv6 host without brackets", () => {
  const naming = new TableNaming("2001:db8::1");
  assertEquals(
    rewritten(
      array(bulk("replicaof"), bulk("10.0.0.2 7001"), bulk("bind"), bulk("10.0.0.1 -::1")),
      rewriteConfig,
      naming,
    ),
    array(bulk("replicaof"), bulk("2001:db8::1 8001"), bulk("bind"), bulk("2001:db8::1")),
  );
  assertEquals(naming.mentions, [{ relation: "primary", host: "10.0.0.2", port: 7001 }]);
});

for (
  const wire of [
    array(),
    map(),
    "*-1\r\n",
    NIL,
    array(bulk("bind")),
    array(bulk("bind"), NIL),
    array(bulk("port"), int(7000)),
    array(NIL, bulk("10.0.0.1")),
    "+QUEUED\r\n",
    "-NOPERM this user has no permissions to run the 'config|get' command\r\n",
  ]
) {
  Deno.test(`CONFIG GET that is ${JSON.stringify(wire)} stays`, () => {
    assertEquals(rewritten(wire, rewriteConfig), wire);
  });
}
