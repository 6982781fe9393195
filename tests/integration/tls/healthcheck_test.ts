import { assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { NatProcess, runNat } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { until } from "../../support/until.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";

/** What `--tls-auth-clients` may be, and the file that "yes" and "optional" need. */
const AUTH_CLIENTS = {
  no: {},
  optional: { TLS_CA_CERT_FILE: "ca.crt" },
  yes: { TLS_CA_CERT_FILE: "ca.crt" },
};

Deno.test("a health check of a proxy whose ports speak TLS", async (t) => {
  await using directory = await TlsDirectory.create("nat");
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes;
  for (const [auth, files] of Object.entries(AUTH_CLIENTS)) {
    for (const THREADS of ["1", "2"]) {
      const port = findFreePorts(1);
      const names = { TLS_CERT_FILE: "nat.crt", TLS_KEY_FILE: "nat.key", ...files };
      const paths = Object.entries(names).map(([name, file]) => [name, directory.at(file)]);
      const env = {
        ...{ LISTEN_ADDR: `127.0.0.1:${port}`, MAX_NODES: "1", CLUSTER_ADDR: node!.address },
        ...{ THREADS, TLS_AUTH_CLIENTS: auth, ...Object.fromEntries(paths) },
      };
      const check = () => runNat(["healthcheck"], { env });

      await t.step(`passes with TLS_AUTH_CLIENTS=${auth} and THREADS=${THREADS}`, async () => {
        await using nat = await new NatProcess([], { env }).ready();
        assertEquals(await check(), {
          code: 0,
          stdout: `Healthy: 127.0.0.1:${port} answers\n`,
          stderr: "",
        });
        // The probe has no certificate, and leaves no warning for each of its runs.
        assertEquals(nat.stderr.match(/WARN/g), null, nat.stderr);
      });

      // The number of threads is that of the proxy.
      if (THREADS === "2") continue;

      await t.step(`fails with TLS_AUTH_CLIENTS=${auth} if no proxy runs`, async () => {
        const { code, stdout, stderr } = await check();
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, /^redis-cluster-nat: Nothing listens at 127\.0\.0\.1:.*\n$/);
      });
    }
  }

  await t.step("fails while the node is down, and passes again", async () => {
    const port = findFreePorts(1);
    const env = {
      ...{ LISTEN_ADDR: `127.0.0.1:${port}`, MAX_NODES: "1", CLUSTER_ADDR: node!.address },
      ...{ TLS_CERT_FILE: directory.at("nat.crt"), TLS_KEY_FILE: directory.at("nat.key") },
    };
    const untilCode = (wanted: number) =>
      until(`the health check ends with ${wanted}`, async (saw) => {
        const ending = await runNat(["healthcheck"], { env });
        saw(ending);
        return ending.code === wanted;
      }, 30_000);
    await using _nat = await new NatProcess([], { env }).ready();
    await node!.kill();
    await untilCode(1);
    await node!.start();
    await untilCode(0);
  });
});
