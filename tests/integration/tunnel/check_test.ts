import { assertEquals, assertMatch } from "@std/assert";
import type { Place } from "../../support/cluster_places.ts";
import { Namespace } from "../../support/namespace.ts";
import { Program } from "../../support/program.ts";
import { Ssh } from "../../support/ssh.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { BastionNetwork, CLUSTER_NAME, PASSWORD } from "./bastion_network.ts";

const SSH_PROXY = "--via=socks5://127.0.0.1:1080";

const WITH_PASSWORD = { CLUSTER_PASSWORD: PASSWORD };

/** What a user on a laptop gets wrong, and what --check says. */
interface Mistake {
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly message: RegExp;
}

/** @param node the first one */
function mistakes({ port, tlsPort }: Place): Record<string, Mistake> {
  return {
    "the name is known at the far end only": {
      flags: [`--cluster-addr=${CLUSTER_NAME}:${port}`],
      message: /^The name 'my-cluster' does not resolve \(/,
    },
    "nothing answers": {
      flags: [`--cluster-addr=10.77.0.1:${port}`],
      message: /^Node 10\.77\.0\.1:\d+ cannot be reached: Network is unreachable/,
    },
    "only the seed is forwarded": {
      flags: ["--cluster-addr=127.0.0.1:17000"],
      message: new RegExp(
        "^Of 6 nodes, 5 cannot be reached from here: Node 10\\.77\\.0\\.\\d:\\d+ cannot be " +
          "reached: Network is unreachable \\(os error 101\\); \\.\\.\\.; use --via to reach " +
          "them through a tunnel, or --dial-map if they are forwarded to other addresses$",
      ),
    },
    "the nodes speak TLS": {
      flags: [SSH_PROXY, `--cluster-addr=10.77.0.1:${tlsPort}`],
      message: /^Node 10\.77\.0\.1:\d+ speaks TLS on this port: add --cluster-tls/,
    },
    "the password is missing": {
      flags: [SSH_PROXY, `--cluster-addr=${CLUSTER_NAME}:${port}`],
      env: {},
      message: /^Node my-cluster:\d+ requires a password: set --password/,
    },
    "the password is wrong": {
      flags: [SSH_PROXY, `--cluster-addr=${CLUSTER_NAME}:${port}`],
      env: { CLUSTER_PASSWORD: "wrong" },
      message: /^Node my-cluster:\d+ refused the user name or the password: WRONGPASS/,
    },
    "the tunnel is down": {
      flags: ["--via=socks5://127.0.0.1:1", `--cluster-addr=${CLUSTER_NAME}:${port}`],
      message: /^The tunnel socks5:\/\/127\.0\.0\.1:1 cannot be reached: Connection refused/,
    },
    "the tunnel is no HTTP proxy": {
      flags: ["--via=http://127.0.0.1:1080", `--cluster-addr=${CLUSTER_NAME}:${port}`],
      message: /^(The tunnel does not speak HTTP|Node .*: the tunnel closed the connection)/,
    },
    "the tunnel refuses the node": {
      flags: [SSH_PROXY, "--cluster-addr=unknown.example:7000"],
      message: /^Node unknown\.example:7000 cannot be reached: the tunnel closed the connection wi/,
    },
    "a port is taken here": {
      flags: [SSH_PROXY, `--cluster-addr=${CLUSTER_NAME}:${port}`, "--listen-addr=127.0.0.1:1078"],
      message: /^Cannot listen on 127\.0\.0\.1:1080/,
    },
  };
}

const hindrance = await Namespace.hindrance() ?? await Ssh.hindrance() ??
  withTls("either", "its cluster has other certificates");

Deno.test(
  unless(hindrance, "--check says in one line what is wrong on a laptop", async (t) => {
    await using network = await BastionNetwork.create();
    const [first] = network.cluster.nodes;
    await using _server = await network.startSshServer();
    const { program } = await network.startSshProxy();
    await using _proxy: Program = program;
    const { program: forwards, dialMap } = await network.startNodeForwards("port");
    await using _forwards: Program = forwards;

    for (const [mistake, { flags, env, message }] of Object.entries(mistakes(first!))) {
      await t.step(mistake, async () => {
        const nat = network.startProxy(
          ["--check", "--start-timeout=1s", ...flags],
          env ?? WITH_PASSWORD,
        );
        await using _nat = nat;
        const { code, stderr } = await nat.ended();
        assertEquals(code, 1, stderr);
        const line = stderr.trimEnd().split("\n").at(-1)!;
        assertMatch(line.replace(/^redis-cluster-nat: /, ""), message, stderr);
      });
    }

    await t.step("nothing", async () => {
      for (const flag of [SSH_PROXY, `--dial-map=${dialMap}`]) {
        const flags = ["--check", flag, `--cluster-addr=${CLUSTER_NAME}:${first!.port}`];
        const nat = network.startProxy(flags, WITH_PASSWORD);
        await using _nat = nat;
        const { code, stdout, stderr } = await nat.ended();
        assertEquals([code, stderr], [0, ""]);
        assertEquals(stdout.match(/\n/g)!.length, 6, stdout);
      }
    });

    await t.step("an entry of --dial-map that matches no node", async () => {
      const flags = [`--dial-map=${dialMap},10.9.9.9=127.0.0.1`];
      const seed = `--cluster-addr=${CLUSTER_NAME}:${first!.port}`;
      const nat = network.startProxy(["--check", ...flags, seed], WITH_PASSWORD);
      await using _nat = nat;
      const { code, stderr } = await nat.ended();
      assertEquals(code, 0);
      assertMatch(
        stderr,
        /^\S+ WARN {2}No node has the address 10\.9\.9\.9 of --dial-map; correct or remove the entry\n$/,
      );
    });
  }),
);
