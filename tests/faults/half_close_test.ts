import { assertEquals } from "@std/assert";
import { FakeClock } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";
import { type Pair, PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";

const SET = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n";

/** Requests and the sent part of their replies when one side ends. */
const MOMENTS: [what: string, asked: string, sent: string][] = [
  ["before any request", "", ""],
  ["between requests", PING, PONG],
  ["in the middle of a request", PING + SET.slice(0, -4), PONG],
  ["while a reply is due", PING, ""],
  ["in the middle of a reply", PING + PING, `${PONG}$10\r\nabc`],
];

async function begin(scene: Scene, asked: string, sent: string): Promise<Pair> {
  const pair = await scene.open(asked, sent);
  assertEquals(await pair.client.readUntil(sent), sent);
  return pair;
}

Deno.test("a client that shuts down its side gets all further replies", async (t) => {
  await using scene = await Scene.start();
  const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };
  const rewritten = ["rewritten if they have addresses", SLOTS, ""] as const;
  for (const [what, asked, sent] of [...MOMENTS, rewritten]) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked, sent);
      await client.closeWrite();
      assertEquals(await peer.readToEnd(), "");
      // The outstanding reply; without one, a node may send an error.
      const rest = sent.endsWith("abc") ? "defghij\r\n" : "-ERR bye\r\n";
      await peer.send(asked === SLOTS ? slotsOf(scene.node) : rest);
      peer.close();
      assertEquals(await client.readToEnd(), asked === SLOTS ? slotsOf(mapped) : rest);
    });
  }
  await scene.assertNothingLeft();
});

Deno.test("a node that shuts down its side gets all further requests", async (t) => {
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
  await t.step("half a reply with addresses is dropped", async () => {
    const { client, peer } = await begin(scene, PING + SLOTS, PONG);
    await peer.send(slotsOf(scene.node).slice(0, -4));
    await peer.closeWrite();
    assertEquals(await client.readToEnd(), "");
    client.close();
  });
  await scene.assertNothingLeft();
});

Deno.test("a client has a minute to notice the end of its node", async () => {
  // Timeouts are checked often then, with the clock of this thread.
  await using scene = await Scene.start({ captureTimeoutMs: 200, threads: 1 });
  const [unused, other] = [await scene.open(), await scene.open()];
  unused.peer.close();
  assertEquals(await unused.client.readToEnd(), "");
  const { proxy } = scene.proxy;
  using clock = new FakeClock();
  clock.aheadMs = 50_000;
  // Takes long enough for several checks.
  await scene.outlastCapture();
  assertEquals(proxy.sessionCount, 2);
  clock.aheadMs = 65_000;
  await until("it is closed", () => proxy.sessionCount === 1);
  await scene.assertServes(other);
  await scene.assertNothingLeft(other);
});
