import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { PING, Scene } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";

/** Short for a test, long compared with the pauses of a busy machine. */
const TIMEOUT_MS = 600;

/** Timeouts are checked several times while they last, on a busy machine. */
const GRACE_MS = 2_000;

const BLOCKED = "*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n";

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
      const { client, peer } = await scene.open();
      await client.send(asked);
      await peer.send(sent);
      assertEquals(await client.readToEnd(), sent);
      const tookMs = performance.now() - beganAtMs;
      assert(TIMEOUT_MS <= tookMs && tookMs < TIMEOUT_MS + GRACE_MS, `It took ${tookMs} ms`);
      assertEquals(await peer.readToEnd(), asked);
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

Deno.test("a connection with traffic in either direction stays open", async (t) => {
  await using scene = await Scene.start({ idleTimeoutMs: TIMEOUT_MS });
  for (const side of ["client", "peer"] as const) {
    await t.step(side === "client" ? "the client alone" : "the node alone", async () => {
      const idle = await scene.open();
      const pair = await scene.open();
      const { client, peer } = pair;
      // With a subscription only the node sends, with CLIENT REPLY OFF only the client.
      if (side === "peer") {
        await client.send("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
        await peer.send("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
      } else await client.send("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n");
      const message = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n";
      let ended = false;
      const end = idle.client.readToEnd().finally(() => ended = true);
      // Twice as long as an idle connection lasts.
      await until("an idle client ends", async () => {
        await (side === "peer" ? peer.send(message) : client.send(PING));
        return ended;
      });
      assertEquals(await end, "");
      if (side === "peer") {
        await peer.send(message.replace("$1\r\nm", "$4\r\nlast"));
        assert((await client.readUntil("last\r\n")).endsWith("last\r\n"));
      } else {
        await client.send("*2\r\n$4\r\nECHO\r\n$4\r\nlast\r\n");
        assert((await peer.readUntil("last\r\n")).endsWith("last\r\n"));
      }
      client.close();
      idle.client.close();
    });
  }
  await scene.assertNothingLeft();
});

Deno.test("without --idle-timeout a blocked client stays connected", async () => {
  await using scene = await Scene.start({ captureTimeoutMs: TIMEOUT_MS });
  const { client, peer } = await scene.open();
  await client.send(BLOCKED);
  // Waits for the shortest other timeout.
  const slow = await scene.open();
  await slow.client.send("*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n");
  await slow.peer.send("$100\r\n");
  assertEquals(await slow.client.readToEnd(), "");
  const popped = "*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
  await peer.send(popped);
  assertEquals(await client.readUntil(popped), popped);
  client.close();
  await scene.assertNothingLeft();
});
