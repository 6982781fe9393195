import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { formatHostPort, type HostPort } from "../../../src/platform/address.ts";
import { startInnerCluster } from "../../support/inner_cluster.ts";
import { Namespace } from "../../support/namespace.ts";
import { run } from "../../support/program.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { connectSides, NODES, PROXY } from "../../support/three_sides.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { startProxyProcess } from "../../support/proxy.ts";

const KEYS = Array.from({ length: 30 }, (_, index) => `key:${index}`);

Deno.test(unless(
  await Namespace.hindrance() ?? withTls("either", "its cluster has other certificates"),
  "clients that can reach only the proxy use the whole cluster",
  async (t) => {
    await using stack = new AsyncDisposableStack();
    const { inside, between, outside } = await connectSides(stack, pathOf("nat_client.ts"));
    await using cluster = await startInnerCluster(inside, NODES);
    const { nodes } = cluster;
    await using proxy = await startProxyProcess(cluster, {
      host: PROXY.public,
      before: between.before,
    });
    const seed = { host: proxy.host, port: proxy.portOf(nodes[0]!) };
    const addresses = proxy.ports.map((port) => `${proxy.host}:${port}`).sort();

    await t.step("no client reaches a node directly", async () => {
      for (const node of nodes) {
        const ping = ["redis-cli", "-h", node.host, "-p", `${node.port}`, "PING"];
        assertEquals(await run([...between.before, ...ping]), { code: 0, output: "PONG\n" });
        const { code, output } = await run([...outside.before, ...ping]);
        assertEquals(code, 1, output);
        assertStringIncludes(output, "Network is unreachable");
      }
    });

    for (const client of ["ioredis", "node-redis"]) {
      const start = (place: Namespace, at: HostPort) => {
        const program = [Deno.execPath(), "run", "-A", pathOf("nat_client.ts")];
        return run([...place.before, ...program, client, at.host, `${at.port}`]);
      };

      await t.step(`${client} uses the whole cluster through the proxy`, async () => {
        const { code, output } = await start(outside, seed);
        assertEquals(code, 0, output);
        const learned = new Set(output.trimEnd().split("\n"));
        assert(learned.size >= 3 && learned.isSubsetOf(new Set(addresses)), output);
      });

      await t.step(`${client} needs the proxy`, async () => {
        const near = await start(between, nodes[0]!);
        assertEquals(near.code, 0, near.output);
        const far = await start(outside, nodes[0]!);
        assertEquals(far.code, 1, far.output);
        assertMatch(far.output, /nodes (is available|are unavailable)/);
      });
    }

    await t.step("redis-cli -c uses the whole cluster through the proxy", async () => {
      const commands = KEYS.map((key) => `SET ${key} value\nGET ${key}\n`).join("");
      const cli = ["redis-cli", "-c", "-h", seed.host, "-p", `${seed.port}`];
      const { code, output } = await run([...outside.before, ...cli], commands);
      assertEquals(code, 0, output);
      const answers = output.replaceAll(/^-> Redirected .*\n/gm, "");
      assertEquals(answers, "OK\nvalue\n".repeat(KEYS.length));
    });

    await t.step("redis-cli --cluster check finds all slots covered", async () => {
      const check = ["redis-cli", "--cluster", "check", `${seed.host}:${seed.port}`];
      const { code, output } = await run([...outside.before, ...check]);
      assertEquals(code, 0, output);
      assertStringIncludes(output, "[OK] All 16384 slots covered.");
    });
  },
));

/** Resharding starts with the lowest slot. */
const KEY_OF_SLOT_0 = "3560";

/** Who speaks TLS, and wants certificates: the nodes, or the proxy of its clients. */
const KINDS = ["TLS inside, plain text outside", "plain text inside, TLS outside"];

for (const kind of KINDS) {
  Deno.test(unless(
    await Namespace.hindrance() ?? withTls("either", "it has other certificates"),
    `clients that can reach only the proxy use the whole cluster: ${kind}`,
    async (t) => {
      const isTlsInside = kind.startsWith("TLS");
      await using stack = new AsyncDisposableStack();
      const { inside, between, outside } = await connectSides(stack, pathOf("nat_client.ts"));
      await using directory = await TlsDirectory.create();
      directory.issue("public", { names: [PROXY.public] });
      directory.issue("client", { names: [] });
      await using cluster = await startInnerCluster(
        inside,
        NODES,
        isTlsInside ? { tls: "only" } : {},
      );
      const { nodes, files } = cluster;
      await using proxy = await new NatProcess([
        ...[`--cluster-addr=${formatHostPort(nodes[0]!)}`, `--listen-addr=${PROXY.public}:0`],
        ...isTlsInside
          ? [
            ...["--cluster-tls", `--cluster-tls-ca-cert-file=${files!["tls-ca-cert-file"]}`],
            `--cluster-tls-cert-file=${files!["tls-cert-file"]}`,
            `--cluster-tls-key-file=${files!["tls-key-file"]}`,
          ]
          : [...directory.flags("public"), `--tls-ca-cert-file=${directory.at("ca.crt")}`],
      ], { before: between.before, orderly: true }).ready();
      const port = `${proxy.portOf(nodes[0]!)}`;
      const paths = ["ca.crt", "client.crt", "client.key"].map((name) => directory.at(name));
      const [ca, cert, key] = paths as [string, string, string];
      const tls = isTlsInside ? [] : ["--tls", "--cacert", ca, "--cert", cert, "--key", key];
      const cli = (words: string[], input?: string) =>
        run([...outside.before, "redis-cli", ...tls, ...words], input);

      for (const client of ["ioredis", "node-redis"]) {
        await t.step(client, async () => {
          const program = [Deno.execPath(), "run", "-A", pathOf("nat_client.ts"), client];
          const at = [PROXY.public, port, ...isTlsInside ? [] : paths];
          const { code, output } = await run([...outside.before, ...program, ...at]);
          assertEquals(code, 0, output);
          const learned = output.trimEnd().split("\n");
          assert(learned.every((address) => address.startsWith(`${PROXY.public}:`)), output);
        });
      }

      await t.step("redis-cli -c", async () => {
        const commands = KEYS.map((key) => `SET ${key} value\nGET ${key}\n`).join("");
        const { code, output } = await cli(["-c", "-h", PROXY.public, "-p", port], commands);
        assertEquals(code, 0, output);
        const answers = output.replaceAll(/^-> Redirected .*\n/gm, "");
        assertEquals(answers, "OK\nvalue\n".repeat(KEYS.length));
      });

      await t.step("redis-cli --cluster check and reshard", async () => {
        const seed = `${PROXY.public}:${port}`;
        const check = await cli(["--cluster", "check", seed]);
        assertStringIncludes(check.output, "[OK] All 16384 slots covered.");
        const ask = async (node: HostPort, ...words: string[]) => {
          const at = ["-h", PROXY.public, "-p", `${proxy.portOf(node)}`];
          return (await cli([...at, ...words])).output.trim();
        };
        const [source, target] = await Promise.all(
          nodes.slice(0, 2).map((node) => ask(node, "CLUSTER", "MYID")),
        );
        assertEquals(await ask(nodes[0]!, "SET", KEY_OF_SLOT_0, "moved"), "OK");
        const moved = await cli([
          ...["--cluster", "reshard", seed, "--cluster-yes", "--cluster-slots", "2"],
          ...["--cluster-from", source!, "--cluster-to", target!],
        ]);
        assertEquals(moved.code, 0, moved.output);
        assertEquals(await ask(nodes[1]!, "GET", KEY_OF_SLOT_0), "moved");
      });
    },
  ));
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
