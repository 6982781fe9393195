import { assert, assertEquals, assertMatch } from "@std/assert";
import { UNCOUNTED_BYTES } from "../../src/relay/capture.ts";
import { bulk } from "../support/frames.ts";
import { Logged } from "../support/logged.ts";
import { NODES, type Pair, PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { until, untilStable } from "../support/until.ts";

const LIMIT_BYTES = 1024 * 1024;

const ERROR =
  `-ERR Captured replies need more than the ${LIMIT_BYTES} bytes of --capture-limit\r\n`;

/** A reply to CLUSTER NODES of this length without a node. */
function answerOf(length: number): string {
  const header = `$${length}\r\n`;
  return bulk("\n".repeat(length - header.length - 2));
}

/** Has the node answer a request, and checks that the client gets just that. */
async function assertPasses({ client, peer }: Pair, asked: string, answer: string): Promise<void> {
  await client.send(asked);
  await peer.readUntil(asked);
  const [[frame]] = await Promise.all([client.readFrames(1), peer.send(answer)]);
  assert(frame === answer, `Of ${answer.length} bytes came ${JSON.stringify(frame!.slice(0, 99))}`);
}

Deno.test("a reply with addresses over --capture-limit becomes an error, and its session ends", async () => {
  using logged = new Logged();
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES });
  const other = await scene.open();
  const { client, peer } = await scene.open(PING + NODES + PING);
  const sent = peer.send(PONG + answerOf(2 * LIMIT_BYTES) + PONG).catch(() => {});
  assertEquals(await client.readToEnd(), PONG + ERROR);
  await sent;
  assertEquals(await peer.readToEnd(), "");
  const lines = await logged.untilLines(1);
  assertMatch(lines.join("\n"), /^warning Closing client 2 at .*--capture-limit$/);
  await scene.assertServes(other);
  await scene.assertNothingLeft(other);
});

Deno.test("a push over --capture-limit ends the session without an error", async () => {
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES });
  const pair = await scene.open(PING);
  const push = `>2\r\n${bulk("MOVING")}$${2 * LIMIT_BYTES}\r\n${"x".repeat(2 * LIMIT_BYTES)}`;
  // The proxy may close the connection before the last byte.
  const sent = pair.peer.send(PONG + push).catch(() => {});
  assertEquals(await pair.client.readToEnd(), PONG);
  await sent;
  await scene.assertNothingLeft(pair);
});

Deno.test("--capture-limit applies only to replies with addresses", async () => {
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES });
  const pair = await scene.open();
  // Blocks may be partly empty.
  for (const share of [0.3, 0.5, 0.6, 0.9]) {
    await assertPasses(pair, NODES, answerOf(Math.round(share * LIMIT_BYTES)));
  }
  await assertPasses(pair, PING, bulk("x".repeat(4 * LIMIT_BYTES)));
  await scene.assertNothingLeft(pair);
});

Deno.test("all sessions share --capture-limit, and reuse what others release", async () => {
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES });
  const answer = answerOf(Math.round(0.7 * LIMIT_BYTES));
  const [half, rest] = [answer.slice(0, answer.length - 10), answer.slice(-10)];
  const first = await scene.open(NODES, half);
  await until("the first is held", () => scene.proxy.proxy.capturedBytes >= half.length);

  const second = await scene.open(NODES);
  const sent = second.peer.send(half).catch(() => {});
  assertEquals(await second.client.readToEnd(), ERROR);
  await sent;
  await first.peer.send(rest);
  assert((await first.client.readFrames(1))[0] === answer, "The first is another");
  await until("all is given back", () => scene.proxy.proxy.capturedBytes === 0);

  const third = await scene.open();
  await assertPasses(third, NODES, answer);
  await scene.assertNothingLeft(first, third);
});

Deno.test("every end of a capture releases its share of --capture-limit", async (t) => {
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES, captureTimeoutMs: 300 });
  // Longer than a capture that needs no share of the limit.
  const cut = `*2\r\n${bulk("x".repeat(4 * UNCOUNTED_BYTES))}`;
  const ends: Record<string, (pair: Pair) => unknown> = {
    "whole": async ({ client, peer }) => {
      await peer.send("*0\r\n");
      await client.readFrames(1);
      client.close();
    },
    "with the node": ({ peer }) => peer.close(),
    "with a reset by the node": ({ peer }) => peer.reset(),
    "with the client": ({ client, peer }) => {
      client.close();
      peer.close();
    },
    "with a reset by the client": ({ client }) => client.reset(),
    "with garbage": ({ peer }) => peer.send("garbage"),
    "with too much": ({ peer }) => {
      const flood = `$${2 * LIMIT_BYTES}\r\n${"x".repeat(2 * LIMIT_BYTES)}`;
      // The proxy may close the connection before the last byte.
      return peer.send(flood).catch(() => {});
    },
    "with its time": ({ client }) => client.readToEnd(),
  };
  for (const [how, end] of Object.entries(ends)) {
    await t.step(how, async () => {
      for (let time = 0; time < (how === "with its time" ? 1 : 10); time++) {
        const pair = await scene.open(SLOTS, cut);
        await until("the reply is held", () => scene.proxy.proxy.capturedBytes > 0);
        await end(pair);
        if (!pair.client.isClosed) {
          await pair.client.readToEnd();
          pair.client.close();
        }
        await scene.assertNothingLeft();
      }
    });
  }
});

/** More than the buffers of all sockets hold, so that the proxy holds some. */
const UNREAD_BYTES = 24 * LIMIT_BYTES;

/** Lets a client request replies without reading them, until the node cannot send more. */
async function leaveUnread({ client, peer }: Pair, answer: string): Promise<{ answers: number }> {
  const answers = Math.ceil(UNREAD_BYTES / answer.length);
  await client.send(NODES.repeat(answers));
  await peer.readUntil(NODES);
  let sent = 0;
  (async () => {
    while (sent < answers) {
      await peer.send(answer, 60_000);
      sent++;
    }
    // It fails when the proxy has closed the connection.
  })().catch(() => {});
  await until("the node sends", () => sent > 0);
  await untilStable("the number of sent answers", () => sent);
  assert(sent < answers, `All ${answers} answers were sent`);
  return { answers };
}

Deno.test("a client that does not read a long reply delays others only for a time", async () => {
  using logged = new Logged();
  // Longer than the steps before the timeout take on a busy machine.
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES, captureTimeoutMs: 5000 });
  const { proxy } = scene.proxy;
  const answer = answerOf(Math.round(0.9 * LIMIT_BYTES));
  const lazy = await scene.open();
  await leaveUnread(lazy, answer);
  assert(proxy.capturedBytes > 0.8 * LIMIT_BYTES, `${proxy.capturedBytes} bytes are held`);

  const pair = await scene.open("GET k\r\n", `-MOVED 1 ${scene.node.address}\r\n`);
  const { client, peer } = pair;
  assertEquals(await client.readFrames(1), [`-MOVED 1 nat.example:${scene.port}\r\n`]);
  await client.send(SLOTS);
  await peer.readUntil(SLOTS);
  await peer.send(slotsOf(scene.node));
  const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };
  assertEquals(await client.readFrames(1), [slotsOf(mapped)]);

  await logged.untilLines(1);
  assertMatch(
    logged.lines.join("\n"),
    /^warning Closing client 1: it did not read .* 5000 ms \(--capture-timeout\)$/,
  );
  await until("all is given back", () => proxy.capturedBytes === 0);
  await assertPasses(pair, NODES, answer);
  lazy.peer.close();
  await scene.assertNothingLeft(pair, lazy);
});

Deno.test("a client may leave replies unread that delay no others", async () => {
  // Node, proxy and client share one thread, in which reading megabytes takes hundreds of
  // milliseconds on a busy machine. No reply may stay unfinished for the timeout meanwhile.
  await using scene = await Scene.start({ captureLimitBytes: LIMIT_BYTES, captureTimeoutMs: 2000 });
  const answer = answerOf(UNCOUNTED_BYTES);
  const lazy = await scene.open();
  const { answers } = await leaveUnread(lazy, answer);
  await scene.outlastCapture();
  await until("nothing is captured", () => scene.proxy.proxy.capturedBytes === 0);
  const length = answers * answer.length;
  assertEquals(await lazy.client.skip(length, 30_000), length);
  await scene.assertNothingLeft(lazy);
});
