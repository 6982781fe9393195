import { assertEquals, assertMatch } from "@std/assert";
import { checkHealth, UnhealthyError } from "../src/healthcheck.ts";
import { type ClusterNode, RedisCluster } from "./support/cluster.ts";
import { NatProcess, runNat } from "./support/nat_process.ts";
import { findFreePorts } from "./support/ports.ts";
import { type LocalProxy, startProxy } from "./support/proxy.ts";
import { within } from "./support/until.ts";
import { WireClient } from "./support/wire.ts";

/** What watches over health checks gives them longer. */
const DEADLINE_MS = 8_000;

Deno.test("a health check of the program", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const port = findFreePorts(3);
  const env = { LISTEN_ADDR: `:${port}`, MAX_NODES: "3", CLUSTER_ADDR: cluster.nodes[0]!.address };
  const check = () => runNat(["healthcheck"], { env });
  const healthy = (port: number) => ({
    code: 0,
    stdout: `Healthy: 127.0.0.1:${port} answers\n`,
    stderr: "",
  });

  await t.step("fails while nothing runs", async () => {
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      new RegExp(`^redis-cluster-nat: Nothing listens at \\S+:${port} .*LISTEN_ADDR.*\n$`),
    );
  });

  await using _nat = await new NatProcess([], { env }).ready();

  await t.step("is passed by a proxy that serves", async () => {
    assertEquals(await check(), healthy(port));
  });

  await t.step("is passed as long as one node answers", async () => {
    await cluster.nodes[0]!.kill();
    assertEquals(await check(), healthy(port + 1));
    await cluster.nodes[1]!.kill();
    assertEquals(await check(), healthy(port + 2));
  });

  await t.step("fails when none does", async () => {
    await cluster.nodes[2]!.kill();
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      new RegExp(`^redis-cluster-nat: The proxy takes \\S+ at \\S+:${port}, .*no node.*\n$`),
    );
  });

  await t.step("fails with 1 and one line where a setting is wrong, as Docker wants", async () => {
    for (const words of [["--max-nodes=none"], ["--no-such-flag"], ["--listen-addr=:0"]]) {
      const { code, stdout, stderr } = await runNat(["healthcheck", ...words]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^redis-cluster-nat: [^\n]+\n$/);
    }
  });
});

Deno.test("a health check takes an error for an answer", async (t) => {
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
  name: "a health check does not wait for a node that stands still",
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

    await t.step("but asks the next", async () => {
      const check = within("check", checkHealth(addresses), DEADLINE_MS);
      assertEquals(await check, addresses[1]);
    });

    await t.step("and gives up when all do", async () => {
      using _others = new DisposableStack();
      for (const node of nodes.slice(1)) _others.use(halt(node));
      // Thirty, which would take 15 seconds one by one.
      const many = Array.from({ length: 10 }, () => addresses).flat();
      assertMatch(await within("check", failureOf(many), DEADLINE_MS), /no node answers/);
    });
  },
});

Deno.test("a health check is not passed by another program at the port", async () => {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    return new Response("Hello");
  });
  const { port } = server.addr;
  assertMatch(await failureOf([{ host: "127.0.0.1", port }]), /no node answers/);
});

function addressesOf({ host, ports }: LocalProxy) {
  return ports.map((port) => ({ host, port }));
}

async function failureOf(addresses: Parameters<typeof checkHealth>[0]): Promise<string> {
  try {
    const { port } = await checkHealth(addresses);
    throw new Error(`Port ${port} passed`);
  } catch (error) {
    if (error instanceof UnhealthyError) return error.message;
    throw error;
  }
}

/** Halts the process of a node until the block ends. */
function halt({ pid }: ClusterNode): Disposable {
  Deno.kill(pid!, "SIGSTOP");
  return { [Symbol.dispose]: () => Deno.kill(pid!, "SIGCONT") };
}
