import { dirname, join } from "node:path";
import { ROOT } from "../../support/compiler.ts";
import { TestCertificate } from "../../support/certificate.ts";
import type { Certificates } from "../../support/cluster_tls.ts";
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
 *                      my-cluster: the first node
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

  /**
   * Creates the machines and a cluster that serves.
   *
   * @param isTls whether the nodes speak TLS only; the files that TLS needs are in the working
   * directory then, as the recipes name them
   */
  static async create(isTls = false): Promise<ReadmeNetwork> {
    await fetchModules(join(ROOT, "src", "main.ts"));
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await TemporaryDirectory.create());
    const inside = stack.use(await Namespace.create("inside"));
    const between = stack.use(await Namespace.create("between"));
    const outside = stack.use(await Namespace.create("outside"));
    await cable({ inside, between, outside }, ADDRESSES);
    await outside.name({ localhost: "127.0.0.1", ...NAMES });
    const [first] = ADDRESSES.nodes;
    await between.name({ localhost: "127.0.0.1", ...NAMES, "my-cluster": first! });
    const options = isTls ? { tls: "only" as const } : {};
    const { files } = stack.use(await startInnerCluster(inside, ADDRESSES.nodes, options));
    await provide(directory);
    if (isTls) await provideCertificates(directory, files!);
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

  /** Starts a command on a machine that is killed when the block ends. */
  open(machine: "between" | "outside", command: string): Program {
    return new Program(this.#words(machine, command));
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

/** Creates the certificates: the nodes, the proxy's public side and its clients have a CA each. */
async function provideCertificates(
  directory: TemporaryDirectory,
  files: Certificates["files"],
): Promise<void> {
  const [servers, clients] = [TestCertificate.root(), TestCertificate.root()];
  const own = servers.issue({ names: ["redis.example.com"] }).identity;
  const other = servers.issue({ names: ["other.example.com"] }).identity;
  const client = clients.issue({ names: [] }).identity;
  const texts = {
    "nodes-ca.crt": await Deno.readTextFile(files["tls-ca-cert-file"]),
    "proxy.crt": await Deno.readTextFile(files["tls-cert-file"]),
    "proxy.key": await Deno.readTextFile(files["tls-key-file"]),
    "redis.example.com.crt": own.certificates,
    "redis.example.com.key": own.key,
    "other.example.com.crt": other.certificates,
    "other.example.com.key": other.key,
    "ca.crt": servers.pem,
    "clients-ca.crt": clients.pem,
    "client.crt": client.certificates,
    "client.key": client.key,
  };
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(directory.at(`home/${name}`), text, { mode: 0o600 });
  }
}
