import { fileURLToPath } from "node:url";
import type { ClusterNode } from "../support/cluster.ts";
import { NatProcess, START_OPTIONS } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { Program } from "../support/program.ts";
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
  readonly startMs: number | undefined;
}

/** How the programs are started. */
export interface ContenderOptions {
  /** All nodes; the load goes to the first. */
  readonly nodes: readonly ClusterNode[];
  readonly directory: TemporaryDirectory;
  /** A compiled proxy; undefined runs the sources. */
  readonly program: string | undefined;
  readonly proxyFlags: readonly string[];
}

const HOST = "127.0.0.1";

const RELAY = fileURLToPath(new URL("relay.ts", import.meta.url));

/** The pause between two attempts to get a reply. */
const PAUSE_MS = 1;

const START_DEADLINE_MS = 30_000;

/** Starts one and waits until the node answers through it. */
export async function startContender(name: ContenderName, options: ContenderOptions): Promise<Way> {
  const { nodes, directory } = options;
  if (name === "node") {
    const { host, port } = nodes[0]!;
    return { host, port, pid: undefined, startMs: undefined, async [Symbol.asyncDispose]() {} };
  }
  const port = findFreePorts(nodes.length);
  const configuration = directory.at(`haproxy-${port}.cfg`);
  if (name === "haproxy") await Deno.writeTextFile(configuration, haproxyConfig(nodes, port));
  const launch = {
    // In the foreground, silent except for fatal errors.
    haproxy: () => new Program(["haproxy", "-db", "-q", "-f", configuration]),
    relay: () => launchRelay(port, options),
    proxy: () => launchProxy(port, options),
  }[name];
  const launchedMs = performance.now();
  const program = launch();
  try {
    await untilAnswered(port, program);
    const startMs = performance.now() - launchedMs;
    return Object.assign(program, { host: HOST, port, startMs });
  } catch (error) {
    await program.kill();
    throw error;
  }
}

function launchRelay(port: number, { nodes }: ContenderOptions): Program {
  const addresses = nodes.map(({ address }) => address);
  return new Program([
    ...[Deno.execPath(), "run", ...START_OPTIONS, RELAY],
    ...[HOST, `${port}`, ...addresses],
  ]);
}

function launchProxy(port: number, { nodes, program, proxyFlags }: ContenderOptions): Program {
  // Ports follow the order of addresses, which is that of the nodes.
  const args = [
    `--cluster-addr=${nodes[0]!.address}`,
    `--listen-addr=${HOST}:${port}`,
    `--max-nodes=${nodes.length}`,
  ];
  return new NatProcess([...args, ...proxyFlags], { executable: program });
}

/** One port for each node, TCP mode, no log. */
function haproxyConfig(nodes: readonly ClusterNode[], firstPort: number): string {
  const listeners = nodes.map(({ address }, index) =>
    `listen node${index}
  bind ${HOST}:${firstPort + index}
  server node${index} ${address}
`
  );
  return `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${listeners.join("")}`;
}

async function untilAnswered(port: number, program: Program): Promise<void> {
  const end = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      using client = await WireClient.connect(HOST, port);
      await client.ask("PING");
      return;
    } catch (error) {
      const { code, stderr } = program;
      if (code !== undefined) throw new Error(`Ended with the code ${code}: ${stderr.trim()}`);
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
