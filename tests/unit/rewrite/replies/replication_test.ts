import { assertEquals } from "@std/assert";
import { rewriteInfo } from "../../../../src/rewrite/replies/info.ts";
import { rewriteRole } from "../../../../src/rewrite/replies/role.ts";
import { array, bulk, int, NIL, verbatim } from "../../../support/frames.ts";
import { FixedAddresses, rewritten } from "../../../support/public_addresses.ts";

const HOST = bulk("127.0.0.1");

const ROLES: Record<string, [wire: string, rewritten: string]> = {
  "a primary with replicas": [
    array(
      bulk("master"),
      int(7001),
      array(
        array(bulk("10.0.0.2"), bulk("7001"), bulk("7001")),
        array(bulk("fd00::3"), bulk("7002"), bulk("0")),
        array(bulk("node-b.internal"), bulk("7001"), bulk("0")),
      ),
    ),
    array(
      bulk("master"),
      int(7001),
      array(
        array(HOST, bulk("8001"), bulk("7001")),
        array(HOST, bulk("8002"), bulk("0")),
        array(HOST, bulk("8001"), bulk("0")),
      ),
    ),
  ],
  "a replica": [
    array(bulk("slave"), bulk("10.0.0.2"), int(7001), bulk("connected"), int(7001)),
    array(bulk("slave"), HOST, int(8001), bulk("connected"), int(7001)),
  ],
  "a replica of a TLS primary": [
    array(bulk("slave"), bulk("10.0.0.2"), int(7101), bulk("sync"), int(-1)),
    array(bulk("slave"), HOST, int(8001), bulk("sync"), int(-1)),
  ],
  "a replica of an IPv6 primary": [
    array(bulk("slave"), bulk("fd00::3"), int(7002), bulk("handshake"), int(-1)),
    array(bulk("slave"), HOST, int(8002), bulk("handshake"), int(-1)),
  ],
};

for (const [name, [wire, expected]] of Object.entries(ROLES)) {
  Deno.test(`ROLE of ${name} is rewritten`, () => {
    assertEquals(rewritten(wire, rewriteRole), expected);
  });
}

for (
  const wire of [
    array(bulk("master"), int(7001), array()),
    array(bulk("sentinel"), array(bulk("10.0.0.2"), bulk("7001"))),
    array(),
    "*-1\r\n",
    NIL,
    "+QUEUED\r\n",
    "-NOPERM this user has no permissions to run the 'role' command\r\n",
  ]
) {
  Deno.test(`ROLE passes ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteRole), wire);
  });
}

/** Each case is lines and what they become, if they change. */
const INFOS: Record<string, [line: string, rewritten?: string][]> = {
  "the server": [
    ["# Server"],
    ["redis_version:7.2.4"],
    ["tcp_port:7000", "tcp_port:8000"],
    ["executable:/usr/bin/redis-server"],
    ["config_file:/etc/tcp_port:7000.conf"],
    [
      "listener0:name=tcp,bind=10.0.0.1,bind=-::1,port=7000",
      "listener0:name=tcp,bind=127.0.0.1,bind=127.0.0.1,port=8000",
    ],
    ["listener1:name=unix,bind=/run/redis.sock"],
    [
      "listener2:name=tls,bind=*,bind=-::*,port=7100",
      "listener2:name=tls,bind=*,bind=-::*,port=8000",
    ],
    ["availability_zone:eu-1a"],
  ],
  "a replica": [
    ["# Replication"],
    ["role:slave"],
    ["master_host:10.0.0.2", "master_host:127.0.0.1"],
    ["master_port:7001", "master_port:8001"],
    ["master_link_status:up"],
    ["slave_repl_offset:7001"],
    ["slave_priority:100"],
    ["connected_slaves:0"],
    ["master_replid:3b8c0f"],
  ],
  "a replica of an IPv6 primary": [
    ["role:slave"],
    ["master_host:fd00::3", "master_host:127.0.0.1"],
    ["master_port:7002", "master_port:8002"],
  ],
  "a primary": [
    ["role:master"],
    ["connected_slaves:3"],
    [
      "slave0:ip=10.0.0.2,port=7001,state=online,offset=42,lag=1",
      "slave0:ip=127.0.0.1,port=8001,state=online,offset=42,lag=1",
    ],
    [
      "slave1:ip=fd00::3,port=7002,state=wait_bgsave,offset=0,lag=0,type=replica",
      "slave1:ip=127.0.0.1,port=8002,state=wait_bgsave,offset=0,lag=0,type=replica",
    ],
    [
      "slave10:ip=node-b.internal,port=7001,state=online,offset=0,lag=0,io-thread=1",
      "slave10:ip=127.0.0.1,port=8001,state=online,offset=0,lag=0,io-thread=1",
    ],
    ["master_failover_state:no-failover"],
  ],
  "the rest": [
    ["# Cluster"],
    ["cluster_enabled:1"],
    [""],
    ["# Commandstats"],
    ["cmdstat_cluster|slots:calls=7000,usec=7001,usec_per_call=1.00"],
    ["errorstat_MOVED:count=7000"],
    ["db0:keys=7000,expires=0,avg_ttl=0"],
    ["slave_expires_tracked_keys:0"],
    ["tcp_portable:7000"],
    ["10.0.0.2:7001"],
  ],
};

for (const [name, lines] of Object.entries(INFOS)) {
  Deno.test(`INFO of ${name} is rewritten`, () => {
    for (const text of [bulk, verbatim]) {
      const wire = text(lines.map(([line]) => `${line}\r\n`).join(""));
      const expected = text(lines.map(([line, wanted = line]) => `${wanted}\r\n`).join(""));
      assertEquals(rewritten(wire, rewriteInfo), expected);
    }
  });
}

Deno.test("INFO of all sections at once is rewritten", () => {
  const lines = Object.values(INFOS).filter((_lines, index) => index !== 2).flat();
  const wire = verbatim(lines.map(([line]) => `${line}\r\n`).join(""));
  const expected = verbatim(lines.map(([line, wanted = line]) => `${wanted}\r\n`).join(""));
  assertEquals(rewritten(wire, rewriteInfo), expected);
});

Deno.test("INFO and ROLE have an IPv6 public host without brackets", () => {
  const addresses = new FixedAddresses("2001:db8::1");
  assertEquals(
    rewritten(bulk("master_host:10.0.0.2\r\nmaster_port:7001\r\n"), rewriteInfo, addresses),
    bulk("master_host:2001:db8::1\r\nmaster_port:8001\r\n"),
  );
  assertEquals(
    rewritten(array(bulk("slave"), bulk("10.0.0.2"), int(7001)), rewriteRole, addresses),
    array(bulk("slave"), bulk("2001:db8::1"), int(8001)),
  );
});

for (const wire of [NIL, bulk(""), verbatim("\r\n"), "+QUEUED\r\n", "-NOAUTH x\r\n", array()]) {
  Deno.test(`INFO passes ${JSON.stringify(wire)} unchanged`, () => {
    assertEquals(rewritten(wire, rewriteInfo), wire);
  });
}
