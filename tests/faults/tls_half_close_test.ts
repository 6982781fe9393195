import { assertEquals } from "@std/assert";
import { PING, PONG, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { TlsScene } from "../support/tls_scene.ts";
import { within } from "../support/until.ts";

Deno.test("over TLS, the end of one side is no end of the other", async (t) => {
  await using scene = await TlsScene.start();
  const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };

  await t.step("a client that has ended gets its reply", async () => {
    const { client, peer } = await scene.open(SLOTS);
    await client.closeWrite();
    assertEquals(await peer.readToEnd(), "");
    await peer.send(slotsOf(scene.node));
    peer.close();
    assertEquals(await client.readToEnd(), slotsOf(mapped));
  });
  await t.step("a node that has ended gets further requests", async () => {
    const { client, peer } = await scene.open();
    await peer.closeWrite();
    assertEquals(await client.readToEnd(), "");
    // The end of TLS is not all: some clients wait for that of TCP.
    const ended = scene.tcp("client").read(new Uint8Array(1));
    assertEquals(await within("see the end of TCP", ended, 5_000), null);
    await client.send(PING);
    client.close();
    assertEquals(await peer.readToEnd(), PING);
  });
  await scene.assertNothingLeft();
});

// RESP frames say where a reply ends, so an end that TLS has not announced is an end as in TCP.
Deno.test("an end of TCP without the end of TLS is an end", async (t) => {
  await using scene = await TlsScene.start();
  await t.step("of a client", async () => {
    const { client, peer } = await scene.open(PING);
    await scene.tcp("client").closeWrite();
    assertEquals(await peer.readToEnd(), "");
    await peer.send(PONG);
    peer.close();
    assertEquals(await client.readToEnd(), PONG);
  });
  await t.step("of a node", async () => {
    const { client, peer } = await scene.open(PING + PING, `${PONG}$10\r\nabc`);
    await scene.tcp("node").closeWrite();
    assertEquals(await client.readToEnd(), `${PONG}$10\r\nabc`);
    await client.send(PING);
    client.close();
    assertEquals(await peer.readToEnd(), PING);
  });
  await scene.assertNothingLeft();
});
