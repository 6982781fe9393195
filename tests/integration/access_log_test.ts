import { assertEquals, assertMatch } from "@std/assert";
import { PING, PONG, Scene } from "../support/scripted_node.ts";
import { Logged } from "../support/logged.ts";

/** One client that sends two requests, and then leaves. */
async function visit(overrides: { accessLog?: true }, lines: number): Promise<{
  lines: readonly string[];
  scene: Pick<Scene, "node" | "port">;
}> {
  using logged = new Logged();
  await using scene = await Scene.start(overrides);
  const { node, port } = scene;
  const before = logged.lines.length;
  const { client, peer } = await scene.open(PING + PING, PONG + PONG);
  assertEquals(await client.readUntil(PONG + PONG), PONG + PONG);
  await client.closeWrite();
  await peer.readToEnd();
  peer.close();
  await client.readToEnd();
  await logged.untilLines(before + lines);
  await scene.proxy.proxy.stop();
  return { lines: logged.lines.slice(before), scene: { node, port } };
}

Deno.test("--access-log logs a client when it has left", async () => {
  const { lines, scene: { node, port } } = await visit({ accessLog: true }, 1);
  assertEquals(lines.length, 1, lines.join("\n"));
  const address = node.address.replaceAll(".", "\\.");
  assertMatch(
    lines[0]!,
    new RegExp(
      "^info Client 1 at 127\\.0\\.0\\.1:\\d+ has left " +
        `port ${port} of view default, node ${address}, after \\d+ ms: 2 requests, ` +
        `${2 * PING.length} bytes from the client, ${2 * PONG.length} bytes from the node; ` +
        "reason: client_closed$",
    ),
  );
});

Deno.test("without --access-log a client that leaves is not logged", async () => {
  assertEquals((await visit({}, 0)).lines, []);
});
