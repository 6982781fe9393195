import { assertEquals, assertMatch } from "@std/assert";
import { Namespace } from "../../support/namespace.ts";
import type { NatProcess } from "../../support/nat_process.ts";
import { Program } from "../../support/program.ts";
import { Ssh } from "../../support/ssh.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { BastionNetwork, CLUSTER_NAME, PASSWORD, pathOf } from "./bastion_network.ts";

const LOAD_PROGRAM = pathOf("load_program.ts");

const RECOVERY_DEADLINE_MS = 60_000;

const hindrance = await Namespace.hindrance() ?? await Ssh.hindrance() ??
  withTls("either", "its cluster has other certificates");

Deno.test(
  unless(hindrance, "clients get through the death of a bastion, logged in one line", async () => {
    await using network = await BastionNetwork.create(LOAD_PROGRAM);
    const { port } = network.cluster.nodes[0]!;
    await using server = await network.startSshServer();
    const { program: tunnel, via } = await network.startSshProxy();
    await using _tunnel = tunnel;
    const flags = [`--via=${via}`, "--login", `--cluster-addr=${CLUSTER_NAME}:${port}`];
    const nat = network.startProxy(flags, { CLUSTER_PASSWORD: PASSWORD });
    await using _nat = await nat.ready();
    const words = [Deno.execPath(), "run", "-A", LOAD_PROGRAM, "127.0.0.1", "8000"];
    await using load = new Program([...network.laptop.before, ...words], { orderly: true });
    const untilFlows = () =>
      load.until("flows", () => load.stdout.endsWith("flows\n"), RECOVERY_DEADLINE_MS);
    await untilFlows();

    await network.bastion.kill();
    await Promise.all([server.ended(), tunnel.ended()]);
    await nat.untilLogged(/No node is reachable/);
    await load.until("stalls", () => load.stdout.endsWith("stalls\n"), RECOVERY_DEADLINE_MS);
    await using _server = await network.startSshServer();
    const { program: again } = await network.startSshProxy();
    await using _again = again;
    await nat.untilLogged(/The cluster is reachable again/);
    await untilFlows();
    load.signal("SIGTERM");
    const { stdout } = await load.ended();
    assertMatch(stdout, /\n0 writes without an answer\n$/);

    // Connections that ssh was opening when it died may be reported, too.
    const lines = linesOf(nat).filter((line) => !line.includes("the tunnel "));
    assertEquals(lines, [
      "WARN  No node is reachable; keeping the last known topology: The tunnel " +
      "socks5://127.0.0.1:1080 cannot be reached: Connection refused (os error 111); start it, " +
      "or correct --via",
      "INFO  The cluster is reachable again",
    ]);
  }),
);

/** What the proxy has logged since it is ready, without the times. */
function linesOf(nat: NatProcess): string[] {
  const [, later = ""] = nat.stderr.split(/ Ready: .*\n/);
  return later.trimEnd().split("\n").map((line) => line.replace(/^\S+ /, ""));
}
