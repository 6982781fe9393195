import { assert, assertEquals, assertMatch } from "@std/assert";
import { Namespace } from "../../support/namespace.ts";
import { missing } from "../../support/program.ts";
import { Ssh } from "../../support/ssh.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { BastionNetwork, CLUSTER_NAME, PASSWORD, pathOf } from "./bastion_network.ts";

const CLIENT_PROGRAM = pathOf("../clients/nat_client.ts");

/** The ports of README: the first six. */
const PUBLIC = [0, 1, 2, 3, 4, 5].map((index) => `127.0.0.1:${8000 + index}`);

const KEYS = Array.from({ length: 30 }, (_, index) => `key:${index}`);

type Kind = "port" | "tlsPort";

/** A way to the nodes. */
interface Way {
  readonly hindrance: string | undefined;
  /** Starts its programs, and returns the flag of the proxy for it. */
  start(network: BastionNetwork, owner: AsyncDisposableStack, kind: Kind): Promise<string>;
}

const sshd = await Ssh.hindrance();

const WAYS: Readonly<Record<string, Way>> = {
  "ssh -D": {
    hindrance: sshd,
    async start(network, owner) {
      owner.use(await network.startSshServer());
      const { program, via } = await network.startSshProxy();
      owner.use(program);
      return `--via=${via}`;
    },
  },
  "one ssh -L for each node": {
    hindrance: sshd,
    async start(network, owner, kind) {
      owner.use(await network.startSshServer());
      const { program, dialMap } = await network.startNodeForwards(kind);
      owner.use(program);
      return `--dial-map=${dialMap}`;
    },
  },
  "microsocks with a password": {
    hindrance: await missing("microsocks"),
    async start(network, owner) {
      const { program, via } = await network.startSocks();
      owner.use(program);
      return `--via=${via}`;
    },
  },
  "tinyproxy with a password": {
    hindrance: await missing("tinyproxy"),
    async start(network, owner) {
      const { program, via } = await network.startHttpProxy();
      owner.use(program);
      return `--via=${via}`;
    },
  },
};

const hindrance = await Namespace.hindrance() ??
  withTls("either", "its cluster has other certificates");

Deno.test(
  unless(hindrance, "clients that know only 127.0.0.1:8000 use the whole cluster", async (t) => {
    await using network = await BastionNetwork.create(CLIENT_PROGRAM);
    const { cluster } = network;
    const [seed] = cluster.nodes;
    const files = cluster.files!;
    // The proxy warns of a key that others can read.
    await Deno.chmod(files["tls-key-file"], 0o600);

    await t.step("the laptop reaches no node, and does not know the cluster's name", async () => {
      for (const host of [seed!.host, CLUSTER_NAME]) {
        const ping = ["redis-cli", "-h", host, "-p", `${seed!.port}`, "PING"];
        assertEquals((await network.run(ping)).code, 1);
      }
    });

    for (const [name, { hindrance, start }] of Object.entries(WAYS)) {
      const env = { CLUSTER_PASSWORD: PASSWORD };

      await t.step(
        unless(hindrance, `through ${name}`, async (t) => {
          await using owner = new AsyncDisposableStack();
          const way = await start(network, owner, "port");
          // Only the bastion resolves the name.
          const seeds = `--cluster-addr=${CLUSTER_NAME}:${seed!.port}`;
          await using nat = await network.startProxy([way, "--login", seeds], env).ready();
          assertEquals([...nat.mapping.values()], [8000, 8001, 8002, 8003, 8004, 8005]);
          for (const client of ["ioredis", "node-redis"]) {
            await t.step(`with ${client}`, async () => {
              const words = [Deno.execPath(), "run", "-A", CLIENT_PROGRAM, client];
              const { code, output } = await network.run([...words, "127.0.0.1", "8000"]);
              assertEquals(code, 0, output);
              const learned = new Set(output.trimEnd().split("\n"));
              assert(learned.size >= 3 && learned.isSubsetOf(new Set(PUBLIC)), output);
            });
          }
          await t.step("with redis-cli", () => useRedisCli(network));
          await t.step("no private address is in CLIENT LIST", async () => {
            const { output } = await network.run(["redis-cli", "-p", "8000", "CLIENT", "LIST"]);
            assertMatch(
              output,
              / addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:8000 .* cmd=client\|list /,
            );
            assertEquals(output.match(/10\.77\.\d+\.\d+/g), null, output);
          });
          assertNoWarning(nat.stderr);
        }),
      );

      await t.step(
        unless(hindrance, `through ${name}, over TLS`, async () => {
          await using owner = new AsyncDisposableStack();
          await using nat = await network.startProxy([
            await start(network, owner, "tlsPort"),
            "--login",
            // The certificate has no name but the addresses.
            `--cluster-addr=${seed!.host}:${seed!.tlsPort}`,
            "--cluster-tls",
            `--cluster-tls-ca-cert-file=${files["tls-ca-cert-file"]}`,
            `--cluster-tls-cert-file=${files["tls-cert-file"]}`,
            `--cluster-tls-key-file=${files["tls-key-file"]}`,
          ], env).ready();
          await useRedisCli(network);
          assertNoWarning(nat.stderr);
        }),
      );
    }
  }),
);

function assertNoWarning(log: string): void {
  assertEquals(log.match(/^\S+ (WARN|ERROR) .*$/gm), null, log);
}

/** Uses the cluster with redis-cli, which knows no password. */
async function useRedisCli(network: BastionNetwork): Promise<void> {
  const commands = KEYS.map((key) => `SET ${key} value\nGET ${key}\n`).join("");
  const { code, output } = await network.run(["redis-cli", "-c", "-p", "8000"], commands);
  assertEquals(code, 0, output);
  const redirects = output.match(/^-> Redirected .*$/gm)!;
  assert(redirects.every((line) => / located at 127\.0\.0\.1:800[0-5]$/.test(line)), output);
  assertEquals(output.replaceAll(/^-> Redirected .*\n/gm, ""), "OK\nvalue\n".repeat(KEYS.length));
}
