import { assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { nodeFlags, publicFlags } from "../../support/cluster_tls.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { run } from "../../support/program.ts";

Deno.test("clients and nodes may each speak TLS", async (t) => {
  await using cluster = await RedisCluster.start({ tls: "both" });
  const { certificates } = cluster;
  const [node] = cluster.nodes;
  for (const toClients of [false, true]) {
    for (const toNodes of [false, true]) {
      // A worker gets the permissions of the program, which are the least.
      const threads = toClients && toNodes ? 2 : 1;
      await t.step(`to clients: ${toClients}, to nodes: ${toNodes}`, async () => {
        const seed = { host: node!.host, port: toNodes ? node!.tlsPort! : node!.port };
        await using nat = await NatProcess.serve(seed, [
          ...toClients ? publicFlags(certificates) : [],
          ...toNodes ? nodeFlags(certificates) : [],
          `--threads=${threads}`,
        ]);
        const { files } = certificates;
        const tls = [
          "--tls",
          ["--cacert", files["tls-ca-cert-file"]],
          ["--cert", files["tls-cert-file"]],
          ["--key", files["tls-key-file"]],
        ].flat();
        const cli = ["redis-cli", "-c", "-p", `${nat.portOf(seed)}`, ...toClients ? tls : []];
        for (const key of ["a", "b", "c", "d"]) {
          const { output } = await run([...cli, "set", key, `value of ${key}`]);
          assertEquals(output, "OK\n", nat.stderr);
          assertEquals((await run([...cli, "get", key])).output, `value of ${key}\n`);
        }
      });
    }
  }
});
