import { dirname, join } from "node:path";
import { ROOT } from "../../support/compiler.ts";
import { startInnerCluster } from "../../support/inner_cluster.ts";
import { cable, fetchModules, Namespace, type Sides } from "../../support/namespace.ts";
import { type Outcome, Program, run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";

/** As in README. */
const ADDRESSES = {
  nodes: ["172.23.0.2", "172.23.0.3", "172.23.0.4"],
  proxy: { private: "172.23.0.254", public: "192.0.2.1" },
  client: "192.0.2.2",
};

/** Names that README gives to the proxy's machine. */
const NAMES = {
  "redis.example.com": ADDRESSES.proxy.public,
  "bastion.example.com": ADDRESSES.proxy.public,
};

/** A busy machine takes several times the second that a start needs. */
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
  readonly #sides: Sides;
  readonly #directory: TemporaryDirectory;
  readonly #owned: AsyncDisposable;

  private constructor(sides: Sides, directory: TemporaryDirectory, owned: AsyncDisposable) {
    this.#sides = sides;
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
    await cable({ inside, between, outside }, ADDRESSES);
    for (const place of [between, outside]) await place.name({ localhost: "127.0.0.1", ...NAMES });
    stack.use(await startInnerCluster(inside, ADDRESSES.nodes));
    await provide(directory);
    return new ReadmeNetwork({ inside, between, outside }, directory, stack.move());
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
  addCommand(name: string, words: readonly string[]): Promise<void> {
    return writeCommand(this.at(name), words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  #words(machine: "between" | "outside", command: string): string[] {
    const { before } = this.#sides[machine];
    const path = [this.at("bin"), dirname(Deno.execPath()), Deno.env.get("PATH")].join(":");
    // Replaces the shell, so that signals reach the command.
    const last = command.replace(/^(.* && )?(?=[^\n]+\n$)/, "$1exec ");
    return [...before, "env", `--chdir=${this.at("home")}`, `PATH=${path}`, "bash", "-c", last];
  }
}

async function writeCommand(path: string, words: readonly string[]): Promise<void> {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(path, `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
}

/** Creates the working directory with the files of the project and the program. */
async function provide(directory: TemporaryDirectory): Promise<void> {
  for (const name of ["home", "bin"]) await Deno.mkdir(directory.at(name));
  const project = [".ci", "src", "deno.json", "deno.lock"].map((name) => join(ROOT, name));
  const { code, output } = await run(["cp", "-R", ...project, directory.at("home")]);
  if (code !== 0) throw new Error(`Cannot copy the project: ${output}`);
  const program = [Deno.execPath(), "run", "-A", join(ROOT, "src", "main.ts")];
  await writeCommand(directory.at("home/redis-cluster-nat"), program);
}
