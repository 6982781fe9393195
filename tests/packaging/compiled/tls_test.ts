import { assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { nodeFlags, publicFlags } from "../../support/cluster_tls.ts";
import { ROOT } from "../../support/compiler.ts";
import { NatProcess, runNat } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";

/** Downloads the runtime for the executable. */
const COMPILE_DEADLINE_MS = 300_000;

/** The pair of `.ci/denort` is too old for TLS. */
const hindrance = Deno.env.has("TEST_COMPILED_TLS")
  ? undefined
  : "it needs Deno's server; set TEST_COMPILED_TLS";

Deno.test(unless(hindrance, "the compiled program speaks TLS on both sides", async (t) => {
  await using directory = await TemporaryDirectory.create();
  const compile = [Deno.execPath(), "task", "compile", `--directory=${directory.at("")}`];
  const options = { cwd: ROOT, deadlineMs: COMPILE_DEADLINE_MS };
  const { code, output } = await run(compile, "", options);
  assertEquals(code, 0, output);
  const executable = directory.at("redis-cluster-nat");
  await using cluster = await RedisCluster.start({ tls: "only", replicasEach: 0 });
  const { certificates, nodes } = cluster;
  const [node] = nodes;
  const { files } = certificates;
  for (const threads of [1, 2]) {
    await t.step(`with threads: ${threads}`, async () => {
      const flags = [
        ...[`--cluster-addr=${node!.address}`, `--listen-addr=127.0.0.1:${findFreePorts(3)}`],
        ...[`--threads=${threads}`, "--max-nodes=3"],
        ...publicFlags(certificates),
        ...nodeFlags(certificates),
      ];
      await using nat = await new NatProcess(flags, { executable }).ready();
      const cli = [
        ...["redis-cli", "-c", "-p", `${nat.portOf(node!)}`],
        ...["--tls", "--cacert", files["tls-ca-cert-file"]],
        ...["--cert", files["tls-cert-file"], "--key", files["tls-key-file"]],
      ];
      const commands = ["a", "b", "c", "d"].map((key) => `SET ${key} ${key}\n`).join("");
      const answers = (await run(cli, commands)).output.replaceAll(/^-> Redirected .*\n/gm, "");
      assertEquals(answers, "OK\n".repeat(4), nat.stderr);
      const { stdout } = await runNat(["healthcheck", ...flags], { executable });
      assertMatch(stdout, /^Healthy: /);
    });
  }
}));
