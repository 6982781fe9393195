import { assertEquals } from "@std/assert";
import { run } from "../support/program.ts";
import { Scene } from "../support/scripted_node.ts";

/** Whether the kernel has a keepalive timer for the connection at its end `from`. */
async function isProbed(from: number, to: number): Promise<boolean> {
  const ends = `sport = :${from} and dport = :${to}`;
  const { code, output } = await run(["ss", "-tnoH", "state", "established", ends]);
  assertEquals([code, output.split("\n").length], [0, 2], output);
  return output.includes("timer:(keepalive,");
}

for (const keepAlive of [true, false]) {
  Deno.test({
    name: `with --keepalive=${keepAlive ? "on" : "off"} the system probes ` +
      (keepAlive ? "both connections of a client" : "neither"),
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using scene = await Scene.start({ keepAlive });
      const pair = await scene.open();
      // All socket options are set by then.
      await scene.assertServes(pair);
      const [clientPort, upstreamPort] = [pair.client, pair.peer].map(({ localAddress }) =>
        Number(localAddress.split(":")[1])
      );
      const { output } = await run([
        "ss",
        "-tnH",
        "state",
        "established",
        `dport = :${scene.node.port}`,
      ]);
      const ownPort = Number(/:(\d+) +\S+ *$/m.exec(output)![1]);
      assertEquals(upstreamPort, scene.node.port);
      assertEquals(await isProbed(scene.port, clientPort!), keepAlive);
      assertEquals(await isProbed(ownPort, scene.node.port), keepAlive);
      pair.client.close();
      await scene.assertNothingLeft();
    },
  });
}
