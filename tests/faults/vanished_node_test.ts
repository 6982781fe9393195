import { assert, assertEquals } from "@std/assert";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { startInnerCluster } from "../support/inner_cluster.ts";
import { Namespace } from "../support/namespace.ts";
import { NatProcess } from "../support/nat_process.ts";
import { run } from "../support/program.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";

const NODES = [1, 2, 3, 4, 5, 6].map((digit) => `172.24.0.${digit}`);

const PROXY = "172.24.0.254";

/** A failover takes a few seconds. */
const DEADLINE_MS = 30_000;

Deno.test(unless(
  await Namespace.hindrance() ?? withTls("either", "its cluster has other certificates"),
  "clients of a node that vanishes end when the cluster declares it failed",
  async () => {
    await using inside = await Namespace.create("inside");
    await using between = await Namespace.create("between");
    await inside.connect(between, {
      name: "private",
      here: NODES.map((address) => `${address}/24`),
      there: [`${PROXY}/24`],
    });
    await using cluster = await startInnerCluster(inside, NODES);
    // An interface without its first address loses the others, too.
    const [witness, node] = [cluster.nodes[0]!, cluster.nodes[1]!];
    await using nat = await new NatProcess([
      `--cluster-addr=${formatHostPort(witness)}`,
      "--listen-addr=127.0.0.1:8000",
      "--log-level=debug",
      "--access-log",
    ], { before: between.before }).ready();
    const port = nat.mapping.get(formatHostPort(node))!;

    // It sends nothing, so it would not notice.
    const subscriber = ["redis-cli", "-h", "127.0.0.1", "-p", `${port}`, "SUBSCRIBE", "c"];
    const ended = run([...between.before, ...subscriber], "", { deadlineMs: 2 * DEADLINE_MS })
      .then(() => performance.now());
    await nat.untilLogged(/is connected to node/);
    const cli = ({ host, port }: HostPort, ...words: string[]) =>
      run([...inside.before, "redis-cli", "-h", host, "-p", `${port}`, ...words]);
    const [, pid] = /process_id:(\d+)/.exec((await cli(node, "INFO", "server")).output)!;
    const vanish = ["ip", "address", "del", `${node.host}/24`, "dev", "private"];
    assertEquals((await run([...inside.before, ...vanish])).code, 0);
    // It could still reach the others through other addresses.
    Deno.kill(Number(pid), "SIGSTOP");

    await until("the cluster says so", async (saw) => {
      const { output } = await cli(witness, "CLUSTER", "NODES");
      saw(output);
      const line = output.split("\n").find((line) => line.includes(` ${node.host}:`))!;
      return line.split(" ")[2]!.split(",").includes("fail");
    }, DEADLINE_MS);
    const saidAtMs = performance.now();
    const tookMs = await ended - saidAtMs;
    assert(tookMs < 2000, `It took ${tookMs} ms`);
    await nat.untilLogged(/has failed: the cluster marks it as failed, and it does not answer/);
    await nat.untilLogged(/ node_failed$/m);
  },
));
