import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { PING, Scene } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";
import { wire } from "../support/wire.ts";

/** Short for a test, long compared with the pauses of a busy machine. */
const TIMEOUT_MS = 600;

/** Timeouts are checked several times while they last, on a busy machine. */
const GRACE_MS = 2_000;

const BLOCKED = wire("BLPOP", "k", "0");

Deno.test("a connection without traffic ends after --idle-timeout", async (t) => {
  using logged = new Logged();
  // Each thread throttles its own log.
  await using scene = await Scene.start({ idleTimeoutMs: TIMEOUT_MS, threads: 1 });
  const moments: [what: string, asked: string, sent: string][] = [
    ["that was never used", "", ""],
    ["that is blocked", BLOCKED, ""],
    ["that stands in the middle of a request", BLOCKED.slice(0, -4), ""],
    ["that stands in the middle of a reply", PING, "$5\r\nab"],
  ];
  for (const [what, asked, sent] of moments) {
    await t.step(what, async () => {
      const beganAtMs = performance.now();
      const { client, peer } = await scene.open(asked, sent);
      assertEquals(await client.readToEnd(), sent);
      const tookMs = performance.now() - beganAtMs;
      assert(TIMEOUT_MS <= tookMs && tookMs < TIMEOUT_MS + GRACE_MS, `It took ${tookMs} ms`);
      assertEquals(await peer.readToEnd(), "");
    });
  }
  const ends = logged.lines.filter((line) => line.includes("Closing"));
  // It is logged once a minute for one host.
  assertMatch(
    ends.join("\n"),
    /^info Closing client 1: idle for more than 600 ms \(--idle-timeout\)$/,
  );
  await scene.assertNothingLeft();
});

/** With CLIENT REPLY OFF only the client sends, with a subscription only the node. */
const BUSY: [
  what: string,
  opening: [asked: string, sent: string],
  message: string,
  last: string,
][] = [
  ["client", [wire("CLIENT", "REPLY", "OFF"), ""], PING, wire("ECHO", "last")],
  [
    "node",
    [wire("SUBSCRIBE", "a"), "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"],
    wire("message", "a", "m"),
    wire("message", "a", "last"),
  ],
];

Deno.test("a connection with traffic in either direction stays open", async (t) => {
  await using scene = await Scene.start({ idleTimeoutMs: TIMEOUT_MS });
  for (const [side, [asked, sent], message, last] of BUSY) {
    await t.step(`the ${side} alone`, async () => {
      const idle = await scene.open();
      const pair = await scene.open();
      const [from, to] = side === "client" ? [pair.client, pair.peer] : [pair.peer, pair.client];
      await pair.client.send(asked);
      if (sent !== "") await pair.peer.readUntil(asked);
      await pair.peer.send(sent);
      let ended = false;
      const end = idle.client.readToEnd().finally(() => ended = true);
      // Twice as long as an idle connection lasts.
      await until("an idle client ends", async () => {
        await from.send(message);
        return ended;
      });
      assertEquals(await end, "");
      await from.send(last);
      assert((await to.readUntil("last\r\n")).endsWith(last));
      for (const { client } of [pair, idle]) client.close();
    });
  }
  await scene.assertNothingLeft();
});

Deno.test("without --idle-timeout a blocked client stays connected", async () => {
  await using scene = await Scene.start({ captureTimeoutMs: TIMEOUT_MS });
  const pair = await scene.open(BLOCKED);
  // The shortest other timeout.
  await scene.outlastCapture();
  const popped = "*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
  await pair.peer.send(popped);
  assertEquals(await pair.client.readUntil(popped), popped);
  await scene.assertNothingLeft(pair);
});
