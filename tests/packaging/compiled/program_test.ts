import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basename } from "node:path";
import project from "../../../deno.json" with { type: "json" };
import { textOf } from "../../../src/resp/frame.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { Compiler } from "../../support/compiler.ts";
import { NatProcess, runNat } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { run } from "../../support/program.ts";
import { getStatus, STATUS_FLAG } from "../../support/status.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";
import { WireClient } from "../../support/wire.ts";

const COMMIT = "abc1234";

const AT = "127.0.0.1";

const PASSWORD = "s3cret-Of-The-Cluster";

const compiler = await Compiler.find();

/** Registers a test that is skipped without a compiler. */
function test(name: string, fn: (compiler: Compiler, t: Deno.TestContext) => Promise<void>): void {
  const hindrance = typeof compiler === "string" ? compiler : undefined;
  Deno.test(unless(hindrance, name, (t) => fn(compiler as Compiler, t)));
}

test("the task compile", async (compiler, t) => {
  await using directory = await TemporaryDirectory.create();
  const into = `--directory=${directory.at("out")}`;

  await t.step("names an executable after its target, if one is given", async () => {
    const target = "x86_64-unknown-linux-gnu";
    assertEquals(await compiler.compile(into), [directory.at("out/redis-cluster-nat")]);
    const targets = [`--target=${target}`, "--target=aarch64-unknown-linux-gnu"];
    const [one, other] = await compiler.compile(into, ...targets, `--commit=${COMMIT}`);
    assertEquals([one, other].map((path) => basename(path!)), [
      "redis-cluster-nat-x86_64-unknown-linux-gnu",
      "redis-cluster-nat-aarch64-unknown-linux-gnu",
    ]);
    assert((await Deno.stat(other!)).isFile);
    const { stdout } = await runNat(["--version"], { executable: one! });
    assertEquals(stdout, `redis-cluster-nat ${project.version} (${COMMIT})\n`);
  });

  await t.step("has the commit of the checkout by default", async () => {
    const executable = directory.at("out/redis-cluster-nat");
    const { stdout } = await runNat(["--version"], { executable });
    const { code, output } = await run(["git", "rev-parse", "--short", "HEAD"]);
    // The checkout may have no history.
    const commit = code === 0 ? ` (${output.trim()}` : "";
    assert(stdout.startsWith(`redis-cluster-nat ${project.version}${commit}`), stdout);
  });

  await t.step("contains the packages of the program, not those of the tests", async () => {
    const bytes = await Deno.readFile(directory.at("out/redis-cluster-nat"));
    // Modules are appended to the runtime.
    const { size } = await Deno.stat(compiler.env["DENORT_BIN"]!);
    const text = new TextDecoder("latin1").decode(bytes.subarray(size));
    const packages = ["deno-std@", "ioredis@", "denque@", "@redis/client@"];
    assertEquals(packages.filter((name) => text.includes(name)), packages.slice(0, 1));
  });

  await t.step("refuses unknown options in one line", async () => {
    for (
      const [flag, message] of [
        ["--target=sparc-sun-solaris", /^.*compile: Unknown target 'sparc.*x86_64-pc-win.*$/m],
        ["--tarket=x", /^.*compile: Unknown option '--tarket'.*$/m],
      ] as const
    ) {
      const { message: told } = await assertRejects(() => compiler.compile(into, flag));
      assertMatch(told, message);
      assertEquals(told.trimEnd().split("\n").length, 1, told);
    }
  });
});

test("the compiled program", async (compiler, t) => {
  await using directory = await TemporaryDirectory.create();
  const [executable] = await compiler.compile(`--directory=${directory.at("")}`);
  await using cluster = await RedisCluster.start({
    replicasEach: 0,
    directives: { requirepass: PASSWORD },
  });
  const node = cluster.ownerOf(3300);
  const passwordFile = directory.at("password");
  await Deno.writeTextFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
  const flags = [`--cluster-addr=${node.address}`, `--password-file=${passwordFile}`];

  function runToEnd(...args: string[]) {
    return runNat(args, { executable: executable! });
  }

  function start(...more: string[]): Promise<NatProcess> {
    const args = [...flags, `--listen-addr=${AT}:0`, ...more];
    return new NatProcess(args, { executable: executable! }).ready();
  }

  async function connect(nat: NatProcess): Promise<WireClient> {
    const client = await WireClient.connect(AT, nat.mapping.get(node.address)!);
    await client.ask("AUTH", PASSWORD);
    return client;
  }

  await t.step("says that its runtime is too old for TLS", async () => {
    const { code, stderr } = await runToEnd(
      "--cluster-addr=rediss://127.0.0.1:1",
      "--public-host=::1",
    );
    assertEquals(code, 2);
    assertMatch(stderr, /^redis-cluster-nat: Cannot use TLS with Deno 2\.4\.2: expected [^\n]+\n$/);
  });

  await t.step("has the same help as the sources", async () => {
    assertEquals(await runToEnd("--help"), await runNat(["--help"]));
  });

  await t.step("serves redis-cli -c at every node", async () => {
    await using nat = await start();
    const keys = Array.from({ length: 30 }, (_, index) => `key:${index}`);
    const port = `${nat.mapping.get(node.address)}`;
    const { code, output } = await run(
      ["redis-cli", "-c", "-h", AT, "-p", port, "-a", PASSWORD, "--no-auth-warning"],
      keys.map((key) => `SET ${key} ${key}\nGET ${key}\n`).join(""),
    );
    assertEquals(code, 0, output);
    const redirects = [...output.matchAll(/^-> Redirected .* at (\S+)$/gm)];
    assertEquals(
      [...new Set(redirects.map(([, address]) => address))].sort(),
      [...nat.mapping.values()].map((port) => `${AT}:${port}`).sort(),
    );
    const answers = output.replaceAll(/^-> Redirected .*\n/gm, "");
    assertEquals(answers, keys.map((key) => `OK\n${key}\n`).join(""));
  });

  await t.step("writes the state file and the map file", async () => {
    const [state, map] = [directory.at("state.json"), directory.at("map.json")];
    await using _nat = await start(`--state-file=${state}`, `--map-file=${map}`);
    for (const file of [state, map]) {
      assertEquals(JSON.parse(await Deno.readTextFile(file)).nodes.length, cluster.nodes.length);
    }
  });

  await t.step("serves its status over HTTP", async () => {
    await using nat = await start(STATUS_FLAG);
    assertEquals((await getStatus(nat, "/readyz")).text, "Ready\n");
    for (const path of ["/", "/metrics"]) assertEquals((await getStatus(nat, path)).status, 200);
  });

  await t.step("reads its options from the environment, and checks its own health", async () => {
    const env = {
      CLUSTER_ADDR: node.address,
      CLUSTER_PASSWORD: PASSWORD,
      LISTEN_ADDR: `:${findFreePorts(3)}`,
      MAX_NODES: "3",
      LOG_FORMAT: "json",
    };
    const check = () => runNat(["healthcheck"], { executable: executable!, env });
    assertEquals((await check()).code, 1);
    await using nat = await new NatProcess([], { executable: executable!, env }).ready();
    const { code, stdout, stderr } = await check();
    assertEquals([code, stderr], [0, ""]);
    // The port that answers first need not be the first one.
    assertMatch(stdout, /^Healthy: 127\.0\.0\.1:\d+ answers\n$/);
    for (const line of nat.stderr.trimEnd().split("\n")) JSON.parse(line);
  });

  await t.step("serves clients in two threads, and ends both", async () => {
    await using nat = await start("--threads=2", "--log-level=debug", "--log-format=json");
    // The kernel distributes connections over threads by hash.
    for (let count = 0; count < 40; count++) {
      using client = await connect(nat);
      assertEquals(textOf(await client.ask("PING")), "PONG");
    }
    for (const thread of [1, 2]) {
      await nat.untilLogged(new RegExp(`"message":"Client .* is connected .*"thread":${thread}`));
    }
    nat.signal("SIGTERM");
    const { code, stderr } = await nat.ended();
    assertEquals(code, 0, stderr);
    assert(!/"level":"(warning|error)"/.test(stderr), stderr);
  });
});
