import type { ClientAuth } from "../../src/tls/material.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import type { HostPort } from "../../src/platform/address.ts";
import { checkHealth, type ProbedListener } from "../../src/cli/healthcheck.ts";
import { halt, RedisCluster } from "../support/cluster.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { Peer } from "../support/peer.ts";
import { findFreePorts, isRefused } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { PING, PONG, Scene, type ScriptedNode } from "../support/scripted_node.ts";
import { TLS, withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until, untilStable, within } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Orchestrators allow a health check more time. */
const DEADLINE_MS = 8_000;

/** The default timeout of a probe in Kubernetes. */
const PROBE_TIMEOUT_MS = 1_000;

/** One listener for each port, at all the addresses with that port. */
function listeners(
  addresses: readonly HostPort[],
  clientAuth: ClientAuth | undefined = CLIENT_AUTH,
): ProbedListener[] {
  return [...Map.groupBy(addresses, ({ port }) => port)].map(([port, at]) => ({
    hosts: at.map(({ host }) => host),
    port,
    clientAuth,
  }));
}

Deno.test("a health check of the program", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const port = findFreePorts(3);
  const env = { LISTEN_ADDR: `:${port}`, MAX_NODES: "3", CLUSTER_ADDR: cluster.nodes[0]!.address };
  const check = () => runNat(["healthcheck"], { env });
  const assertHealthy = async (...ports: number[]) => {
    const { code, stdout, stderr } = await check();
    assertEquals([code, stderr], [0, ""]);
    const lines = ports.map((port) => `Healthy: 127.0.0.1:${port} answers\n`);
    assert(lines.includes(stdout), stdout);
  };
  const assertFails = async (reason: RegExp) => {
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [1, ""]);
    const line = new RegExp(`^redis-cluster-nat: Nothing listens at \\S+:${port} .*\n$`);
    for (const pattern of [line, reason]) assertMatch(stderr, pattern);
  };

  await t.step("fails while no proxy runs", async () => {
    await assertFails(/LISTEN_ADDR/);
  });

  await using _nat = await new NatProcess([], { env }).ready();

  await t.step("passes while the proxy serves", async () => {
    await assertHealthy(port, port + 1, port + 2);
  });

  await t.step("passes while one node answers", async () => {
    await cluster.nodes[0]!.kill();
    await assertHealthy(port + 1, port + 2);
    await cluster.nodes[1]!.kill();
    await assertHealthy(port + 2);
  });

  await t.step("fails when none does", async () => {
    await cluster.nodes[2]!.kill();
    await until("the last port is closed", () => isRefused(port + 2));
    await assertFails(/ and that a node is up\n$/);
  });

  await t.step("fails with 1 and one line for an invalid option, as Docker requires", async () => {
    for (const words of [["--max-nodes=none"], ["--no-such-flag"], ["--listen-addr=:0"]]) {
      const { code, stdout, stderr } = await runNat(["healthcheck", ...words]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^redis-cluster-nat: [^\n]+\n$/);
    }
  });
});

Deno.test("a health check counts an error of the node, and of a full proxy, as an answer", async () => {
  const directives = { requirepass: "secret" };
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0, directives });
  const credentials = { username: undefined, password: "secret" };
  await using proxy = await startProxy(cluster, { credentials, maxConnections: 1 });
  const [address] = addressesOf(proxy);
  assertEquals(await checkHealth(listeners([address!])), address);
  await until("it has room", () => proxy.proxy.sessionCount === 0);
  using client = await WireClient.connect(proxy.host, address!.port);
  await client.ask("PING");
  assertEquals(await checkHealth(listeners([address!])), address);
});

Deno.test({
  name: "a health check passes when one node is stopped, and fails when all are",
  ignore: Deno.build.os === "windows",
  async fn(t) {
    await using cluster = await RedisCluster.start({
      replicasEach: 0,
      directives: { "cluster-node-timeout": "30000" },
    });
    await using proxy = await startProxy(cluster);
    const addresses = cluster.nodes.map((node) => ({ host: proxy.host, port: proxy.portOf(node) }));
    const { nodes } = cluster;
    using _first = halt(nodes[0]!);

    await t.step("one", async () => {
      const { port } = await within("check", checkHealth(listeners(addresses)), PROBE_TIMEOUT_MS);
      assert(port === addresses[1]!.port || port === addresses[2]!.port, `${port}`);
    });

    await t.step("all", async () => {
      using _others = new DisposableStack();
      for (const node of nodes.slice(1)) _others.use(halt(node));
      await assertFails(addresses, `at 127.0.0.1:${addresses[0]!.port}, but no node answers`);
    });
  },
});

/** A probe speaks TLS where clients do. */
const CLIENT_AUTH = TLS.clients ? "no" : undefined;

const PEERS = withTls("either", "the peers that stand for a proxy speak the TLS of nodes");

/** Ports that take connections and send nothing, as those of nodes that are cut off. */
function silentPeers(stack: AsyncDisposableStack, count: number): Peer[] {
  return Array.from({ length: count }, () => stack.use(new Peer()));
}

for (const count of [2, 10]) {
  Deno.test(unless(PEERS, `a health check is not delayed by ${count} silent nodes`, async () => {
    await using stack = new AsyncDisposableStack();
    const scene = stack.use(await Scene.start());
    const silent = silentPeers(stack, count);
    const proxy = { host: scene.node.host, port: scene.port };
    const answering = answerPing(scene.node);
    const check = checkHealth(listeners([...silent, proxy]));
    assertEquals(await within("check", check, PROBE_TIMEOUT_MS), proxy);
    await answering;
    await until("no connection is left", () => silent.every(({ connected }) => connected === 0));
  }));
}

Deno.test(
  unless(PEERS, "a health check opens at most 64 connections, and probes every port", async () => {
    await using stack = new AsyncDisposableStack();
    const scene = stack.use(await Scene.start());
    const silent = silentPeers(stack, 64);
    const proxy = { host: scene.node.host, port: scene.port };
    const check = checkHealth(listeners([...silent, proxy]));
    await until("all ports are probed", () => silent.every(({ accepted }) => accepted === 1));
    const sessions = () => scene.proxy.proxy.sessionCount;
    assertEquals(await untilStable("the number of sessions", sessions), 0);
    silent[0]!.endConnections();
    await answerPing(scene.node);
    assertEquals(await within("check", check, DEADLINE_MS), proxy);
  }),
);

Deno.test(
  unless(
    PEERS,
    "a health check probes the next address of a port that is closed at the first",
    async () => {
      const full = { answer: "-ERR max number of clients reached\r\n", host: "127.0.0.2" };
      await using elsewhere = new Peer(full);
      const check = checkHealth(
        listeners([{ host: "127.0.0.1", port: elsewhere.port }, elsewhere]),
      );
      const { host, port } = elsewhere;
      assertEquals(await within("check", check, DEADLINE_MS), { host, port });
    },
  ),
);

Deno.test(unless(PEERS, "a health check fails if another program answers at the port", async () => {
  await using server = new Peer({ answer: "HTTP/1.1 400 Bad Request\r\n\r\n" });
  await assertFails([server], "no node answers");
  for (const clientAuth of ["no", "yes"] as const) {
    await assertFails([server], "has the TLS options of the proxy", clientAuth);
  }
}));

async function answerPing(node: ScriptedNode): Promise<void> {
  const peer = await node.accept();
  await peer.readUntil(PING);
  await peer.send(PONG);
}

function addressesOf({ host, ports }: LocalProxy) {
  return ports.map((port) => ({ host, port }));
}

async function assertFails(
  addresses: readonly HostPort[],
  message: string,
  clientAuth: ClientAuth | undefined = CLIENT_AUTH,
): Promise<void> {
  const check = assertRejects(
    () => checkHealth(listeners(addresses, clientAuth)),
    OperatorError,
    message,
  );
  await within("check", check, DEADLINE_MS);
}
