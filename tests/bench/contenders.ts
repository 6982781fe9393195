import { fileURLToPath } from "node:url";
import type { ClusterNode } from "../support/cluster.ts";
import { NatProcess, START_OPTIONS } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import type { TemporaryDirectory } from "../support/temporary.ts";
import { WireClient } from "../support/wire.ts";

/** What is held against each other, in the order of the table. */
export const CONTENDERS = ["node", "haproxy", "relay", "proxy"] as const;

/** The node itself, or in front of it HAProxy, a relay that looks at nothing, or the proxy. */
export type ContenderName = (typeof CONTENDERS)[number];

/** A way on which clients reach the node; what is in it runs until the block ends. */
export interface Way extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The process that is in the way; none is in that straight to the node. */
  readonly pid: number | undefined;
  /** How long it took from the start of the process to the first answer. */
  readonly startMs: number;
}

/** A way that may not be open yet. */
interface Launched extends Omit<Way, "startMs"> {
  /** What the program said at its end, once it has ended, and perhaps before anybody wanted it. */
  last(): string | undefined;
}

/** How the programs are started. */
export interface ContenderOptions {
  /** All nodes; the first is the one that is reached. */
  readonly nodes: readonly ClusterNode[];
  readonly directory: TemporaryDirectory;
  /** The proxy as an executable, if it is not to be run from its sources. */
  readonly program: string | undefined;
  /** More flags for the proxy. */
  readonly proxyFlags: readonly string[];
}

const HOST = "127.0.0.1";

const RELAY = fileURLToPath(new URL("relay.ts", import.meta.url));

/** Between two attempts to be answered: short against a start, long against an attempt. */
const PAUSE_MS = 1;

const START_DEADLINE_MS = 30_000;

/** Starts the programs, each as often as it is wanted. */
export class Contenders {
  readonly #options: ContenderOptions;

  constructor(options: ContenderOptions) {
    this.#options = options;
  }

  /** Starts one and waits until the node answers on its way. */
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

  /** Does what comes before the start of a program, which is then what the result does. */
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
    // In the foreground, and silent but for what keeps it from serving.
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
    // Nodes get ports in the order of their addresses, which is that of the cluster's nodes.
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

/** Starts a program that says nothing unless it fails. */
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

/** A port for each node, as the proxy has, bytes passed on as they are, nothing logged. */
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

/** Waits for the first answer on a way. */
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
