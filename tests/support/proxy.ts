import { fileURLToPath } from "node:url";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { startProxy as start } from "../../src/cli/start_proxy.ts";
import { openTls } from "../../src/cli/prepare.ts";
import type { Proxy } from "../../src/proxy/proxy.ts";
import { type Config, parseCommand } from "../../src/cli/config.ts";
import type { ClusterNode } from "./cluster.ts";
import { NatProcess } from "./nat_process.ts";
import { THREADS } from "./threads.ts";
import { TLS_DIRECTORY, TLS_VARIABLES } from "./tls.ts";
import { within } from "./until.ts";

/** A proxy that serves until its block ends. */
export interface RunningProxy<Node = HostPort> extends AsyncDisposable {
  /** The host that is advertised to clients. */
  readonly host: string;
  /** The public ports of all nodes. */
  readonly ports: readonly number[];
  portOf(node: Node): number;
}

/** A proxy in the test's own process. */
export interface LocalProxy extends RunningProxy<ServedNode> {
  readonly proxy: Proxy;
}

/** A node as a proxy knows it. */
export type ServedNode = Pick<ClusterNode, "host" | "port" | "id" | "address">;

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

/** All permissions that the program needs without files. */
const PERMISSIONS = ["--no-prompt", "--allow-net", "--allow-env"];

/** The runtime needs permission to read the module of a worker, and the program its certificates. */
const READABLE = [THREADS > 1 && SOURCES, TLS_DIRECTORY].filter(Boolean);
if (READABLE.length > 0) PERMISSIONS.push(`--allow-read=${READABLE.join()}`);

/** A proxy that stops does not wait for its clients. */
const STOP_DEADLINE_MS = 5_000;

/**
 * Starts a proxy in this process, on free ports of 127.0.0.1:
 *
 *     await using proxy = await startProxy(cluster);
 *
 * @param overrides changes to its configuration
 */
export async function startProxy(
  cluster: { readonly nodes: readonly ServedNode[] },
  overrides: Partial<Config> = {},
): Promise<LocalProxy> {
  const config = { ...configOf(flagsFor(cluster.nodes[0]!, "127.0.0.1")), ...overrides };
  await using stack = new AsyncDisposableStack();
  const tls = await openTls(config);
  if (tls !== undefined) stack.use(tls);
  const proxy = await start(config, { announce() {} }, tls);
  const opened = stack.move();
  return {
    proxy,
    host: config.publicHost ?? config.listen.host,
    get ports() {
      return proxy.nodes.map((node) => node.listenPort);
    },
    portOf({ id, address }) {
      const node = proxy.nodes.find((node) => node.id === id);
      if (node === undefined) throw new RangeError(`The proxy has no port for node ${address}`);
      return node.listenPort;
    },
    async [Symbol.asyncDispose]() {
      await within("stop the proxy", proxy.stop(), STOP_DEADLINE_MS);
      await opened.disposeAsync();
    },
  };
}

/** Starts the program as a process, as its users do; it must end in order. */
export async function startProxyProcess(
  cluster: { readonly nodes: readonly HostPort[] },
  { host = "127.0.0.1", before = [] }: { host?: string; before?: readonly string[] } = {},
): Promise<RunningProxy> {
  const flags = flagsFor(cluster.nodes[0]!, host);
  const nat = new NatProcess(flags, { before, options: PERMISSIONS, orderly: true });
  const { mapping } = await nat.untilMapped(cluster.nodes.length);
  return Object.assign(nat, { host, ports: [...mapping.values()] });
}

/** The configuration of a command line, without environment variables but those of TLS. */
export function configOf(words: string[]): Config {
  const command = parseCommand(words, (name) => TLS_VARIABLES[name]);
  if (command.kind !== "serve") {
    throw new TypeError(`Expected the command serve, not ${command.kind}`);
  }
  return command.config;
}

function flagsFor(seed: HostPort, host: string): string[] {
  return [
    `--cluster-addr=${formatHostPort(seed)}`,
    `--listen-addr=${formatHostPort({ host, port: 0 })}`,
    `--public-host=${host}`,
    `--threads=${THREADS}`,
  ];
}
