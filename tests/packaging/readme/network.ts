import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchModules, Namespace } from "../../support/namespace.ts";
import { type Outcome, Program, run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

/** As in README. */
const NODES = ["172.23.0.2", "172.23.0.3", "172.23.0.4"].map((host, index) => ({
  host,
  port: `${7000 + index}`,
}));

/** Where the proxy is, seen from inside and from outside. */
const PROXY = { inside: "172.23.0.254", outside: "192.0.2.1" };

const CLIENT = "192.0.2.2";

/** Names that README gives to the proxy's machine. */
const NAMES = { "redis.example.com": PROXY.outside, "bastion.example.com": PROXY.outside };

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A cluster forms in about 3 s; a loaded machine with two cores may take several times that. */
const START_DEADLINE_MS = 60_000;

/**
 * The machines of README as network namespaces, with the same addresses, names and ports:
 *
 * ```
 *  outside             between                inside
 *  client ── public ── proxy ──── private ─── node 172.23.0.2:7000
 *                      redis.example.com      node 172.23.0.3:7001
 *                      bastion.example.com    node 172.23.0.4:7002
 * ```
 */
export class ReadmeNetwork implements AsyncDisposable {
  readonly #inside: Namespace;
  readonly #between: Namespace;
  readonly #outside: Namespace;
  readonly #directory: TemporaryDirectory;
  readonly #owned: AsyncDisposable;

  private constructor(
    { inside, between, outside }: Record<"inside" | "between" | "outside", Namespace>,
    directory: TemporaryDirectory,
    owned: AsyncDisposable,
  ) {
    this.#inside = inside;
    this.#between = between;
    this.#outside = outside;
    this.#directory = directory;
    this.#owned = owned;
  }

  /** Creates the machines and a cluster that serves. */
  static async create(): Promise<ReadmeNetwork> {
    await fetchModules(join(ROOT, "src", "main.ts"));
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await TemporaryDirectory.create());
    const inside = stack.use(await Namespace.create("inside"));
    const between = stack.use(await Namespace.create("between"));
    const outside = stack.use(await Namespace.create("outside"));
    await inside.connect(between, {
      name: "private",
      here: NODES.map(({ host }) => `${host}/24`),
      there: [`${PROXY.inside}/24`],
    });
    await between.connect(outside, {
      name: "public",
      here: [`${PROXY.outside}/24`],
      there: [`${CLIENT}/24`],
    });
    for (const place of [between, outside]) await place.name({ localhost: "127.0.0.1", ...NAMES });
    for (const { host, port } of NODES) {
      const conf = { "cluster-enabled": "yes", "cluster-config-file": `nodes-${port}.conf` };
      const place = { "bind": host, port, "cluster-announce-ip": host, "dir": directory.at("") };
      const words = Object.entries({ ...place, ...conf, "protected-mode": "no", "save": "" });
      const { program } = await Program.start(
        [
          ...inside.before,
          "redis-server",
          ...words.flatMap(([name, value]) => [`--${name}`, value]),
        ],
        (stdout) => /Ready to accept connections/.exec(stdout) ?? undefined,
        START_DEADLINE_MS,
      );
      stack.use(program);
    }
    const network = new ReadmeNetwork({ inside, between, outside }, directory, stack.move());
    try {
      await network.#form();
      await network.#provide();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The path of a file that is removed with the network. */
  at(name: string): string {
    return this.#directory.at(name);
  }

  /** Runs a command of README on a machine to its end. */
  run(machine: "between" | "outside", command: string, input?: string): Promise<Outcome> {
    return run(this.#words(machine, command), input);
  }

  /** Starts a command of README on a machine until the block ends. */
  async start<T>(
    machine: "between" | "outside",
    command: string,
    ready: (stdout: string) => T | undefined,
  ): Promise<{ program: Program; known: T }> {
    return await Program.start(this.#words(machine, command), ready, START_DEADLINE_MS);
  }

  /** Creates an executable that runs a command with further arguments. */
  async addCommand(name: string, words: readonly string[]): Promise<void> {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(this.at(name), `#!/bin/sh\nexec ${quoted} "$@"\n`);
    await Deno.chmod(this.at(name), 0o755);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  #words(machine: "between" | "outside", command: string): string[] {
    const { before } = machine === "between" ? this.#between : this.#outside;
    const path = [this.at("bin"), dirname(Deno.execPath()), Deno.env.get("PATH")].join(":");
    // Replaces the shell, so that signals reach the command.
    const last = command.replace(/^(.* && )?(?=[^\n]+\n$)/, "$1exec ");
    return [...before, "env", `--chdir=${this.at("home")}`, `PATH=${path}`, "bash", "-c", last];
  }

  async #form(): Promise<void> {
    const addresses = NODES.map(({ host, port }) => `${host}:${port}`);
    const create = ["redis-cli", "--cluster", "create", ...addresses, "--cluster-yes"];
    const { code, output } = await run([...this.#inside.before, ...create]);
    if (code !== 0) throw new Error(`Cannot create the cluster: ${output}`);
    for (const { host, port } of NODES) {
      const ask = ["redis-cli", "-h", host, "-p", port, "cluster", "info"];
      await until(`${host} serves`, async (saw) => {
        const { output } = await run([...this.#inside.before, ...ask]);
        saw(output);
        return output.includes("cluster_state:ok");
      }, START_DEADLINE_MS);
    }
  }

  /** Creates the working directory with the files of the project and the program. */
  async #provide(): Promise<void> {
    for (const name of ["home", "bin"]) await Deno.mkdir(this.at(name));
    const project = [".ci", "src", "deno.json", "deno.lock"].map((name) => join(ROOT, name));
    const { code, output } = await run(["cp", "-R", ...project, this.at("home")]);
    if (code !== 0) throw new Error(`Cannot copy the project: ${output}`);
    const program = [Deno.execPath(), "run", "-A", join(ROOT, "src", "main.ts")];
    await this.addCommand("home/redis-cluster-nat", program);
  }
}
