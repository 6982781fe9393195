import { fileURLToPath } from "node:url";
import { type InnerCluster, startInnerCluster } from "../../support/inner_cluster.ts";
import { cable, fetchModules, Namespace } from "../../support/namespace.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { type Outcome, Program, run } from "../../support/program.ts";
import { Ssh } from "../../support/ssh.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

/** Where things are. Namespaces share nothing, so addresses and ports may be the same in each run. */
const NODES = [1, 2, 3, 4, 5, 6].map((number) => `10.77.0.${number}`);
const BASTION = { private: "10.77.0.254", public: "192.0.2.1" };
const LAPTOP = "192.0.2.2";

/** A name that only the bastion resolves. */
export const CLUSTER_NAME = "my-cluster";

/** The password of the nodes. */
export const PASSWORD = "s3cret";

/** The user and password of tunnels that want one, percent-encoded; tinyproxy takes few characters. */
const TUNNEL_LOGIN = "ann:p%2Ess";

const TUNNEL_DEADLINE_MS = 30_000;

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

/** The path of a program beside this file. */
export function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/**
 * A laptop that reaches only a bastion, and a cluster behind that:
 *
 * ```
 *  laptop ──── public ──── bastion ──── private ──── six nodes, one address each
 *  192.0.2.2               192.0.2.1                 10.77.0.1 …
 *  proxy, clients          10.77.0.254               my-cluster
 * ```
 *
 * The nodes speak plain text and TLS, and want a password.
 */
export class BastionNetwork implements AsyncDisposable {
  readonly cluster: InnerCluster;
  readonly laptop: Namespace;
  readonly bastion: Namespace;
  readonly #directory: TemporaryDirectory;
  readonly #owned: AsyncDisposable;
  #ssh: Ssh | undefined;

  private constructor(
    cluster: InnerCluster,
    { laptop, bastion }: { laptop: Namespace; bastion: Namespace },
    { directory, owned }: { directory: TemporaryDirectory; owned: AsyncDisposable },
  ) {
    this.cluster = cluster;
    this.laptop = laptop;
    this.bastion = bastion;
    this.#directory = directory;
    this.#owned = owned;
  }

  /** Starts the cluster, and nothing on the bastion. */
  static async create(...programs: readonly string[]): Promise<BastionNetwork> {
    await fetchModules(MAIN, ...programs);
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await TemporaryDirectory.create());
    const inside = stack.use(await Namespace.create("inside"));
    const bastion = stack.use(await Namespace.create("bastion"));
    const laptop = stack.use(await Namespace.create("laptop"));
    const proxy = BASTION;
    const sides = { inside, between: bastion, outside: laptop };
    await cable(sides, { nodes: NODES, proxy, client: LAPTOP });
    await bastion.name({ localhost: "127.0.0.1", [CLUSTER_NAME]: NODES[0]! });
    const cluster = await startInnerCluster(inside, NODES, {
      tls: "both",
      directives: { requirepass: PASSWORD },
    });
    stack.use(cluster);
    return new BastionNetwork(cluster, { laptop, bastion }, { directory, owned: stack.move() });
  }

  /** The path of a file that is removed with the network. */
  at(name: string): string {
    return this.#directory.at(name);
  }

  /** Runs a program on the laptop to its end. */
  run(words: readonly string[], input?: string): Promise<Outcome> {
    return run([...this.laptop.before, ...words], input);
  }

  /** Runs redis-cli on the bastion. */
  async ask(host: string, port: number, ...words: readonly string[]): Promise<string> {
    const cli = ["redis-cli", "--no-auth-warning", "-a", PASSWORD, "-h", host, "-p", `${port}`];
    const { output } = await run([...this.bastion.before, ...cli, ...words]);
    return output.trimEnd();
  }

  /** Starts the proxy on the laptop, with its default ports. */
  startProxy(flags: readonly string[], env: Readonly<Record<string, string>> = {}): NatProcess {
    return new NatProcess(flags, { before: this.laptop.before, env });
  }

  /** Starts an SSH server on the bastion, each time with the same keys. */
  async startSshServer(): Promise<Program> {
    this.#ssh ??= await Ssh.create(this.#directory);
    return new Program([...this.bastion.before, ...this.#ssh.server]);
  }

  /** Starts `ssh -D`; the result is for `--via`. */
  async startSshProxy() {
    const program = await this.#startForwards([1080], ["-D", "1080"]);
    return { program, via: "socks5://127.0.0.1:1080" };
  }

  /** Starts one `ssh -L` for each node, by a kind of port; the result is for `--dial-map`. */
  async startNodeForwards(kind: "port" | "tlsPort") {
    const forwards = this.cluster.nodes.map((node, index) => ({
      node: `${node.host}:${node[kind]}`,
      here: 17000 + index,
    }));
    const program = await this.#startForwards(
      forwards.map(({ here }) => here),
      forwards.flatMap(({ node, here }) => ["-L", `${here}:${node}`]),
    );
    const entries = forwards.map(({ node, here }) => `${node}=127.0.0.1:${here}`);
    // The certificates do not have the name.
    if (kind === "port") entries.push(`${CLUSTER_NAME}=127.0.0.1:17000`);
    return { program, dialMap: entries.join(",") };
  }

  /** Starts microsocks, which wants a user and a password. */
  async startSocks() {
    const [user, password] = TUNNEL_LOGIN.split(":").map(decodeURIComponent);
    const program = new Program([
      ...this.bastion.before,
      ...["microsocks", "-p", "1081", "-u", user!, "-P", password!],
    ]);
    await this.#untilListening(this.bastion, [1081]);
    return { program, via: `socks5://${TUNNEL_LOGIN}@${BASTION.public}:1081` };
  }

  /** Starts tinyproxy, which wants a user and a password. */
  async startHttpProxy() {
    const [user, password] = TUNNEL_LOGIN.split(":").map(decodeURIComponent);
    const conf = ["Port 8888", "Timeout 600", `BasicAuth ${user} ${password}`, "LogLevel Connect"];
    await Deno.writeTextFile(this.at("tinyproxy.conf"), conf.map((line) => `${line}\n`).join(""));
    const program = new Program([
      ...this.bastion.before,
      ...["tinyproxy", "-d", "-c", this.at("tinyproxy.conf")],
    ]);
    await this.#untilListening(this.bastion, [8888]);
    return { program, via: `http://${TUNNEL_LOGIN}@${BASTION.public}:8888` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  /** Starts an SSH client on the laptop, which forwards ports until its block ends. */
  async #startForwards(ports: readonly number[], words: readonly string[]): Promise<Program> {
    const ssh = [...this.#ssh!.client, "-N", ...words, BASTION.public];
    const program = new Program([...this.laptop.before, ...ssh]);
    await this.#untilListening(this.laptop, ports);
    return program;
  }

  async #untilListening(place: Namespace, ports: readonly number[]): Promise<void> {
    await until(`ports ${ports.join(", ")} are open`, async (saw) => {
      const { output } = await run([...place.before, "ss", "-Hltn"]);
      saw(output);
      return ports.every((port) => output.includes(`:${port} `));
    }, TUNNEL_DEADLINE_MS);
  }
}
