import { rewriteInfo } from "../../../../src/rewrite/replies/info.ts";
import { rewriteRole } from "../../../../src/rewrite/replies/role.ts";
import { assertRewritten } from "../../../support/public_addresses.ts";

const ROLES: Record<string, string> = {
  "a primary with replicas": `[master :7001 [
    [{10.0.0.2→HOST} {7001→8001} 7001]
    [{fd00::3→HOST} {7002→8002} 0]
    [{node-b.internal→HOST} {7001→8001} 0]]]`,
  "a replica": "[slave {10.0.0.2→HOST} :{7001→8001} connected :7001]",
  "a replica of a TLS primary": "[slave {10.0.0.2→HOST} :{7101→8001} sync :-1]",
  "a replica of an IPv6 primary": "[slave {fd00::3→HOST} :{7002→8002} handshake :-1]",
};

for (const [name, text] of Object.entries(ROLES)) {
  Deno.test(`ROLE of ${name} is rewritten`, () => {
    assertRewritten(rewriteRole, text);
  });
}

for (
  const text of ["[master :7001 []]", "[sentinel [10.0.0.2 7001]]", "[]", "*-1", "NIL", "QUEUED"]
    .concat("(-NOPERM this user has no permissions to run the 'role' command)")
) {
  Deno.test(`ROLE passes ${text} unchanged`, () => {
    assertRewritten(rewriteRole, text);
  });
}

const INFOS: Record<string, string> = {
  "the server": `
    # Server
    redis_version:7.2.4
    tcp_port:{7000→8000}
    executable:/usr/bin/redis-server
    config_file:/etc/tcp_port:7000.conf
    listener0:name=tcp,bind={10.0.0.1→HOST},bind={-::1→HOST},port={7000→8000}
    listener1:name=unix,bind=/run/redis.sock
    listener2:name=tls,bind=*,bind=-::*,port={7100→8000}
    availability_zone:eu-1a`,
  "a replica": `
    # Replication
    role:slave
    master_host:{10.0.0.2→HOST}
    master_port:{7001→8001}
    master_link_status:up
    slave_repl_offset:7001
    slave_priority:100
    connected_slaves:0
    master_replid:3b8c0f`,
  "a replica of an IPv6 primary": `
    role:slave
    master_host:{fd00::3→HOST}
    master_port:{7002→8002}`,
  "a primary": `
    role:master
    connected_slaves:3
    slave0:ip={10.0.0.2→HOST},port={7001→8001},state=online,offset=42,lag=1
    slave1:ip={fd00::3→HOST},port={7002→8002},state=wait_bgsave,offset=0,lag=0,type=replica
    slave10:ip={node-b.internal→HOST},port={7001→8001},state=online,offset=0,lag=0,io-thread=1
    master_failover_state:no-failover`,
  "the rest": `
    # Cluster
    cluster_enabled:1

    # Commandstats
    cmdstat_cluster|slots:calls=7000,usec=7001,usec_per_call=1.00
    errorstat_MOVED:count=7000
    db0:keys=7000,expires=0,avg_ttl=0
    slave_expires_tracked_keys:0
    tcp_portable:7000
    10.0.0.2:7001`,
};

/** The lines of an INFO as servers send them. */
function linesOf(text: string): string {
  return text.trimStart().split("\n").map((line) => `${line.trimStart()}\r\n`).join("");
}

for (const [name, text] of Object.entries(INFOS)) {
  Deno.test(`INFO of ${name} is rewritten`, () => {
    for (const start of ["'", "='"]) assertRewritten(rewriteInfo, `${start}${linesOf(text)}'`);
  });
}

Deno.test("INFO of all sections at once is rewritten", () => {
  const { "a replica of an IPv6 primary": _left, ...texts } = INFOS;
  assertRewritten(rewriteInfo, `='${Object.values(texts).map(linesOf).join("")}'`);
});

Deno.test("INFO and ROLE have an IPv6 public host without brackets", () => {
  const host = "2001:db8::1";
  const info = `'master_host:{10.0.0.2→${host}}\r\nmaster_port:{7001→8001}\r\n'`;
  assertRewritten(rewriteInfo, info, host);
  assertRewritten(rewriteRole, `[slave {10.0.0.2→${host}} :{7001→8001}]`, host);
});

for (const text of ["NIL", "''", "='\r\n'", "QUEUED", "(-NOAUTH x)", "[]"]) {
  Deno.test(`INFO passes ${JSON.stringify(text)} unchanged`, () => {
    assertRewritten(rewriteInfo, text);
  });
}
