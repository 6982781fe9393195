import { assert, assertEquals, assertMatch } from "@std/assert";
import { type ClusterNode, halt, RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { isRefused } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { TLS } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

/** Enough that each of two threads has some. */
const SOME = 20;

const TWO_PRIMARIES = { primaries: 2, replicasEach: 0 };

/** A stopped node is not declared failed in this time. */
const PATIENT = { "cluster-node-timeout": "60000" };

/** Lines of the log about ports, with placeholders. */
function portLines(logged: Logged, node: ClusterNode, port: number): string[] {
  return logged.lines.filter((line) => /\bport \d+/.test(line))
    .map((line) => line.replace(node.address, "NODE").replace(`port ${port}`, "port PORT"));
}

/** Connects some clients to a node, each of which has sent a request and got its reply. */
async function connectSome(proxy: LocalProxy, node: ClusterNode, ...request: string[]) {
  const clients: WireClient[] = [];
  for (let index = 0; index < SOME; index++) {
    clients.push(await WireClient.connect(proxy.host, proxy.portOf(node)));
    await clients[index]!.send(wire(...request));
    await clients[index]!.readFrames(1);
  }
  return clients;
}

async function untilOpen(proxy: LocalProxy, node: ClusterNode): Promise<void> {
  await until("the node is served again", async () => {
    using client = await WireClient.connect(proxy.host, proxy.portOf(node));
    const { text } = await client.ask("CLUSTER", "MYID") as { text: string };
    return text === node.id;
  });
}

Deno.test("the port of a node that was killed refuses before clients come back", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start(TWO_PRIMARIES);
  await using proxy = await startProxy(cluster);
  const [node, other] = [cluster.nodes[0]!, cluster.nodes[1]!];
  const port = proxy.portOf(node);
  const clients = await connectSome(proxy, node, "PING");
  await clients[1]!.send("BLPOP a 0\r\n");
  await node.kill();
  const refused = clients.map(async (client) => {
    assertEquals(await client.readToEnd(), "");
    client.close();
    return await isRefused(port);
  });
  assertEquals(await Promise.all(refused), clients.map(() => true));
  assertEquals(await isRefused(proxy.portOf(other)), false);
  assertEquals(proxy.portOf(node), port);

  await node.start();
  await untilOpen(proxy, node);
  await until("both are logged", () => portLines(logged, node, port).length >= 2);
  const [closed, opened, ...more] = portLines(logged, node, port);
  assertEquals(more, []);
  assertMatch(
    closed!,
    /^warning Node NODE does not accept connections: .*; closing port PORT until it does$/,
  );
  assertMatch(
    opened!,
    /^info Node NODE accepts connections again after \d+ ms; port PORT is open$/,
  );
});

Deno.test("the port of a node without clients is closed when the node ends", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start(TWO_PRIMARIES);
  await using proxy = await startProxy(cluster);
  const node = cluster.nodes[0]!;
  const port = proxy.portOf(node);
  await node.stop();
  // A connection to the port would make the proxy suspect the node.
  await until("the port is closed", () => portLines(logged, node, port).length > 0);
  assert(await isRefused(port));
  await node.start();
  await untilOpen(proxy, node);
});

Deno.test("a node is probed on suspicion when regular refreshes are off", async () => {
  await using cluster = await RedisCluster.start(TWO_PRIMARIES);
  await using proxy = await startProxy(cluster, { refreshIntervalMs: Infinity });
  const node = cluster.nodes[0]!;
  const port = proxy.portOf(node);
  await node.kill();
  // The port is open until this connection.
  using first = await WireClient.connect(proxy.host, port);
  assertEquals(await first.readToEnd(), "");
  for (let index = 0; index < SOME; index++) assert(await isRefused(port));
  await node.start();
  await untilOpen(proxy, node);
});

Deno.test("the proxy retries a port that another program uses meanwhile", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start(TWO_PRIMARIES);
  await using proxy = await startProxy(cluster);
  const node = cluster.nodes[0]!;
  const port = proxy.portOf(node);
  await node.kill();
  const thief = await until("the port can be taken", async () => {
    if (!await isRefused(port)) return undefined;
    return Deno.listen({ hostname: "127.0.0.1", port });
  });
  await node.start();
  const taken = /^error Cannot listen on 127\.0\.0\.1:PORT: the port is in use .*; retrying$/;
  const errors = () => logged.lines.filter((line) => taken.test(line.replace(`:${port}`, ":PORT")));
  await until("the log says so", () => errors().length > 0);
  const triedAgainAtMs = performance.now() + 2000;
  await until("the port was tried again", () => performance.now() > triedAgainAtMs);
  thief.close();
  await untilOpen(proxy, node);
  assertEquals(errors().length, 1);
});

Deno.test("a stopped node that is not declared failed keeps its clients, and delays no others", async () => {
  await using cluster = await RedisCluster.start({ ...TWO_PRIMARIES, directives: PATIENT });
  await using proxy = await startProxy(cluster);
  const [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
  using early = await WireClient.connect(proxy.host, proxy.portOf(node));
  await early.ask("PING");
  const halted = halt(node);
  // The kernel still accepts connections for it.
  using late = await WireClient.connect(proxy.host, proxy.portOf(node));
  try {
    for (const client of [early, late]) await client.send(wire("CLUSTER", "MYID"));
    using served = await WireClient.connect(proxy.host, proxy.portOf(other));
    assertEquals(await served.ask("CLUSTER", "MYID"), { type: "$", text: other.id });
    // Longer than clients of a failed node stay connected.
    const endMs = performance.now() + 4000;
    await until("time has passed", () => performance.now() > endMs);
    assertEquals(await isRefused(proxy.portOf(node)), false);
  } finally {
    halted[Symbol.dispose]();
  }
  // The handshake of TLS with the stopped node took longer than --connect-timeout.
  if (TLS.nodes) assertEquals(await late.readToEnd(), "");
  for (const client of TLS.nodes ? [early] : [early, late]) {
    assertEquals(await client.readFrames(1), [`$40\r\n${node.id}\r\n`]);
  }
});

Deno.test("clients end within 2 s after the cluster declares their node failed", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start({
    directives: { "cluster-node-timeout": "2000" },
  });
  await using proxy = await startProxy(cluster);
  const [node, witness] = [cluster.nodes[0]!, cluster.nodes[1]!];
  const port = proxy.portOf(node);
  // Subscribers wait for no reply.
  const clients = await connectSome(proxy, node, "SUBSCRIBE", "c");
  {
    using _halted = halt(node);
    const ended = Promise.all(clients.map((client) => client.readToEnd(30_000)));
    let isEnded = false;
    ended.then(() => isEnded = true, () => {});
    await until("the cluster says so", async () => {
      const { text } = await witness.ask("CLUSTER", "NODES") as { text: string };
      const line = text.split("\n").find((line) => line.startsWith(node.id))!;
      if (/\bfail\b(?!\?)/.test(line.split(" ")[2]!)) return true;
      assert(!isEnded, `Clients were ended while the cluster said '${line}'`);
      return false;
    }, 20_000);
    const saidAtMs = performance.now();
    assertEquals(await ended, clients.map(() => ""));
    const tookMs = performance.now() - saidAtMs;
    assert(tookMs < 2000, `It took ${tookMs} ms`);
    assert(await isRefused(port));
  }
  await untilOpen(proxy, node);
  for (const client of clients) client.close();
  await until("both are logged", () => portLines(logged, node, port).length === 2);
});
