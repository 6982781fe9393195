import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { Compiler, ROOT } from "../support/compiler.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { run, type RunOptions } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { unless } from "../support/unless.ts";

/** Without Docker: the instructions of each stage, one a line, are carried out on this machine. */
const dockerfile = (await Deno.readTextFile(join(ROOT, "Dockerfile")))
  .replaceAll(/^\s*#.*\n/gm, "").replaceAll("\\\n", "");
const [, compileStage, gatherStage, lastStage] = dockerfile.split(/^FROM /m);

const COMMIT = "abc1234";

const compiler = await Compiler.find();
const hindrance = typeof compiler === "string" ? compiler : await must(isolated("/proc", "true"))
  .then(() => undefined, ({ message }: Error) => message);

Deno.test(unless(
  hindrance,
  "the image of the Dockerfile",
  async (t) => {
    await using directory = await TemporaryDirectory.create();
    const root = directory.at("image");
    const user = instruction(lastStage!, "USER");

    await t.step("is built from what it copies of the checkout", async () => {
      await build(compiler as Compiler, directory);
      const { output } = await run(["find", root, "-not", "-type", "d", "-printf", "%P\n"]);
      const files = output.trimEnd().split("\n").sort();
      const libraries = files.filter((file) => /^(usr\/)?lib(64)?\/.*\.so\.\d+$/.test(file));
      assertEquals(
        files.filter((file) => !libraries.includes(file)),
        ["etc/group", "etc/host.conf", "etc/nsswitch.conf", "etc/passwd", "redis-cluster-nat"],
      );
    });

    await t.step("is as small as operation.md says", async () => {
      const [, megabytes] = /\bunder (\d+) MB\b/.exec(
        await Deno.readTextFile(`${ROOT}/.github/docs/operation.md`),
      )!;
      const { output } = await run(["find", root, "-type", "f", "-printf", "%s\n"]);
      const bytes = output.trimEnd().split("\n").reduce((sum, size) => sum + Number(size), 0);
      assert(bytes < Number(megabytes) * 1e6, `${bytes}`);
    });

    // Docker adds these to every container.
    await Deno.mkdir(join(root, "proc"));
    const [executable, ...words] = JSON.parse(instruction(lastStage!, "ENTRYPOINT"));
    assertEquals(words, []);
    assertMatch(user, /^[1-9]\d+:[1-9]\d+$/);
    const chroot = ["chroot", `--userspec=${user}`, "--groups=", root];
    const before = isolated(join(root, "proc"), ...chroot);
    const loopback = `127.0.0.1:${findFreePorts(3)}`;
    await using cluster = await RedisCluster.start({ replicasEach: 0 });
    const [seed] = cluster.nodes as [ClusterNode];
    const env = {
      CLUSTER_ADDR: `cluster:${seed.port}`,
      LISTEN_ADDR: loopback,
      MAX_NODES: "3",
      STATE_FILE: "/data/state.json",
    };
    await using containers = new AsyncDisposableStack();
    const start = () => {
      const nat = containers.use(new NatProcess([], { executable, before, env }));
      containers.defer(() => signal(nat, "SIGKILL").catch(() => {}));
      return nat;
    };
    const stop = async (nat: NatProcess) => {
      await signal(nat, instruction(lastStage!, "STOPSIGNAL") as Deno.Signal);
      const { code, stderr } = await nat.ended();
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /Stopping\n$/);
    };
    const checkHealth = async () => {
      const [, command] = instruction(lastStage!, "HEALTHCHECK").split(" CMD ");
      const [executable, ...args] = JSON.parse(command!);
      return await runNat(args, { executable, before, env });
    };

    await t.step("prints its version from an empty root", async () => {
      const { stdout, stderr } = await runNat(["--version"], { executable, before });
      assertEquals([stdout, stderr], [`redis-cluster-nat ${project.version} (${COMMIT})\n`, ""]);
    });

    await t.step("serves as process 1 without root, reports its health, and stops", async () => {
      // The second address is found only if the resolver is configured to return all of a name.
      const hosts = `127.9.9.9 cluster\n${seed.host} cluster\n`;
      await Deno.writeTextFile(join(root, "etc/hosts"), hosts);
      const nat = await start().ready();
      const replies = await run(
        ["redis-cli", "-c", "-p", loopback.split(":")[1]!],
        ["a", "b", "c"].map((key) => `SET ${key} ${key}\n`).join(""),
      );
      assertEquals(replies.output.match(/^OK$/gm)?.length, 3, replies.output);
      const { code, stdout } = await checkHealth();
      assertEquals(code, 0, stdout);
      const state = JSON.parse(await Deno.readTextFile(join(root, "data/state.json")));
      assertEquals(state.nodes.length, cluster.nodes.length);
      await stop(nat);
    });

    await t.step("finds the cluster by DNS once the name exists", async () => {
      await Deno.writeTextFile(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
      const bytes = crypto.getRandomValues(new Uint8Array(3)).map((byte) => byte % 250 + 1);
      const address = `127.${bytes.join(".")}`;
      await Deno.writeTextFile(join(root, "etc/resolv.conf"), `nameserver ${address}\n`);
      const nat = start();
      await nat.untilLogged(/The name 'cluster' does not resolve/);
      assertEquals((await checkHealth()).code, 1);
      using _nameServer = await serveNames(address, seed.host);
      await nat.ready();
      assertEquals((await checkHealth()).code, 0);
      await stop(nat);
    });
  },
));

/** Stands before a command that becomes process 1, with its processes mounted at a directory. */
function isolated(proc: string, ...command: string[]): string[] {
  const own = ["--mount", "--pid", "--fork", "--kill-child", `--mount-proc=${proc}`];
  return ["unshare", ...own, ...command];
}

/** Sends a signal to process 1, which would outlive the process that started it. */
async function signal({ pid }: NatProcess, signal: Deno.Signal): Promise<void> {
  const child = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  Deno.kill(Number(child), signal);
}

/** Carries out the stages, with an older compiler instead of the one of the base image. */
async function build(compiler: Compiler, directory: TemporaryDirectory): Promise<void> {
  const [checkout, compiled, image] = ["checkout", "compiled", "image"].map((n) => directory.at(n));
  const copies = [...compileStage!.matchAll(/^COPY (.+) (\S+)$/gm)]
    .flatMap(([, sources, target]) => sources!.split(" ").map((source) => ({ source, target })));
  const allowed = (await Deno.readTextFile(join(ROOT, ".dockerignore"))).trimEnd().split("\n");
  assertEquals(allowed, ["*", ...copies.map(({ source }) => `!${source}`)]);
  for (const { source, target } of copies) {
    const into = join(checkout!, target!);
    await Deno.mkdir(into, { recursive: true });
    // The contents of a directory are copied.
    await must(["cp", "--recursive", `${ROOT}${source.replace(/\/$/, "/.")}`, into]);
  }
  const env = { ...compiler.env, PATH: `${compiler.directory}:${Deno.env.get("PATH")}` };
  const compile = instruction(compileStage!, "RUN").replaceAll("/compiled", compiled!);
  const options = { cwd: checkout!, env: { ...env, TARGETARCH: "amd64", COMMIT } };
  await must(["sh", "-euc", compile], options);
  await Deno.mkdir(image!);
  await must(["cp", join(compiled!, "redis-cluster-nat"), image!]);
  await must(["sh", "-euc", instruction(gatherStage!, "RUN")], { cwd: image! });
  const [, owner] = /^COPY .*--chown=(\S+) \/image\/data\/ /m.exec(lastStage!)!;
  await must(["chown", owner!, join(image!, "data")]);
}

/** What follows the only instruction of this name in a stage. */
function instruction(stage: string, name: string): string {
  return new RegExp(`^${name} +(.*)$`, "m").exec(stage)![1]!;
}

async function must(command: string[], options: RunOptions = {}): Promise<void> {
  const { code, output } = await run(command, "", options);
  if (code !== 0) throw new Error(`'${command.join(" ")}' failed: ${output.trim()}`);
}

/** A name server at port 53 that resolves every name to one IPv4 address (RFC 1035, 4.1). */
async function serveNames(address: string, host: string): Promise<Disposable> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { address, port }) => {
    const labelsEnd = query.indexOf(0, 12);
    const question = query.subarray(12, labelsEnd + 5);
    const isA = query[labelsEnd + 2] === 1;
    const header = [query[0]!, query[1]!, 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0];
    // A pointer to the name of the question, type A, class IN, 60 seconds, 4 bytes.
    const answer = isA
      ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...host.split(".").map(Number)]
      : [];
    socket.send(new Uint8Array([...header, ...question, ...answer]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(53, address, resolve));
  return { [Symbol.dispose]: () => void socket.close() };
}
