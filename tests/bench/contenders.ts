import { fileURLToPath } from "node:url";
import type { ClusterNode } from "../support/cluster.ts";
import { NatProcess, START_OPTIONS } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import type { TemporaryDirectory } from "../support/temporary.ts";
import { WireClient } from "../support/wire.ts";

/** The programs that are compared, in the order of the table. */
export const CONTENDERS = ["node", "haproxy", "relay", "proxy"] as const;

/** A direct connection to the node, or one through HAProxy, a bare relay or the proxy. */
export type ContenderName = (typeof CONTENDERS)[number];

/** A path to the node, whose program runs until the block ends. */
export interface Way extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The process in between; undefined for the node itself. */
  readonly pid: number | undefined;
  /** The time from the start of the process to the first reply. */
  readonly startMs: number;
}

/** A path that may not be open yet. */
interface Launched extends Omit<Way, "startMs"> {
  /** The last output of a program that has ended. */
  last(): string | undefined;
}

/** How the programs are started. */
export interface ContenderOptions {
  /** All nodes; the load goes to the first. */
  readonly nodes: readonly ClusterNode[];
  readonly directory: TemporaryDirectory;
  /** A compiled proxy; undefined runs the sources. */
  readonly program: string | undefined;
  /** Further options of the proxy. */
  readonly proxyFlags: readonly string[];
}

const HOST = "127.0.0.1";

const RELAY = fileURLToPath(new URL("relay.ts", import.meta.url));

/** The pause between two attempts to get a reply. */
const PAUSE_MS = 1;

const START_DEADLINE_MS = 30_000;

/** Starts the programs. */
export class Contenders {
  readonly #options: ContenderOptions;

  constructor(options: ContenderOptions) {
    this.#options = options;
  }

  /** Starts one and waits until the node answers through it. */
  async start(name: ContenderName): Promise<Way> {
    const launch = await this.#prepare(name);
    const launchedMs = performance.now();
    const way = launch();
    try {
      await untilAnswered(name, way);
      return { ...way, startMs: performance.now() - launchedMs };
    } catch (error) {
      await way[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Prepares the start of a program, which the result performs. */
  async #prepare(name: ContenderName): Promise<() => Launched> {
    switch (name) {
      case "node": {
        const { host, port } = this.#options.nodes[0]!;
        const last = () => undefined;
        return () => ({ host, port, pid: undefined, last, async [Symbol.asyncDispose]() {} });
      }
      case "haproxy":
        return await this.#prepareHaproxy();
      case "relay":
        return this.#prepareRelay();
      case "proxy":
        return this.#prepareProxy();
    }
  }

  async #prepareHaproxy(): Promise<() => Launched> {
    const { nodes, directory } = this.#options;
    const port = findFreePorts(nodes.length);
    const path = directory.at(`haproxy-${port}.cfg`);
    await Deno.writeTextFile(path, haproxyConfig(nodes, port));
    // In the foreground, silent except for fatal errors.
    return () => launch(["haproxy", "-db", "-q", "-f", path], port);
  }

  #prepareRelay(): () => Launched {
    const { nodes } = this.#options;
    const port = findFreePorts(nodes.length);
    const command = [Deno.execPath(), "run", ...START_OPTIONS, RELAY, HOST, `${port}`];
    return () => launch([...command, ...nodes.map(({ address }) => address)], port);
  }

  #prepareProxy(): () => Launched {
    const { nodes, program, proxyFlags } = this.#options;
    // Ports follow the order of addresses, which is that of the nodes.
    const port = findFreePorts(nodes.length);
    const args = [
      `--cluster-addr=${nodes[0]!.address}`,
      `--listen-addr=${HOST}:${port}`,
      `--max-nodes=${nodes.length}`,
      ...proxyFlags,
    ];
    return () => {
      const nat = new NatProcess(args, { executable: program });
      const { pid } = nat;
      return {
        host: HOST,
        port,
        pid,
        last: () => nat.code === undefined ? undefined : nat.stderr.trim(),
        [Symbol.asyncDispose]: () => nat[Symbol.asyncDispose](),
      };
    };
  }
}

/** Starts a program that prints nothing unless it fails. */
function launch([program, ...args]: readonly string[], port: number): Launched {
  const process = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  let code: number | undefined;
  process.status.then((status) => code = status.code);
  return {
    host: HOST,
    port,
    pid: process.pid,
    last: () => code === undefined ? undefined : `code ${code}`,
    async [Symbol.asyncDispose]() {
      if (code === undefined) process.kill("SIGKILL");
      await process.status;
    },
  };
}

/** One port for each node, TCP mode, no log. */
function haproxyConfig(nodes: readonly ClusterNode[], firstPort: number): string {
  return [
    "global",
    "  nbthread 1",
    "defaults",
    "  mode tcp",
    "  timeout connect 5s",
    "  timeout client 1h",
    "  timeout server 1h",
    ...nodes.flatMap(({ address }, index) => [
      `listen node${index}`,
      `  bind ${HOST}:${firstPort + index}`,
      `  server node${index} ${address}`,
    ]),
    "",
  ].join("\n");
}

/** Waits for the first reply on a path. */
async function untilAnswered(name: ContenderName, { host, port, last }: Launched): Promise<void> {
  const end = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      using client = await WireClient.connect(host, port);
      await client.ask("PING");
      return;
    } catch (error) {
      if (last() !== undefined) throw new Error(`The ${name} ended before it answered: ${last()}`);
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
