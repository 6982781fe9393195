import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { onLinux } from "../../support/platform.ts";
import { PONG } from "../../support/scripted_node.ts";
import { until } from "../../support/until.ts";
import { ThreadedScene } from "./threaded.ts";

/** Limit for what the proxy does without waiting, on a busy machine. */
const AT_ONCE_MS = 2_000;

const FAULTY = fileURLToPath(new URL("./faulty_threads.ts", import.meta.url));

onLinux.test("a stop completes the replies in progress in all threads", async () => {
  await using scene = await ThreadedScene.start(["--shutdown-grace=60s"]);
  const pairs = await scene.askIn(1, 2);
  await scene.stop();
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
  const { code, stderr } = await scene.nat.ended();
  assertEquals(code, 0, stderr);
  assert(!stderr.includes("have not ended"), stderr);
});

onLinux.test("clients closed after the grace period are counted over all threads", async () => {
  await using scene = await ThreadedScene.start(["--shutdown-grace=300ms"]);
  await scene.askIn(1, 2, 2);
  await scene.stop();
  const { code, stderr } = await scene.nat.ended();
  assertEquals(code, 0, stderr);
  assertEquals(stderr.match(/Closing \d+ clients/g), ["Closing 3 clients"]);
});

onLinux.test("a second signal ends all threads at once", async () => {
  await using scene = await ThreadedScene.start(["--shutdown-grace=60s"]);
  const { nat } = scene;
  await scene.askIn(1, 2);
  await scene.stop();
  const askedAtMs = performance.now();
  // Two signals in quick succession count as one.
  await until("the program has ended", () => nat.code !== undefined || nat.signal("SIGTERM"));
  assertEquals((await nat.ended()).code, 0);
  assert(performance.now() - askedAtMs < AT_ONCE_MS);
});

onLinux.test("a thread that ends during shutdown is logged", async () => {
  const options = ["-A", `--preload=${FAULTY}`];
  await using scene = await ThreadedScene.start(["--shutdown-grace=60s"], { options });
  await scene.askIn(1, 2);
  await scene.stop();
  scene.nat.signal("SIGHUP");
  const { code, stderr } = await scene.nat.ended();
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /"level":"error","message":"Thread 2 of --threads has ended: /);
  assert(!stderr.includes("have not ended"), stderr);
});
