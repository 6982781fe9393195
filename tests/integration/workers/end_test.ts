import { assert, assertEquals } from "@std/assert";
import { PONG, ScriptedNode } from "../../support/scripted_node.ts";
import { until } from "../../support/until.ts";
import { askIn, ON_LINUX, startScripted } from "./threaded.ts";

/** Limit for what the proxy does without waiting, on a busy machine. */
const AT_ONCE_MS = 2_000;

Deno.test(
  "a stop completes the replies in progress in all threads",
  ON_LINUX,
  async () => {
    await using node = await ScriptedNode.start();
    await using nat = await startScripted(node, ["--shutdown-grace=60s"]);
    const pairs = await askIn([1, 2], nat, node);
    nat.signal("SIGTERM");
    await nat.untilLogged(/"Stopping"/);
    for (const { client, peer } of pairs) {
      await peer.send(PONG);
      assertEquals(await client.readUntil(PONG), PONG);
      // The node gets the end of the stream.
      assertEquals(await peer.readToEnd(), "");
      peer.close();
      assertEquals(await client.readToEnd(), "");
      assert(!client.wasReset);
      client.close();
    }
    const { code, stderr } = await nat.ended();
    assertEquals(code, 0, stderr);
    assert(!stderr.includes("have not ended"), stderr);
  },
);

Deno.test(
  "clients closed after the grace period are counted over all threads",
  ON_LINUX,
  async () => {
    await using node = await ScriptedNode.start();
    await using nat = await startScripted(node, ["--shutdown-grace=300ms"]);
    const pairs = await askIn([1, 2, 2], nat, node);
    nat.signal("SIGTERM");
    const { code, stderr } = await nat.ended();
    assertEquals(code, 0, stderr);
    assertEquals(stderr.match(/Closing \d+ clients/g), ["Closing 3 clients"]);
    for (const { client } of pairs) client.close();
  },
);

Deno.test("a second signal ends all threads at once", ON_LINUX, async () => {
  await using node = await ScriptedNode.start();
  await using nat = await startScripted(node, ["--shutdown-grace=60s"]);
  const pairs = await askIn([1, 2], nat, node);
  nat.signal("SIGTERM");
  await nat.untilLogged(/"Stopping"/);
  const askedAtMs = performance.now();
  let ended = false;
  const ending = nat.ended().finally(() => ended = true);
  await until("the program has ended", () => {
    // Two signals in quick succession count as one.
    if (!ended) nat.signal("SIGTERM");
    return ended;
  });
  assertEquals((await ending).code, 0);
  assert(performance.now() - askedAtMs < AT_ONCE_MS);
  for (const { client } of pairs) client.close();
});
