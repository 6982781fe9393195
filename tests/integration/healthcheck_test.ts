import { assert, assertEquals, assertMatch } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import type { HostPort } from "../../src/platform/address.ts";
import { checkHealth } from "../../src/cli/healthcheck.ts";
import { close } from "../../src/platform/net.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { PING, PONG, Scene, type ScriptedNode } from "../support/scripted_node.ts";
import { until, within } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Orchestrators allow a health check more time. */
const DEADLINE_MS = 8_000;

/** The default timeout of a probe in Kubernetes. */
const PROBE_TIMEOUT_MS = 1_000;

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

  await t.step("fails while no proxy runs", async () => {
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      new RegExp(`^redis-cluster-nat: Nothing listens at \\S+:${port} .*LISTEN_ADDR.*\n$`),
    );
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
    await until("the last port is closed", async () => {
      const error = await WireClient.connect("127.0.0.1", port + 2).then(
        (client) => client.close(),
        (error) => error,
      );
      return error instanceof Deno.errors.ConnectionRefused;
    });
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      new RegExp(`^redis-cluster-nat: Nothing listens at \\S+:${port} .*a node is up.*\n$`),
    );
  });

  await t.step("fails with 1 and one line for an invalid option, as Docker requires", async () => {
    for (const words of [["--max-nodes=none"], ["--no-such-flag"], ["--listen-addr=:0"]]) {
      const { code, stdout, stderr } = await runNat(["healthcheck", ...words]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^redis-cluster-nat: [^\n]+\n$/);
    }
  });
});

Deno.test("a health check counts an error as an answer", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: 1,
    replicasEach: 0,
    directives: { requirepass: "secret" },
  });
  const credentials = { username: undefined, password: "secret" };

  await t.step("as of a node that wants a password", async () => {
    await using proxy = await startProxy(cluster, { credentials });
    assertEquals(await checkHealth(addressesOf(proxy)), addressesOf(proxy)[0]);
  });

  await t.step("as of a proxy that has as many clients as it may", async () => {
    await using proxy = await startProxy(cluster, { credentials, maxConnections: 1 });
    using client = await WireClient.connect(proxy.host, proxy.ports[0]!);
    await client.ask("PING");
    assertEquals(await checkHealth(addressesOf(proxy)), addressesOf(proxy)[0]);
  });
});

Deno.test({
  name: "a health check passes when one node is stopped, and fails when all are",
  ignore: Deno.build.os === "windows",
  async fn(t) {
    await using cluster = await RedisCluster.start({
      primaries: 3,
      replicasEach: 0,
      directives: { "cluster-node-timeout": "30000" },
    });
    await using proxy = await startProxy(cluster);
    const addresses = addressesOf(proxy);
    const nodes = addresses.map(({ port }) =>
      cluster.nodes.find((node) => proxy.portOf(node) === port)!
    );
    using _first = halt(nodes[0]!);

    await t.step("one", async () => {
      const { port } = await within("check", checkHealth(addresses), PROBE_TIMEOUT_MS);
      assert(port === addresses[1]!.port || port === addresses[2]!.port, `${port}`);
    });

    await t.step("all", async () => {
      using _others = new DisposableStack();
      for (const node of nodes.slice(1)) _others.use(halt(node));
      const failure = await within("check", failureOf(addresses), DEADLINE_MS);
      assertMatch(failure, new RegExp(`at 127.0.0.1:${addresses[0]!.port}, but no node answers`));
    });
  },
});

for (const count of [2, 10]) {
  Deno.test(`a health check is not delayed by ${count} silent nodes`, async () => {
    await using scene = await Scene.start();
    await using silent = new SilentPorts(count);
    const proxy = { host: scene.node.host, port: scene.port };
    const answering = answerPing(scene.node);
    const check = checkHealth([...silent.addresses, proxy]);
    assertEquals(await within("check", check, PROBE_TIMEOUT_MS), proxy);
    await answering;
    // No connection is left behind.
    await silent.untilClosed();
  });
}

Deno.test("a health check opens at most 64 connections, and probes every port", async () => {
  await using scene = await Scene.start();
  await using silent = new SilentPorts(64);
  const proxy = { host: scene.node.host, port: scene.port };
  const check = checkHealth([...silent.addresses, proxy]);
  await silent.untilOpen();
  assertEquals(scene.proxy.proxy.sessionCount, 0);
  await silent.closeOne();
  await answerPing(scene.node);
  assertEquals(await within("check", check, DEADLINE_MS), proxy);
});

Deno.test("a health check probes the next address of a port that is closed at the first", async () => {
  using elsewhere = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  const { port } = elsewhere.addr;
  const check = checkHealth([{ host: "127.0.0.1", port }, { host: "127.0.0.2", port }]);
  using connection = await elsewhere.accept();
  await connection.write(new TextEncoder().encode("-ERR max number of clients reached\r\n"));
  assertEquals(await within("check", check, DEADLINE_MS), { host: "127.0.0.2", port });
});

Deno.test("a health check fails if another program answers at the port", async () => {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    return new Response("Hello");
  });
  const { port } = server.addr;
  assertMatch(await failureOf([{ host: "127.0.0.1", port }]), /no node answers/);
});

async function answerPing(node: ScriptedNode): Promise<void> {
  const peer = await node.accept();
  await peer.readUntil(PING);
  await peer.send(PONG);
}

function addressesOf({ host, ports }: LocalProxy) {
  return ports.map((port) => ({ host, port }));
}

async function failureOf(addresses: Parameters<typeof checkHealth>[0]): Promise<string> {
  try {
    const { port } = await checkHealth(addresses);
    throw new Error(`Port ${port} passed`);
  } catch (error) {
    if (error instanceof OperatorError) return error.message;
    throw error;
  }
}

/** Ports that take connections and send nothing, as that of a node that is cut off. */
class SilentPorts implements AsyncDisposable {
  readonly #listeners: readonly Deno.TcpListener[];
  readonly #accepted: Promise<Deno.TcpConn>[];

  constructor(count: number) {
    this.#listeners = Array.from({ length: count }, () => {
      return Deno.listen({ hostname: "127.0.0.1", port: 0 });
    });
    this.#accepted = this.#listeners.map((listener) => listener.accept());
  }

  get addresses(): HostPort[] {
    return this.#listeners.map(({ addr }) => ({ host: addr.hostname, port: addr.port }));
  }

  /** Waits until every port has been asked. */
  async untilOpen(): Promise<void> {
    for (const accepting of this.#accepted) {
      const connection = await within("accept", accepting, DEADLINE_MS);
      assert(await connection.read(new Uint8Array(64)) !== null);
    }
  }

  /** Waits until the peers have closed every connection. */
  async untilClosed(): Promise<void> {
    for (const accepting of this.#accepted) {
      const connection = await within("accept", accepting, DEADLINE_MS);
      const ended = connection.readable.pipeTo(new WritableStream()).catch(() => {});
      await within("see the end", ended, DEADLINE_MS);
    }
  }

  async closeOne(): Promise<void> {
    (await this.#accepted[0]!).close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    const connections = await Promise.allSettled(this.#accepted);
    for (const connection of connections) {
      if (connection.status === "fulfilled") close(connection.value);
    }
  }
}

/** Halts the process of a node until the block ends. */
function halt({ pid }: ClusterNode): Disposable {
  Deno.kill(pid!, "SIGSTOP");
  return { [Symbol.dispose]: () => Deno.kill(pid!, "SIGCONT") };
}
