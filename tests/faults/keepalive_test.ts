import { assertEquals } from "@std/assert";
import { run } from "../support/program.ts";
import { onLinux } from "../support/platform.ts";
import { Scene } from "../support/scripted_node.ts";

/** Whether the kernel has a keepalive timer for the connection at its end `from`. */
async function isProbed(from: number, to: number): Promise<boolean> {
  const ends = `sport = :${from} and dport = :${to}`;
  const { code, output } = await run(["ss", "-tnoH", "state", "established", ends]);
  assertEquals([code, output.split("\n").length], [0, 2], output);
  return output.includes("timer:(keepalive,");
}

for (const keepAlive of [true, false]) {
  const [mode, probed] = keepAlive ? ["on", "both connections of a client"] : ["off", "neither"];
  onLinux.test(`with --keepalive=${mode} the system probes ${probed}`, async () => {
    await using scene = await Scene.start({ keepAlive });
    const pair = await scene.open();
    // All socket options are set by then.
    await scene.assertServes(pair);
    const [clientPort, upstreamPort] = [pair.client, pair.peer].map(({ localAddress }) =>
      Number(localAddress.split(":")[1])
    );
    const toNode = ["state", "established", `dport = :${scene.node.port}`];
    const { output } = await run(["ss", "-tnH", ...toNode]);
    const ownPorts = [...output.matchAll(/:(\d+) +\S+ *$/gm)].map(([, port]) => Number(port));
    assertEquals(upstreamPort, scene.node.port);
    assertEquals(await isProbed(scene.port, clientPort!), keepAlive);
    // The proxy's own probes of nodes that speak TLS stay open, too.
    const toNodes = await Promise.all(ownPorts.map((port) => isProbed(port, scene.node.port)));
    assertEquals(toNodes.includes(true), keepAlive);
    await scene.assertNothingLeft(pair);
  });
}
