import { assertEquals } from "@std/assert";
import { FakeClock } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";
import { type Pair, PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";

const SET = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n";

/** What is on its way when one side ends: what was asked, and what of the answers was sent. */
const MOMENTS: [what: string, asked: string, sent: string][] = [
  ["before any request", "", ""],
  ["between requests", PING, PONG],
  ["in the middle of a request", PING + SET.slice(0, -4), PONG],
  ["while a reply is due", PING, ""],
  ["in the middle of a reply", PING + PING, `${PONG}$10\r\nabc`],
];

async function begin(scene: Scene, asked: string, sent: string): Promise<Pair> {
  const pair = await scene.open();
  await pair.client.send(asked);
  assertEquals(await pair.peer.readUntil(asked), asked);
  await pair.peer.send(sent);
  if (sent !== "") assertEquals(await pair.client.readUntil(sent), sent);
  return pair;
}

Deno.test("a client that shuts its side still gets all that its node sends", async (t) => {
  await using scene = await Scene.start();
  for (const [what, asked, sent] of MOMENTS) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked, sent);
      await client.closeWrite();
      assertEquals(await peer.readToEnd(), "");
      // Whatever was due; to nothing an error may come at any time.
      const rest = sent.endsWith("abc") ? "defghij\r\n" : "-ERR bye\r\n";
      await peer.send(rest);
      peer.close();
      assertEquals(await client.readToEnd(), rest);
    });
  }
  await t.step("rewritten where it is to be", async () => {
    const { client, peer } = await begin(scene, SLOTS, "");
    await client.closeWrite();
    assertEquals(await peer.readToEnd(), "");
    await peer.send(slotsOf(scene.node));
    peer.close();
    const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };
    assertEquals(await client.readToEnd(), slotsOf(mapped));
  });
  await scene.assertNothingLeft();
});

Deno.test("a node that shuts its side still gets all that its client sends", async (t) => {
  await using scene = await Scene.start();
  for (const [what, asked, sent] of MOMENTS) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked, sent);
      await peer.closeWrite();
      assertEquals(await client.readToEnd(), "");
      const rest = asked.endsWith("a") ? SET.slice(-4) : PING;
      await client.send(rest);
      client.close();
      assertEquals(await peer.readToEnd(), rest);
    });
  }
  await t.step("but the client no half of an answer that names a node", async () => {
    const { client, peer } = await begin(scene, PING + SLOTS, PONG);
    await peer.send(slotsOf(scene.node).slice(0, -4));
    await peer.closeWrite();
    assertEquals(await client.readToEnd(), "");
    client.close();
  });
  await scene.assertNothingLeft();
});

Deno.test("a client that does not notice that its node is gone has a minute to", async () => {
  // The times are looked at often then, and by the clock of this thread.
  await using scene = await Scene.start({ captureTimeoutMs: 200, threads: 1 });
  const unused = await scene.open();
  const other = await scene.open();
  unused.peer.close();
  assertEquals(await unused.client.readToEnd(), "");
  const { proxy } = scene.proxy;
  using clock = new FakeClock();
  clock.aheadMs = 50_000;
  // Takes long enough for several checks.
  const slow = await scene.open();
  await slow.client.send(SLOTS);
  await slow.peer.send("*1\r\n");
  assertEquals(await slow.client.readToEnd(), "");
  assertEquals(proxy.sessionCount, 2);
  clock.aheadMs = 65_000;
  await until("it is closed", () => proxy.sessionCount === 1);
  await scene.assertServes(other);
  other.client.close();
  await scene.assertNothingLeft();
});
