import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { attemptsTo } from "../support/processes.ts";
import { Scene } from "../support/scripted_node.ts";
import { onLinux } from "../support/platform.ts";
import { until, within } from "../support/until.ts";

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
      try {
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        hole.#queued.push(await Deno.connect({ port, signal }));
      } catch {
        return hole;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#queued) connection.close();
  }
}

onLinux.test("a client of a node that does not accept ends after --connect-timeout", async () => {
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
  // The proxy's own probes and queries follow each other.
  const attempts = attemptsTo(scene.node.port);
  await until("all these attempts are given up", (saw) => {
    const left = new Set(attemptsTo(scene.node.port)).intersection(new Set(attempts));
    saw([...left]);
    return left.size === 0;
  });
});

onLinux.test("a stop does not wait for a node that does not accept", async () => {
  await using scene = await Scene.start({ connectTimeoutMs: 60_000 });
  scene.node.close();
  using _hole = await BlackHole.at(scene.node.port);
  const client = await scene.connect();
  await until("the node is dialled", () => attemptsTo(scene.node.port).length > 0);
  const { proxy } = scene.proxy;
  await within("stop the proxy", proxy.stop(), GRACE_MS);
  assertEquals(await client.readToEnd(), "");
  assertEquals([proxy.sessionCount, attemptsTo(scene.node.port)], [0, []]);
});
