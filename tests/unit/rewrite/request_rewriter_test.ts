import { assertEquals } from "@std/assert";
import { COMMANDS } from "../../../src/commands/command_spec.ts";
import type { HostPort } from "../../../src/platform/address.ts";
import type { AddressMap, MappedNode } from "../../../src/rewrite/address_map.ts";
import { rewriteRequestArgs } from "../../../src/rewrite/request_rewriter.ts";
import { EmptyAddressMap } from "../../support/address_map.ts";

const PUBLIC_HOST = "nat.example";

/** Nodes by public port. */
const NODES: Record<number, MappedNode> = {
  8000: { address: { host: "10.0.0.1", port: 7000 }, busPort: 17000 },
  8001: { address: { host: "10.0.0.2", port: 7001 }, busPort: 7501 },
  8002: { address: { host: "node-c.internal", port: 7002 }, busPort: 17002 },
  8003: { address: { host: "nowhere.internal", port: 7003 }, busPort: 17003 },
  8004: { address: { host: "fd00::4", port: 7004 }, busPort: undefined },
  8005: { address: { host: "10.0.0.5", port: 7005 }, busPort: 17105, peerPort: 7105 },
};

const NAMES: Record<string, string[]> = {
  [PUBLIC_HOST]: ["203.0.113.7", "2001:db8::7"],
  // The first is of another address family than the upstream connection.
  "node-c.internal": ["fd00::3", "10.0.0.3"],
};

const UPSTREAMS: Record<string, string> = {
  "198.51.100.7:50001": "10.0.0.99:40001",
  "[2001:db8::9]:50002": "[fd00::99]:40002",
};

/** Fixed addresses on both sides. The second node has a private address that looks public. */
class FixedAddressMap extends EmptyAddressMap {
  /** The host names that were resolved, in order. */
  readonly resolved: string[] = [];

  constructor({ publicHost = PUBLIC_HOST, reachedAt = "192.0.2.1" } = {}) {
    super();
    this.publicHost = publicHost;
    this.reachedAt = reachedAt;
  }

  override nodeAt(port: number): MappedNode | undefined {
    return NODES[port];
  }

  override isPrivate({ host, port }: HostPort): boolean {
    return host === "203.0.113.7" && port === 8001;
  }

  override upstreamOf(client: string): string | undefined {
    return UPSTREAMS[client];
  }

  override resolve(host: string): Promise<readonly string[]> {
    this.resolved.push(host);
    return Promise.resolve(NAMES[host] ?? []);
  }
}

/** Rewrites a request as the session does. */
async function rewritten(
  args: readonly string[],
  addressMap: AddressMap,
): Promise<readonly string[] | undefined> {
  const address = COMMANDS.findByName(args[0]!)?.address(args);
  return address && await rewriteRequestArgs(args, address, addressMap);
}

/** Each case is a request and what it becomes. */
const REWRITTEN: Record<string, string> = {
  "CLUSTER MEET nat.example 8000": "CLUSTER MEET 10.0.0.1 7000",
  "cluster meet NAT.Example 8000": "cluster meet 10.0.0.1 7000",
  "CLUSTER MEET nat.example 8001": "CLUSTER MEET 10.0.0.2 7001 7501",
  "CLUSTER MEET nat.example 8001 17001": "CLUSTER MEET 10.0.0.2 7001 17001",
  "CLUSTER MEET nat.example 8002": "CLUSTER MEET 10.0.0.3 7002",
  "CLUSTER MEET nat.example 8004": "CLUSTER MEET fd00::4 7004",
  "CLUSTER MEET nat.example 8005": "CLUSTER MEET 10.0.0.5 7105",
  "CLUSTER MEET 203.0.113.7 8000": "CLUSTER MEET 10.0.0.1 7000",
  "CLUSTER MEET 2001:DB8:0::7 8000": "CLUSTER MEET 10.0.0.1 7000",
  "CLUSTER MEET 192.0.2.1 8000 18000": "CLUSTER MEET 10.0.0.1 7000 18000",
  "MIGRATE nat.example 8000 k 0 9": "MIGRATE 10.0.0.1 7000 k 0 9",
  "migrate 203.0.113.7 8002": "migrate node-c.internal 7002",
  "MIGRATE nat.example 8003": "MIGRATE nowhere.internal 7003",
  "MIGRATE nat.example 8005": "MIGRATE 10.0.0.5 7105",
  "REPLICAOF nat.example 8000": "REPLICAOF 10.0.0.1 7000",
  "SlaveOf nat.example 8001": "SlaveOf 10.0.0.2 7001",
  "FAILOVER TO nat.example 8000": "FAILOVER TO 10.0.0.1 7000",
  "FAILOVER TIMEOUT 9 to nat.example 8000 FORCE": "FAILOVER TIMEOUT 9 to 10.0.0.1 7000 FORCE",
  "CLIENT KILL 198.51.100.7:50001": "CLIENT KILL 10.0.0.99:40001",
  "client kill [2001:db8::9]:50002": "client kill [fd00::99]:40002",
  "CLIENT KILL ADDR 198.51.100.7:50001": "CLIENT KILL ADDR 10.0.0.99:40001",
  "CLIENT KILL TYPE normal addr [2001:db8::9]:50002 SKIPME no":
    "CLIENT KILL TYPE normal addr [fd00::99]:40002 SKIPME no",
  "CLIENT KILL USER addr ADDR 198.51.100.7:50001": "CLIENT KILL USER addr ADDR 10.0.0.99:40001",
  "CLIENT KILL ID 7 ADDR 198.51.100.7:50001": "CLIENT KILL ID 7 ADDR 10.0.0.99:40001",
  "CLIENT KILL LADDR nat.example:8000": "CLIENT KILL LADDR 10.0.0.1:7000",
  "CLIENT KILL LADDR 203.0.113.7:8000": "CLIENT KILL LADDR 10.0.0.1:7000",
  "CLIENT KILL LADDR [2001:db8::7]:8000": "CLIENT KILL LADDR 10.0.0.1:7000",
  "CLIENT LIST LADDR nat.example:8000": "CLIENT LIST LADDR 10.0.0.1:7000",
  "CLIENT LIST ID 1 2 3 ADDR 198.51.100.7:50001 TYPE normal":
    "CLIENT LIST ID 1 2 3 ADDR 10.0.0.99:40001 TYPE normal",
  "CLIENT LIST NOT-ID 1 2 NOT-ADDR 198.51.100.7:50001 NOT-LADDR nat.example:8000":
    "CLIENT LIST NOT-ID 1 2 NOT-ADDR 10.0.0.99:40001 NOT-LADDR 10.0.0.1:7000",
};

for (const [request, expected] of Object.entries(REWRITTEN)) {
  Deno.test(`${request} becomes ${expected}`, async () => {
    const args = await rewritten(request.split(" "), new FixedAddressMap());
    assertEquals(args?.join(" "), expected);
  });
}

Deno.test("localhost is the public host only for clients on the same machine", async () => {
  const request = ["MIGRATE", "localhost", "8000"];
  const here = new FixedAddressMap({ reachedAt: "127.0.0.1" });
  assertEquals(await rewritten(request, here), ["MIGRATE", "10.0.0.1", "7000"]);
  assertEquals(await rewritten(request, new FixedAddressMap()), undefined);
});

/** Requests that pass unchanged, by the reason. */
const UNCHANGED: Record<string, string> = {
  "no public host": "CLUSTER MEET 10.0.0.1 7000, CLUSTER MEET 10.0.0.1 8000, " +
    "CLUSTER MEET 203.0.113.8 8000, CLUSTER MEET other.example 8000, MIGRATE 10.0.0.2 7001 k 0 9, " +
    "CLIENT LIST LADDR 10.0.0.1:7000, CLIENT LIST LADDR other.example:8000, REPLICAOF NO ONE, " +
    "SLAVEOF no one",
  "no public port": "CLUSTER MEET nat.example 7000, CLUSTER MEET nat.example 8009, " +
    "CLUSTER MEET nat.example 8000x, CLUSTER MEET nat.example 08000, CLUSTER MEET nat.example, " +
    "MIGRATE nat.example, FAILOVER TO nat.example, CLIENT LIST LADDR nat.example",
  "the port of another node": "CLIENT LIST LADDR nat.example:8001",
  "a node would refuse it, and echo the address": "CLUSTER MEET nat.example 8000 1 2, " +
    "CLUSTER MEET nat.example 8000 99999, CLUSTER MEET nat.example 8000 0, " +
    "CLUSTER MEET nat.example 8000 x",
  "a host name that does not resolve, where the node accepts only an IP address":
    "CLUSTER MEET nat.example 8003",
  "a private address, which looks public": "CLUSTER MEET 203.0.113.7 8001, " +
    "MIGRATE 203.0.113.7 8001 k 0 9",
  "no address": "CLUSTER MEET, CLUSTER SLOTS, CLUSTER, MIGRATE, FAILOVER, FAILOVER ABORT, " +
    "FAILOVER TO, FAILOVER TIMEOUT 8000, CLIENT KILL, CLIENT KILL ADDR, CLIENT LIST, CLIENT",
  "no address of a client of the proxy": "CLIENT KILL 198.51.100.7:50009, " +
    "CLIENT KILL 10.0.0.99:40001, CLIENT KILL nat.example:8000, CLIENT KILL ADDR 10.0.0.99:40001, " +
    "CLIENT KILL ADDR nat.example:8000",
  "no argument for an address": "TO nat.example 8000, GET nat.example 8000, " +
    "CLIENT KILL SKIPME ADDR 198.51.100.7:50001, CLIENT KILL IP 198.51.100.7, " +
    "CLIENT LIST 198.51.100.7:50001, CLIENT LIST IP nat.example NOT-IP 203.0.113.7, " +
    "CLIENT LIST TYPE laddr nat.example:8000, CLIENT SETNAME 198.51.100.7:50001",
};

for (const [reason, requests] of Object.entries(UNCHANGED)) {
  for (const request of requests.split(", ")) {
    Deno.test(`${request} passes unchanged: ${reason}`, async () => {
      assertEquals(await rewritten(request.split(" "), new FixedAddressMap()), undefined);
    });
  }
}

/** The host names that are resolved for a request. */
const RESOLVED: Record<string, [publicHost: string, names: string[]]> = {
  "MIGRATE nat.example 8000": [PUBLIC_HOST, []],
  "MIGRATE 192.0.2.1 8000": [PUBLIC_HOST, []],
  "MIGRATE 203.0.113.7 8000": [PUBLIC_HOST, [PUBLIC_HOST]],
  "MIGRATE 203.0.113.7 7000": [PUBLIC_HOST, []],
  "MIGRATE 203.0.113.7 8001": [PUBLIC_HOST, []],
  "MIGRATE other.example 8000": [PUBLIC_HOST, []],
  "MIGRATE 203.0.113.8 8000": ["203.0.113.7", []],
  "CLUSTER MEET nat.example 8002": [PUBLIC_HOST, ["node-c.internal"]],
  "CLIENT LIST LADDR 203.0.113.7:8000": [PUBLIC_HOST, [PUBLIC_HOST]],
  "CLIENT LIST LADDR 203.0.113.7:8001": [PUBLIC_HOST, []],
};

for (const [request, [publicHost, names]] of Object.entries(RESOLVED)) {
  Deno.test(`${request} at ${publicHost} resolves ${names.length} host names`, async () => {
    const addressMap = new FixedAddressMap({ publicHost });
    await rewritten(request.split(" "), addressMap);
    assertEquals(addressMap.resolved, names);
  });
}

Deno.test("arguments keep every byte that is not rewritten", async () => {
  const args = ["MIGRATE", PUBLIC_HOST, "8000", "\xff\0\r\n"];
  const expected = ["MIGRATE", "10.0.0.1", "7000", "\xff\0\r\n"];
  assertEquals(await rewritten(args, new FixedAddressMap()), expected);
});

Deno.test("the public IP address is recognized without a lookup", async () => {
  const at = new FixedAddressMap();
  at.publicIp = "198.51.100.1";
  const cases = {
    "CLUSTER MEET 198.51.100.1 8000": "CLUSTER MEET 10.0.0.1 7000",
    "MIGRATE nat.example 8000": "MIGRATE 10.0.0.1 7000",
    "CLIENT LIST LADDR 198.51.100.1:8000": "CLIENT LIST LADDR 10.0.0.1:7000",
  };
  for (const [request, expected] of Object.entries(cases)) {
    assertEquals((await rewritten(request.split(" "), at))?.join(" "), expected);
  }
  assertEquals(at.resolved, []);
  at.publicIp = "203.0.113.7";
  assertEquals(await rewritten(["CLUSTER", "MEET", "203.0.113.7", "8001"], at), undefined);
});

Deno.test("an IPv6 public host is recognized in any spelling", async () => {
  const at = new FixedAddressMap({ publicHost: "2001:db8::1" });
  for (const host of ["2001:db8::1", "2001:DB8:0:0::1"]) {
    const [migrate, list] = [`MIGRATE ${host} 8000`, `CLIENT LIST LADDR [${host}]:8000`];
    const cases = { [migrate]: "MIGRATE 10.0.0.1 7000", [list]: "CLIENT LIST LADDR 10.0.0.1:7000" };
    for (const [request, expected] of Object.entries(cases)) {
      assertEquals((await rewritten(request.split(" "), at))?.join(" "), expected);
    }
  }
});
