import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { startProxy } from "../support/proxy.ts";
import { Scene } from "../support/scripted_node.ts";
import { until, within } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const TIMEOUT_MS = 400;

/** For a busy machine. */
const GRACE_MS = 2_000;

/** A port that neither accepts nor refuses, like behind a firewall that drops packets. */
class BlackHole implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #queued: Deno.TcpConn[] = [];

  private constructor(port: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port, tcpBacklog: 1 });
  }

  /** Fills the accept queue. */
  static async at(port: number): Promise<BlackHole> {
    const hole = new BlackHole(port);
    for (;;) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
      try {
        hole.#queued.push(await Deno.connect({ port, signal: late.signal }));
      } catch {
        return hole;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#queued) connection.close();
  }
}

/** Number of pending connection attempts to a port. */
async function attemptsAt(port: number): Promise<number> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const SYN_SENT = "02";
  return table.split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to?.endsWith(remote) && state === SYN_SENT).length;
}

const ON_LINUX = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "a client of a node that does not accept ends after --connect-timeout",
  ON_LINUX,
  async () => {
    using logged = new Logged();
    await using scene = await Scene.start({ connectTimeoutMs: TIMEOUT_MS });
    scene.node.close();
    using _hole = await BlackHole.at(scene.node.port);
    const beganAtMs = performance.now();
    const client = await scene.connect();
    await client.send("*1\r\n$4\r\nPING\r\n");
    assertEquals(await client.readToEnd(), "");
    const tookMs = performance.now() - beganAtMs;
    assert(TIMEOUT_MS <= tookMs && tookMs < TIMEOUT_MS + GRACE_MS, `It took ${tookMs} ms`);
    const lines = await logged.untilLines(1);
    const warnings = lines.filter((line) => line.includes("closing client 1:"));
    assertEquals(warnings.length, 1, logged.lines.join("\n"));
    assertMatch(
      warnings[0]!,
      new RegExp(`^warning Cannot connect to node ${scene.node.address}, .* ${TIMEOUT_MS} ms$`),
    );
    await scene.assertNothingLeft();
    await until("no attempt is left, the proxy's own included", async (saw) => {
      const attempts = await attemptsAt(scene.node.port);
      saw(attempts);
      return attempts === 0;
    });
  },
);

Deno.test("a stop does not wait for a node that does not accept", ON_LINUX, async () => {
  await using scene = await Scene.start({ connectTimeoutMs: 60_000 });
  scene.node.close();
  using _hole = await BlackHole.at(scene.node.port);
  const client = await scene.connect();
  await until("the node is dialled", async () => await attemptsAt(scene.node.port) > 0);
  const { proxy } = scene.proxy;
  await within("stop the proxy", proxy.stop(), GRACE_MS);
  assertEquals(await client.readToEnd(), "");
  assertEquals([proxy.sessionCount, await attemptsAt(scene.node.port)], [0, 0]);
});

Deno.test("a stopped server delays only its own clients", ON_LINUX, async () => {
  await using cluster = await RedisCluster.start({
    primaries: 2,
    replicasEach: 0,
    directives: { "cluster-node-timeout": "30000" },
  });
  await using proxy = await startProxy(cluster);
  const [still, other] = [cluster.nodes[0]!, cluster.nodes[1]!];
  using client = await WireClient.connect(proxy.host, proxy.portOf(still));
  assertEquals(await client.ask("CLUSTER", "MYID"), { type: "$", text: still.id });
  Deno.kill(still.pid!, "SIGSTOP");
  try {
    await client.send("*2\r\n$7\r\nCLUSTER\r\n$4\r\nMYID\r\n");
    // The kernel still accepts connections for it.
    using late = await WireClient.connect(proxy.host, proxy.portOf(still));
    await late.send("*2\r\n$7\r\nCLUSTER\r\n$4\r\nMYID\r\n");
    using served = await WireClient.connect(proxy.host, proxy.portOf(other));
    assertEquals(await served.ask("CLUSTER", "MYID"), { type: "$", text: other.id });
    Deno.kill(still.pid!, "SIGCONT");
    const frame = [`$40\r\n${still.id}\r\n`];
    assertEquals([await client.readFrames(1), await late.readFrames(1)], [frame, frame]);
  } finally {
    Deno.kill(still.pid!, "SIGCONT");
  }
  client.close();
  await until("no client is connected", () => proxy.proxy.sessionCount === 0);
});
