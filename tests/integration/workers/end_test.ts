import { assert, assertEquals } from "@std/assert";
import { PONG, ScriptedNode } from "../../support/scripted_node.ts";
import { until } from "../../support/until.ts";
import { askIn, ON_LINUX, startScripted } from "./threaded.ts";

/** For what a proxy does without waiting for anybody, on a machine that may be busy. */
const AT_ONCE_MS = 2_000;

Deno.test(
  "what is under way in any thread at the end is brought to its end",
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
      // The node is told that nothing more is asked.
      assertEquals(await peer.readToEnd(), "");
      peer.close();
      assertEquals(await client.readToEnd(), "");
      assert(!client.wasReset);
      client.close();
    }
    const { code, stderr } = await nat.ended();
    assertEquals(code, 0, stderr);
    assert(!stderr.includes("cut off"), stderr);
  },
);

Deno.test("who is cut off at the end is counted over all threads", ON_LINUX, async () => {
  await using node = await ScriptedNode.start();
  await using nat = await startScripted(node, ["--shutdown-grace=300ms"]);
  const pairs = await askIn([1, 2, 2], nat, node);
  nat.signal("SIGTERM");
  const { code, stderr } = await nat.ended();
  assertEquals(code, 0, stderr);
  assertEquals(stderr.match(/Closing \d+ clients/g), ["Closing 3 clients"]);
  for (const { client } of pairs) client.close();
});

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
    // It takes two signals that come close together for one.
    if (!ended) nat.signal("SIGTERM");
    return ended;
  });
  assertEquals((await ending).code, 0);
  assert(performance.now() - askedAtMs < AT_ONCE_MS);
  for (const { client } of pairs) client.close();
});
