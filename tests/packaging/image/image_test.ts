import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import project from "../../../deno.json" with { type: "json" };
import { OPTIONS } from "../../../src/cli/options.ts";
import { Compiler, ROOT } from "../../support/compiler.ts";
import { InnerCluster } from "../../support/inner_cluster.ts";
import { cable, fetchModules, Namespace } from "../../support/namespace.ts";
import { Program, run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { Container, type ContainerOptions } from "./container.ts";
import { buildHindrance, buildImage, type Image } from "./dockerfile.ts";

/**
 * ```
 *  outside           between            inside
 *  client ─ public ─ container  ─ private ─ six nodes, one address each
 *  192.0.2.2         192.0.2.1             10.77.0.1 …
 *                    10.77.0.254
 * ```
 * Clients know the container as nat.example, and it knows the first of the nodes as cluster.
 */
const NODES = [1, 2, 3, 4, 5, 6].map((number) => `10.77.0.${number}`);
const CONTAINER = { private: "10.77.0.254", public: "192.0.2.1" };
const CLIENT = "192.0.2.2";

/** Another address of nat.example, which only its name tells. */
const ELSEWHERE = "203.0.113.1";

const PUBLIC_NAME = `${CONTAINER.public} nat.example\n`;

const LOOPBACK = "127.0.0.1 localhost\n::1 localhost\n";

/** Where Docker has its name server in a container. */
const NAME_SERVER = "127.0.0.11";

const COMMIT = "abc1234";

const FIRST_PORT = 8000;

const CLIENT_PROGRAM = fileURLToPath(
  new URL("../../integration/clients/nat_client.ts", import.meta.url),
);
const NAME_SERVER_PROGRAM = fileURLToPath(new URL("./name_server.ts", import.meta.url));

const NAME_SERVER_DEADLINE_MS = 10_000;

const compiler = await Compiler.find();
const hindrance = typeof compiler === "string" ? compiler : await findHindrance();

async function findHindrance(): Promise<string | undefined> {
  await using directory = await TemporaryDirectory.create();
  return await Namespace.hindrance() ?? await buildHindrance(directory.at(""));
}

Deno.test({
  name: "the image of the Dockerfile" +
    (hindrance === undefined ? "" : ` (SKIPPED: ${hindrance})`),
  ignore: hindrance !== undefined,
  async fn(t) {
    await using directory = await TemporaryDirectory.create();
    const image = await build(compiler as Compiler, directory);

    await t.step("is of one executable, its libraries and four short files", async () => {
      const { output } = await run(["find", image.root, "-not", "-type", "d", "-printf", "%P\n"]);
      const files = output.trimEnd().split("\n").sort();
      const libraries = files.filter((file) => /^(usr\/)?lib(64)?\/.*\.so\.\d+$/.test(file));
      assertEquals(
        files.filter((file) => !libraries.includes(file)),
        ["etc/group", "etc/host.conf", "etc/nsswitch.conf", "etc/passwd", "redis-cluster-nat"],
      );
      assert(libraries.some((file) => file.endsWith("/libc.so.6")), libraries.join(" "));
    });

    await t.step("is as small as README says", async () => {
      const [, megabytes] = /^under (\d+) MB,/m.exec(await Deno.readTextFile(`${ROOT}/README.md`))!;
      const { output } = await run(["find", image.root, "-type", "f", "-printf", "%s\n"]);
      const bytes = output.trimEnd().split("\n").reduce((sum, size) => sum + Number(size), 0);
      assert(bytes < Number(megabytes) * 1e6, `${bytes}`);
    });

    await t.step("is pinned, labelled, and started without root and without a shell", async () => {
      const deno = /deno@([\d.]+)/.exec(await Deno.readTextFile(`${ROOT}/README.md`))![1];
      assertEquals([...new Set(image.bases)], [`denoland/deno:debian-${deno}`, "scratch"]);
      const labels = Object.entries(image.labels)
        .map(([name, value]) => [name.replace("org.opencontainers.image.", ""), value]);
      const { title, description, version, revision, licenses } = Object.fromEntries(labels);
      assertEquals([title, version, revision, licenses], [
        "redis-cluster-nat",
        project.version,
        COMMIT,
        "MIT",
      ]);
      assertMatch(description, /Redis or Valkey Cluster/);
      assertMatch(image.user, /^[1-9]\d+:[1-9]\d+$/);
      assertEquals(image.entrypoint, ["/redis-cluster-nat"]);
      assertEquals(image.stopSignal, "SIGTERM");
    });

    await t.step("exposes the ports that the proxy takes", () => {
      const [listen, count] = ["listen-addr", "max-nodes"].map((name) =>
        OPTIONS.find((setting) => setting.name === name)!.defaultValue
      );
      assertEquals(listen, `:${FIRST_PORT}`);
      assertEquals(image.exposed, `${FIRST_PORT}-${FIRST_PORT + Number(count) - 1}`);
    });

    await using inside = await Namespace.create("inside");
    await using between = await Namespace.create("between");
    await using outside = await Namespace.create("outside");
    const sides = { inside, between, outside };
    await cable(sides, { nodes: NODES, proxy: CONTAINER, client: CLIENT });
    await fetchModules(CLIENT_PROGRAM, NAME_SERVER_PROGRAM);
    await using cluster = await InnerCluster.start(inside, NODES);
    const seed = cluster.nodes[0]!;
    const settings = { CLUSTER_ADDR: `cluster:${seed.port}`, PUBLIC_HOST: "nat.example" };
    const publicHosts = directory.at("public-hosts");
    await Deno.writeTextFile(publicHosts, LOOPBACK + PUBLIC_NAME);

    let count = 0;
    function start(options: Partial<ContainerOptions>): Container {
      const own = directory.at(`container-${++count}`);
      Deno.mkdirSync(own);
      return new Container(image, {
        namespace: between,
        directory: own,
        hosts: `${LOOPBACK}${PUBLIC_NAME}${ELSEWHERE} nat.example\n${seed.host} cluster\n`,
        resolvConf: "",
        env: settings,
        ...options,
      });
    }

    /** Runs a program on the machine of the clients, which knows the container by its name. */
    function runOutside(...command: string[]) {
      const known = ["unshare", "--mount", "sh", "-euc", 'mount --bind "$0" /etc/hosts; exec "$@"'];
      return run([...outside.before, ...known, publicHosts, ...command]);
    }

    await t.step("tells its version", async () => {
      await using container = start({ args: ["--version"] });
      const { stdout, stderr } = await container.process.ended();
      assertEquals(stdout, `redis-cluster-nat ${project.version} (${COMMIT})\n`);
      assertEquals(stderr, "");
    });

    await t.step("serves clients by name, as process 1 of its user, and stops", async (t) => {
      await using container = start({ env: { ...settings, STATE_FILE: "/data/state.json" } });
      await container.process.ready();
      const status = await Deno.readTextFile(`/proc/${await container.pid()}/status`);
      const [uid, gid] = image.user.split(":");
      assertMatch(status, /^NSpid:\t\d+\t1$/m);
      assertMatch(status, new RegExp(`^Uid:(\t${uid}){4}$`, "m"));
      assertMatch(status, new RegExp(`^Gid:(\t${gid}){4}$`, "m"));
      assertMatch(status, /^CapEff:\t0+$/m);

      await t.step("to the whole cluster", async () => {
        for (const client of ["ioredis", "node-redis"]) {
          const program = [Deno.execPath(), "run", "-A", CLIENT_PROGRAM];
          const { code, output } = await runOutside(
            ...program,
            client,
            "nat.example",
            `${FIRST_PORT}`,
          );
          assertEquals(code, 0, output);
          const learned = new Set(output.trimEnd().split("\n"));
          const all = NODES.map((_, index) => `nat.example:${FIRST_PORT + index}`);
          assert(learned.size >= 3 && learned.isSubsetOf(new Set(all)), output);
        }
      });

      await t.step("with names that it looks up itself", async () => {
        const { output } = await runOutside(
          ...["redis-cli", "-h", "nat.example", "-p", `${FIRST_PORT}`],
          ...["CLIENT", "KILL", "LADDR", `${ELSEWHERE}:${FIRST_PORT}`, "SKIPME", "no"],
        );
        // Itself at least; the node would know of nobody who had reached it there.
        assertMatch(output, /^[1-9]\d*\n$/);
      });

      await t.step("keeps its state where a volume can be", async () => {
        const { output } = await run([
          "cat",
          directory.at(`container-${count}/layer/data/state.json`),
        ]);
        assertEquals(JSON.parse(output).nodes.length, NODES.length);
      });

      await t.step("is healthy", async () => {
        const { code, output } = await container.run(image.healthcheck);
        assertEquals(code, 0, output);
        const lines = NODES.map((_, index) => `Healthy: 127.0.0.1:${FIRST_PORT + index} answers\n`);
        assert(lines.includes(output), output);
      });

      const { code, stderr } = await container.stop();
      assertEquals(code, 0, stderr);
      const lines = stderr.trimEnd().split("\n");
      assertEquals(lines.map((line) => line.replace(/^\S+ /, "")), [
        `INFO  Ready: ${NODES.length} nodes at nat.example`,
        "INFO  Stopping",
      ]);
    });

    await t.step("finds the cluster by DNS, as soon as it is there", async () => {
      await using container = start({
        hosts: LOOPBACK,
        resolvConf: `nameserver ${NAME_SERVER}\noptions ndots:0\n`,
      });
      await container.process.untilLogged(/Waiting: The name 'cluster' does not resolve/);
      const { code, output } = await container.run(image.healthcheck);
      assertEquals(code, 1, output);
      const { program } = await Program.start(
        [
          ...[...between.before, Deno.execPath(), "run", "-A", NAME_SERVER_PROGRAM],
          ...[NAME_SERVER, `cluster=${seed.host}`],
        ],
        (stdout) => stdout.includes("ready") || undefined,
        NAME_SERVER_DEADLINE_MS,
      );
      await using _nameServer = program;
      await container.process.ready();
      assertEquals((await container.run(image.healthcheck)).code, 0);
      assertEquals((await container.stop()).code, 0);
    });
  },
});

/** Builds the image with the older compiler in the place of the one of the base image. */
async function build(compiler: Compiler, directory: TemporaryDirectory): Promise<Image> {
  const path = directory.at("build");
  await Deno.mkdir(path);
  return await buildImage({
    context: ROOT,
    directory: path,
    args: { BUILDPLATFORM: "linux/amd64", TARGETARCH: "amd64", COMMIT },
    env: { ...compiler.env, PATH: `${compiler.directory}:${Deno.env.get("PATH")}` },
  });
}
