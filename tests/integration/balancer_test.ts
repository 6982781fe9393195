import { assert, assertEquals } from "@std/assert";
import net from "node:net";
import { parseAddressRange } from "../../src/platform/address_range.ts";
import { textOf } from "../../src/resp/frame.ts";
import type { HeaderVersions } from "../../src/proxy/proxy_header.ts";
import { checkHealth } from "../../src/cli/healthcheck.ts";
import { RedisCluster } from "../support/cluster.ts";
import { HaProxy, missingHaProxy } from "../support/haproxy.ts";
import { connectBehind } from "../support/balancer.ts";
import { v2Header } from "../support/proxy_header.ts";
import { namedInSlots } from "../support/named_nodes.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { Resettable } from "../support/resettable.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { TLS, withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Where HAProxy listens: the ports are those of the proxy, which is at 127.0.0.1. */
const BALANCER = { ipv4: "127.0.0.2", ipv6: "::1" };

/** Headers, and the client that each names. */
const CLIENTS: [header: string, client: string][] = [
  ["PROXY TCP4 192.0.2.7 198.51.100.1 56324 8001\r\n", "192.0.2.7:56324"],
  ["PROXY TCP6 2001:db8::7 2001:db8::1 56324 8001\r\n", "[2001:db8::7]:56324"],
  [
    v2Header(0x21, 0x11, "\xc0\0\x02\x08\xc6\x33\x64\x01\xdc\x04\x1f\x41\x04\0\x01\0"),
    "192.0.2.8:56324",
  ],
  [
    v2Header(0x21, 0x21, `\x20\x01\x0d\xb8${"\0".repeat(11)}\x08${"\0".repeat(16)}\xdc\x04\0\x01`),
    "[2001:db8::8]:56324",
  ],
];

/** The addresses of all clients, as a client sees them. */
async function addresses(client: WireClient): Promise<string[]> {
  const list = textOf(await client.ask("CLIENT", "LIST"))!;
  return [...list.matchAll(/ addr=(\S+)/g)].map(([, address]) => address!);
}

async function addressOf(client: WireClient): Promise<string> {
  return / addr=(\S+)/.exec(textOf(await client.ask("CLIENT", "INFO"))!)![1]!;
}

/** Checks that a client is listed at an address, can be killed by it, and is listed no more. */
async function assertKnownAt(address: string, client: WireClient, other: WireClient) {
  assertEquals(await addressOf(client), address);
  assert((await addresses(other)).includes(address), address);
  assertEquals(textOf(await other.ask("CLIENT", "KILL", "ADDR", address)), "1");
  assertEquals(await client.readToEnd(), "");
  await until("it is gone", async () => !(await addresses(other)).includes(address));
}

/** Checks that a proxy is healthy that expects PROXY headers. */
async function assertHealthy(port: number, versions: HeaderVersions): Promise<void> {
  const address = { host: "127.0.0.1", port };
  const clientAuth = TLS.clients ? "no" as const : undefined;
  const listener = { hosts: [address.host], port, clientAuth };
  assertEquals(await checkHealth([listener], versions), address);
}

const hindrance = await missingHaProxy() ??
  withTls("clients", "HAProxy checks in plain text, and clients verify another address");

Deno.test("clients of load balancers are known by their own addresses", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const start = (versions: HeaderVersions, from = "127.0.0.0/8") =>
    startProxy(cluster, { balancers: { versions, from: [parseAddressRange(from)] } });

  await t.step("by headers of all kinds", async () => {
    await using proxy = await start("any");
    const port = proxy.portOf(node);
    using other = await connectBehind(port, "PROXY UNKNOWN\r\n");
    for (const [header, client] of CLIENTS) {
      using known = await connectBehind(port, header);
      await assertKnownAt(client, known, other);
    }
  });

  await t.step("and are shown the address at which they reached the balancer", async () => {
    const from = [parseAddressRange("127.0.0.0/8")];
    const overrides = { publicHost: undefined, balancers: { versions: "any", from } } as const;
    await using proxy = await startProxy(cluster, overrides);
    const port = proxy.portOf(node);
    const cases: [header: string, shown: string][] = [
      [CLIENTS[0]![0], "198.51.100.1"],
      [CLIENTS[1]![0], "2001:db8::1"],
      ["PROXY UNKNOWN\r\n", "127.0.0.1"],
    ];
    for (const [header, shown] of cases) {
      using client = await connectBehind(port, header);
      const named = namedInSlots(await client.ask("CLUSTER", "SLOTS"));
      assertEquals(named.map(({ port, hosts }) => [port, hosts]), [[port, [shown]]]);
    }
  });

  await t.step("and a health check is one of this machine", async () => {
    for (const versions of ["v1", "v2", "any"] as const) {
      await using proxy = await start(versions, "192.0.2.1");
      await assertHealthy(proxy.portOf(node), versions);
    }
  });

  await t.step("and a health check of a full proxy passes, too", async () => {
    // The process closes a connection at its first bytes, before this one can send more.
    await using nat = await NatProcess.serve(node, [
      "--max-connections=1",
      "--accept-proxy-protocol=any",
      "--proxy-protocol-from=192.0.2.1",
    ]);
    const port = nat.portOf(node);
    using client = await connectBehind(port, "PROXY UNKNOWN\r\n");
    assertEquals(textOf(await client.ask("PING")), "PONG");
    for (let round = 0; round < 20; round++) await assertHealthy(port, "any");
  });

  const elsewhere = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )?.address;
  await t.step(
    unless(
      elsewhere === undefined ? "this machine has loopback addresses only" : undefined,
      "and connections from elsewhere are closed",
      async () => {
        await using proxy = await start("any");
        const socket = net.connect({
          host: "127.0.0.1",
          port: proxy.portOf(node),
          localAddress: elsewhere!,
          allowHalfOpen: true,
        });
        using client = new WireClient(new Resettable(socket));
        assertEquals(await client.readToEnd(), "");
        const { statistics: { refused } } = await proxy.proxy.status();
        assertEquals(refused, { max_connections: 0, not_from_balancer: 1 });
      },
    ),
  );

  for (const [versions, option] of [["v1", "send-proxy"], ["v2", "send-proxy-v2"]] as const) {
    await t.step(unless(hindrance, `by HAProxy with ${option}`, async () => {
      await using directory = await TemporaryDirectory.create();
      await using proxy = await start(versions);
      await using haProxy = await startHaProxy(directory, proxy, option);
      await until("the health checks pass", async (saw) => {
        const states = [...(await haProxy.servers()).values()];
        saw(states.join());
        return states.every((state) => state === "UP L7OK");
      });
      const port = proxy.portOf(node);
      using other = await WireClient.connect(BALANCER.ipv4, port);
      for (const host of Object.values(BALANCER)) {
        using client = await WireClient.connect(host, port);
        const address = client.localAddress.replace(/^(.*:.*)(:\d+)$/, "[$1]$2");
        await assertKnownAt(address, client, other);
      }
    }));
  }
});

Deno.test(unless(hindrance, "no client of HAProxy fails while a proxy is restarted", async () => {
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const port = findFreePorts(2);
  const httpPort = port + 1;
  const start = (host: string) =>
    new NatProcess([
      `--cluster-addr=${node.address}`,
      `--listen-addr=${host}:${port}`,
      "--max-nodes=1",
      `--http-addr=${host}:${httpPort}`,
      "--accept-proxy-protocol=v2",
      "--proxy-protocol-from=127.0.0.0/8",
      "--drain-delay=2s",
    ], { orderly: true }).ready();
  const hosts = ["127.0.0.1", "127.0.0.3"] as const;
  await using first = await start(hosts[0]);
  await using _second = await start(hosts[1]);
  await using haProxy = await HaProxy.start(directory, {
    defaults: [
      "option httpchk GET /readyz",
      `default-server check port ${httpPort} inter 50ms fall 1`,
      "timeout check 5s",
    ],
    ports: [{
      bind: `${BALANCER.ipv4}:${port}`,
      servers: hosts.map((host) => `${host} send-proxy-v2`),
    }],
  });
  const untilStates = (...wanted: string[]) =>
    until(`the servers are ${wanted}`, async (saw) => {
      const states = [...(await haProxy.servers()).values()];
      saw(states.join());
      return states.join() === wanted.join();
    });
  await untilStates("UP L7OK", "UP L7OK");

  const clients = await Promise.all(hosts.map(() => WireClient.connect(BALANCER.ipv4, port)));
  for (const client of clients) assertEquals(textOf(await client.ask("PING")), "PONG");
  first.signal("SIGTERM");
  while (first.code === undefined) {
    using client = await WireClient.connect(BALANCER.ipv4, port);
    assertEquals(textOf(await client.ask("PING")), "PONG");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await first.endedInOrder();
  const ends = clients.map((client) => client.ask("PING").then(() => "served", () => "closed"));
  assertEquals((await Promise.all(ends)).sort(), ["closed", "served"]);
  for (const client of clients) client.close();

  await using _again = await start(hosts[0]);
  await untilStates("UP L7OK", "UP L7OK");
}));

function startHaProxy(
  directory: TemporaryDirectory,
  { ports }: LocalProxy,
  option: string,
): Promise<HaProxy> {
  return HaProxy.start(directory, {
    defaults: ["option redis-check"],
    ports: ports.map((port) => ({
      bind: `${BALANCER.ipv4}:${port},[${BALANCER.ipv6}]:${port}`,
      servers: [`127.0.0.1:${port} ${option} check inter 100ms`],
    })),
  });
}
