import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { startProxy } from "../support/proxy.ts";
import { Scene } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const TIMES = 50;

/** Each thread throttles its own log. */
const ONE_THREAD = { threads: 1 };

Deno.test("a missing public port is logged once", async () => {
  using logged = new Logged();
  await using scene = await Scene.start(ONE_THREAD);
  const { client, peer } = await scene.open("GET k\r\n".repeat(TIMES));
  scene.node.close();
  await peer.send("-MOVED 1 10.9.9.9:7000\r\n".repeat(TIMES));
  const frames = await client.readFrames(TIMES);
  assert(frames.every((frame) => frame.startsWith("-CLUSTERDOWN ")), frames[0]);
  const errors = logged.lines.filter((line) => line.startsWith("error"));
  assertMatch(errors.join("\n"), /^error Replied CLUSTERDOWN to client 1: .*$/);
});

Deno.test("an unreachable node is logged once, and so is its return", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using proxy = await startProxy(cluster, { ...ONE_THREAD, refreshIntervalMs: Infinity });
  const port = proxy.portOf(node);
  const said = (text: string) => logged.lines.filter((line) => line.includes(text));
  for (let round = 1; round <= 2; round++) {
    await node.kill();
    // The port is closed after the first attempt.
    const connecting = Array.from({ length: TIMES }, async () => {
      using client = await WireClient.connect(proxy.host, port);
      assertEquals(await client.readToEnd(), "");
    });
    await Promise.allSettled(connecting);
    assertEquals(said("Cannot connect to").length, round, logged.lines.join("\n"));
    await node.start();
    await until("a client is served, and it is said", async () => {
      using client = await WireClient.connect(proxy.host, port);
      await client.ask("PING");
      return said("is reachable again").length === round;
    });
  }
  assertMatch(
    said("Cannot connect to")[0]!,
    /^warning Cannot connect to node \S+, closing client 1: /,
  );
  assertMatch(said("is reachable again")[0]!, /^info Node \S+ is reachable again$/);
});
