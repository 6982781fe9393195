import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";

/** Short for a test, long compared with a reply on a busy machine. */
const TIMEOUT_MS = 400;

/** Timeouts are checked several times while they last, on a busy machine. */
const GRACE_MS = 2_000;

Deno.test("a captured reply that stays incomplete ends only its client", async () => {
  using logged = new Logged();
  await using scene = await Scene.start({ captureTimeoutMs: TIMEOUT_MS });
  const other = await scene.open();
  const { client, peer } = await scene.open(PING + SLOTS, PONG);
  const slots = slotsOf(scene.node);
  assertEquals(await client.readUntil(PONG), PONG);
  const beganAtMs = performance.now();
  let sent = 0;
  let ended = false;
  const end = client.readToEnd().finally(() => ended = true);
  // Byte by byte: the connection is never idle for long, and the reply never complete.
  await until("the client is closed", async (saw) => {
    saw(`${sent} bytes sent`);
    if (sent < slots.length - 2 && !ended) await peer.send(slots[sent++]!);
    await scene.assertServes(other);
    return ended;
  });
  const tookMs = performance.now() - beganAtMs;
  assertEquals(await end, "");
  assert(sent > 5, `Only ${sent} bytes were sent`);
  assert(TIMEOUT_MS <= tookMs && tookMs < TIMEOUT_MS + GRACE_MS, `It took ${tookMs} ms`);
  assertEquals(await peer.readToEnd(), "");
  assertMatch(
    (await logged.untilLines(1)).join("\n"),
    /^warning Closing client 2: .* did not finish a reply .*\(--capture-timeout\)$/,
  );
  await scene.assertNothingLeft(other);
});

/** What stalls, and its two parts from the client and from the node. */
const STALLS: [what: string, asked: [string, string], sent: [string, string]][] = [
  ["a request", ["*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab", "cde\r\n"], ["", "+OK\r\n"]],
  ["the name of a request", ["*1\r\n$4\r\nPI", "NG\r\n"], ["", PONG]],
  ["an inline request", ["PI", "NG\r\n"], ["", PONG]],
  ["a reply", [PING, ""], ["$5\r\nab", "cde\r\n"]],
  ["the header of a reply", [PING, ""], ["$1", "\r\na\r\n"]],
  ["an error", [PING, ""], ["-ERR no", "t now\r\n"]],
];

Deno.test("stalled traffic that is not captured continues later", async (t) => {
  await using scene = await Scene.start({ captureTimeoutMs: TIMEOUT_MS });
  // When the proxy has ended another client for a stall, it would have ended all of these.
  const stalled = [];
  for (const [what, asked, sent] of STALLS) {
    // A node may not reply before the request, part of which the proxy may hold back.
    const [first, rest] = sent[0] === "" ? ["", asked.join("")] : asked;
    const pair = await scene.open(first, sent[0]);
    await pair.client.send(first === "" ? asked[0] : "");
    stalled.push({ ...pair, what, asked, rest, sent });
  }
  await scene.outlastCapture();
  for (const { client, peer, what, asked, rest, sent } of stalled) {
    await t.step(what, async () => {
      await client.send(asked[1]);
      assertEquals(await peer.readUntil(rest), rest);
      await peer.send(sent[1]);
      assertEquals(await client.readUntil(sent.join("")), sent.join(""));
    });
  }
  await scene.assertNothingLeft(...stalled);
});

Deno.test("a client that does not read delays only itself", async () => {
  await using scene = await Scene.start({ captureTimeoutMs: TIMEOUT_MS });
  const other = await scene.open();
  const pair = await scene.open(PING + SLOTS);
  const value = `$20000000\r\n${"x".repeat(20_000_000)}\r\n`;
  // The reply behind the value waits for the client, so --capture-timeout does not apply.
  const sent = pair.peer.send(value + slotsOf(scene.node), 30_000);
  await scene.outlastCapture();
  await scene.assertServes(other);
  assert((await pair.client.readFrames(1, 30_000))[0] === value, "The value is another");
  await sent;
  const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };
  assertEquals(await pair.client.readFrames(1), [slotsOf(mapped)]);
  await scene.assertNothingLeft(pair, other);
});
