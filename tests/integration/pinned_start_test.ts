import { assertEquals, assertMatch } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { idAt } from "../support/named_nodes.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { run } from "../support/program.ts";
import { toolOptions } from "../support/tls.ts";
import { until } from "../support/until.ts";

Deno.test("a cluster is created and fixed from outside, through the ports of static mappings", async (t) => {
  await using stack = new AsyncDisposableStack();
  const lone = { primaries: 1, replicasEach: 0 };
  const clusters = await Promise.all([lone, lone, lone].map((each) => RedisCluster.start(each)));
  clusters.forEach((cluster) => stack.use(cluster));
  const nodes = clusters.map((cluster) => cluster.nodes[0]!);
  for (const node of nodes) await node.order("CLUSTER", "FLUSHSLOTS");
  const port = findFreePorts(3);
  const seed = [`--cluster-addr=${nodes[0]!.address}`, "--start-timeout=0"];
  const ports = [`--listen-addr=127.0.0.1:${port}`, "--public-host=127.0.0.1", "--max-nodes=3"];
  const pins = nodes.map(({ address }, at) => `${address}=${port + at}`);
  const args = [...seed, ...ports, `--port-map=${pins}`];

  async function assertServed(nat: NatProcess): Promise<void> {
    await nat.ready();
    assertEquals(nat.mapping, new Map(nodes.map(({ address }, at) => [address, port + at])));
    for (const [at, node] of nodes.entries()) {
      assertEquals(await idAt("127.0.0.1", port + at), node.id);
    }
  }

  /** Runs redis-cli when a proxy waits for the cluster, which covers some slots. */
  async function runTool(nat: NatProcess, slots: number, ...words: string[]): Promise<string> {
    const reason = `${nodes[0]!.address} is not ready: its state is fail, ${slots} of 16384 slots`;
    await nat.untilLogged(new RegExp(`Waiting for the cluster: The cluster at ${reason}`));
    const { code, output } = await run(
      ["redis-cli", ...toolOptions(), "--cluster", ...words],
      "yes\n",
    );
    assertEquals(code, 0, output);
    return output;
  }

  await t.step("redis-cli --cluster create", async () => {
    await using nat = new NatProcess(args);
    const ports = nodes.map((_, at) => `127.0.0.1:${port + at}`);
    const output = await runTool(nat, 0, "create", ...ports);
    assertMatch(output, /All 16384 slots covered/);
    await assertServed(nat);
  });

  await t.step("redis-cli --cluster fix", async () => {
    const missing = Array.from({ length: 20 }, (_, slot) => `${slot}`);
    await until("all nodes know that the slots have no owner", async (saw) => {
      // One that a node has deleted may come back by gossip.
      for (const node of nodes) await node.order("CLUSTER", "DELSLOTS", ...missing).catch(() => {});
      const infos = await Promise.all(nodes.map((node) => node.order("CLUSTER", "INFO")));
      saw(infos.map(textOf).join("\n"));
      return infos.every((info) => textOf(info)!.includes("cluster_slots_assigned:16364"));
    });
    await using nat = new NatProcess(args);
    await using plain = new NatProcess([...seed, "--listen-addr=127.0.0.1:0"]);
    await plain.untilLogged(/Waiting for the cluster/);
    assertEquals(plain.stdout, "");
    const output = await runTool(nat, 16364, "fix", `127.0.0.1:${port}`);
    assertMatch(output, /Fixing slots coverage[^]*Covering slot/);
    await assertServed(nat);
    await plain.ready();
    for (const node of nodes) assertEquals(await idAt("127.0.0.1", plain.portOf(node)), node.id);
    for (const node of nodes) {
      await until(`${node.address} covers all slots`, async () => {
        const info = textOf(await node.order("CLUSTER", "INFO"))!;
        return info.includes("cluster_slots_assigned:16384");
      });
    }
  });
});
