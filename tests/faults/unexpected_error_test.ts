import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { NatProcess } from "../support/nat_process.ts";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { WireClient } from "../support/wire.ts";

const UNCAUGHT = fileURLToPath(new URL("../support/uncaught.ts", import.meta.url));

Deno.test("an error that nobody expected ends the session in which it comes, and no other", async () => {
  using logged = new Logged();
  // Of what is made up here other threads would know nothing.
  await using scene = await Scene.start({ threads: 1 });
  const other = await scene.open();
  const { client, peer } = await scene.open();
  await scene.assertServes({ client, peer });
  const slots = slotsOf(scene.node);
  const [node] = scene.proxy.proxy.nodes;
  // What a rewriter asks of its node fails, as no node of the program does.
  Object.defineProperty(node, "publicPort", {
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
  other.client.close();
  await scene.assertNothingLeft();
});

Deno.test("an error that nobody catches is logged, and the program goes on", {
  // There are no such signals.
  ignore: Deno.build.os === "windows",
}, async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await new NatProcess(
    [`--cluster-addr=${node.address}`, "--listen-addr=127.0.0.1:0"],
    { options: ["-A", `--preload=${UNCAUGHT}`] },
  ).ready();
  using client = await WireClient.connect("127.0.0.1", nat.mapping.get(node.address)!);
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
