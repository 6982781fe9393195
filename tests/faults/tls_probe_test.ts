import { assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { startTlsProxy } from "../support/tls_proxy.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

Deno.test("probes of nodes that speak TLS do not fill the logs of the nodes", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes;
  const complaints = async () => (await node!.logTail()).match(/Error accepting/g)?.length ?? 0;
  await using proxy = await startTlsProxy(cluster);
  const startMs = performance.now();
  await until("some probes are due", async () => {
    // A client that leaves is a reason for a probe, too.
    using client = await WireClient.connect("127.0.0.1", proxy.portOf(node!));
    await client.ask("PING");
    return performance.now() - startMs > 3_000;
  });
  assertEquals(await complaints(), 0);
});

Deno.test("the port of a node that speaks TLS is closed when the node ends, and opened again", async () => {
  using logged = new Logged();
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 2, replicasEach: 0 });
  const [node] = cluster.nodes;
  await using proxy = await startTlsProxy(cluster);
  const port = proxy.portOf(node!);
  const says = (text: string) => logged.lines.some((line) => line.includes(text));
  await node!.stop();
  // A connection to the port would make the proxy suspect the node.
  await until("the port is closed", () => says(`closing port ${port} until it does`));
  await node!.start();
  await until("the port is open", async () => {
    using client = await WireClient.connect("127.0.0.1", port);
    return (await client.ask("PING")).type === "+";
  });
});
