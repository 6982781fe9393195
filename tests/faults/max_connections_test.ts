import { assertEquals } from "@std/assert";
import { assertTooMany } from "../support/refusal.ts";
import { PING, PONG, Scene } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";

Deno.test("a client over --max-connections is refused before it reaches its node", async () => {
  await using scene = await Scene.start({ maxConnections: 2 });
  const [first, second] = [await scene.open(), await scene.open()];
  for (let round = 0; round < 5; round++) await assertTooMany(scene.connect());
  assertEquals(scene.proxy.proxy.sessionCount, 2);
  await scene.assertServes(first);
  await scene.assertServes(second);
  assertEquals(scene.node.peers.length, 2);

  // By a reset of the client, then of the node.
  second.client.reset();
  await until("one has left", () => scene.proxy.proxy.sessionCount === 1);
  const third = await scene.open();
  await scene.assertServes(third);
  first.peer.reset();
  assertEquals(await first.client.readToEnd(), "");
  await until("another has left", () => scene.proxy.proxy.sessionCount === 1);
  const fourth = await scene.open();
  await scene.assertServes(fourth);
  await assertTooMany(scene.connect());
  await scene.assertNothingLeft(third, fourth);
});

Deno.test("a client counts until its node has answered", async () => {
  await using scene = await Scene.start({ maxConnections: 1 });
  const { client, peer } = await scene.open(PING);
  await client.closeWrite();
  await peer.readToEnd();
  await assertTooMany(scene.connect());
  await peer.send(PONG);
  peer.close();
  assertEquals(await client.readToEnd(), PONG);
  await until("there is room", () => scene.proxy.proxy.sessionCount === 0);
  await scene.assertServes(await scene.open());
});
