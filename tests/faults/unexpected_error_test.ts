import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { NatProcess } from "../support/nat_process.ts";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { WireClient } from "../support/wire.ts";

const UNCAUGHT = fileURLToPath(new URL("../support/uncaught.ts", import.meta.url));

Deno.test("an unexpected error ends only its session", async () => {
  using logged = new Logged();
  // The fault exists in this thread only.
  await using scene = await Scene.start({ threads: 1 });
  const other = await scene.open();
  const { client, peer } = await scene.open();
  await scene.assertServes({ client, peer });
  const slots = slotsOf(scene.node);
  const [node] = scene.proxy.proxy.nodes;
  // Makes the rewriter fail.
  Object.defineProperty(node, "listenPort", {
    get() {
      throw new TypeError("It is made up");
    },
  });
  await client.send(PING + SLOTS);
  await peer.readUntil(SLOTS);
  await peer.send(PONG + slots);
  assertEquals(await client.readToEnd(), PONG);
  assertEquals(await peer.readToEnd(), "");
  const errors = logged.lines.filter((line) => !line.startsWith("info"));
  assertEquals(errors.length, 1, errors.join("\n"));
  assertMatch(
    errors[0]!,
    /^error Closing client 2 at .* after an unexpected error: TypeError: It is made up/,
  );
  await scene.assertServes(other);
  await scene.assertNothingLeft(other);
});

Deno.test("an uncaught error is logged, and the program continues", {
  // Windows has no such signals.
  ignore: Deno.build.os === "windows",
}, async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const options = ["-A", `--preload=${UNCAUGHT}`];
  await using nat = await NatProcess.serve(node, [], { options });
  using client = await WireClient.connect("127.0.0.1", nat.portOf(node));
  await client.ask("PING");
  const faults: [Deno.Signal, RegExp][] = [
    ["SIGUSR1", /^.* ERROR Uncaught error: Error: A promise that nobody awaits.*$/m],
    ["SIGUSR2", /^.* ERROR Uncaught error: Error: A timer that nobody watches.*$/m],
  ];
  for (const [signal, line] of faults) {
    nat.signal(signal);
    await nat.untilLogged(line);
    assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
  }
  client.close();
  nat.signal("SIGTERM");
  const { code, stderr } = await nat.ended();
  assertEquals(code, 0, stderr);
  assert(stderr.endsWith("Stopping\n"), stderr);
});
