import { assertEquals } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { type Pair, PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";

/** A blocking command, and part of a long value. */
const BLOCKED = "*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n";
const PART = "$1000000\r\nabc";

/** Requests and replies before the reset. */
const MOMENTS: [what: string, asked: string, sent: string][] = [
  ["between requests", PING, PONG],
  ["before any request", "", ""],
  ["in the middle of a value", `${PING}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc`, PONG],
  ["in the middle of a reply", PING + PING, PONG + PART],
  ["while a reply is held back to be rewritten", PING + SLOTS, `${PONG}*1\r\n*3\r\n:0\r\n`],
  ["while the head of an error is held back", PING + PING, `${PONG}-MOVED 1 127.`],
  ["while blocked", PING + BLOCKED, PONG],
  ["in a transaction", `${PING}*1\r\n$5\r\nMULTI\r\n`, `${PONG}+OK\r\n`],
];

async function begin(scene: Scene, asked: string): Promise<Pair> {
  const pair = await scene.open();
  await pair.client.send(asked);
  return pair;
}

Deno.test("a reset by a client ends its session and its upstream connection", async (t) => {
  using logged = new Logged();
  await using scene = await Scene.start();
  const other = await scene.open();
  for (const [what, asked, sent] of MOMENTS) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked);
      assertEquals(await peer.readUntil(asked), asked);
      await peer.send(sent);
      client.reset();
      assertEquals(await peer.readToEnd(), "");
      peer.close();
      await scene.assertServes(other);
    });
  }
  assertEquals(logged.lines.filter((line) => !line.startsWith("info")), []);
  other.client.close();
  await scene.assertNothingLeft();
});

Deno.test("a reset by a node ends only its session", async (t) => {
  using logged = new Logged();
  await using scene = await Scene.start();
  const other = await scene.open();
  // A node that resets before any traffic counts as unreachable.
  for (const [what, asked, sent] of MOMENTS.filter(([, asked]) => asked !== "")) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked);
      await peer.readUntil(asked);
      await peer.send(sent);
      const plain = sent.replace(/(\*1\r\n\*3|-MOVED)[^]*/, "");
      assertEquals(await client.readUntil(plain), plain);
      peer.reset();
      assertEquals(await client.readToEnd(), "");
      await scene.assertServes(other);
    });
  }
  assertEquals(logged.lines.filter((line) => !line.startsWith("info")), []);
  other.client.close();
  await scene.assertNothingLeft();
});

Deno.test("a client that is gone before its reply leaves nothing", async (t) => {
  await using scene = await Scene.start();
  const replies: [what: string, asked: string, sent: string][] = [
    ["a plain one", PING, PONG],
    ["one that is rewritten", SLOTS, slotsOf(scene.node)],
    ["a long one", PING, `$5000000\r\n${"x".repeat(5_000_000)}\r\n`],
  ];
  for (const [what, asked, sent] of replies) {
    await t.step(what, async () => {
      const { client, peer } = await begin(scene, asked);
      assertEquals(await peer.readUntil(asked), asked);
      client.close();
      assertEquals(await peer.readToEnd(), "");
      // The proxy still sends the reply, because the client may have shut down its side only; the
      // kernel then reports that the client is gone.
      try {
        await peer.send(sent);
      } catch {
        // The proxy may close the connection before the last byte.
      }
      peer.close();
      await scene.assertNothingLeft();
    });
  }
});
