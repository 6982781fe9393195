import { fileURLToPath } from "node:url";
import type { ClusterNode } from "../support/cluster.ts";
import type { Certificates } from "../support/cluster_tls.ts";
import { haProxyConfig } from "../support/haproxy.ts";
import { NatProcess, START_OPTIONS } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { Program } from "../support/program.ts";
import type { TemporaryDirectory } from "../support/temporary.ts";
import { secure } from "../support/tls.ts";
import { WireClient } from "../support/wire.ts";

/** The programs that are compared, in the order of the table. */
export const CONTENDERS = ["node", "haproxy", "relay", "proxy"] as const;

/** A direct connection to the node, or one through HAProxy, a bare relay or the proxy. */
export type ContenderName = (typeof CONTENDERS)[number];

/** Which connections of a way are in TLS; those of the relay never are. */
export interface TlsUse {
  readonly clients: boolean;
  readonly nodes: boolean;
}

/** A path to the node, whose program runs until the block ends. */
export interface Way extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Undefined if the port is for plain text. */
  readonly certificates: Certificates | undefined;
  /** The process in between; undefined for the node itself. */
  readonly pid: number | undefined;
  /** The time from the start of the process to the first reply. */
  readonly startMs: number | undefined;
}

/** How the programs are started. */
export interface ContenderOptions {
  /** All nodes; the load goes to the first. */
  readonly nodes: readonly ClusterNode[];
  /** TLS of the ways, with the certificates for it; undefined for plain text only. */
  readonly tls: (TlsUse & { readonly certificates: Certificates }) | undefined;
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
  const { nodes, directory, tls } = options;
  const certificates = tls?.clients && name !== "relay" ? tls.certificates : undefined;
  if (name === "node") {
    const { host, port, tlsPort } = nodes[0]!;
    return {
      host,
      port: certificates === undefined ? port : tlsPort!,
      certificates,
      pid: undefined,
      startMs: undefined,
      async [Symbol.asyncDispose]() {},
    };
  }
  const port = findFreePorts(nodes.length);
  const configuration = directory.at(`haproxy-${port}.cfg`);
  if (name === "haproxy") {
    const certificate = directory.at(`haproxy-${port}.pem`);
    if (tls !== undefined) {
      await Deno.writeTextFile(certificate, tls.certificates.cert + tls.certificates.key);
    }
    await Deno.writeTextFile(configuration, benchConfig(options, port, certificate));
  }
  const launch = {
    // In the foreground, silent except for fatal errors.
    haproxy: () => new Program(["haproxy", "-db", "-q", "-f", configuration]),
    relay: () => launchRelay(port, options),
    proxy: () => launchProxy(port, options),
  }[name];
  const launchedMs = performance.now();
  const program = launch();
  try {
    await untilAnswered({ host: HOST, port, certificates }, program);
    const startMs = performance.now() - launchedMs;
    return Object.assign(program, { host: HOST, port, certificates, startMs });
  } catch (error) {
    await program.kill();
    throw error;
  }
}

/** Connects as the load does. */
export async function connectTo(
  { host, port, certificates }: Pick<Way, "host" | "port" | "certificates">,
): Promise<WireClient> {
  if (certificates === undefined) return await WireClient.connectTcp(host, port);
  const connection = await Deno.connect({ hostname: host, port });
  return new WireClient(await secure(connection, host));
}

/** The options of redis-benchmark for a way. */
export function loadOptions({ certificates }: Way): string[] {
  if (certificates === undefined) return [];
  return ["--tls", "--cacert", certificates.files["tls-ca-cert-file"]];
}

function launchRelay(port: number, { nodes }: ContenderOptions): Program {
  const addresses = nodes.map(({ address }) => address);
  return new Program([
    ...[Deno.execPath(), "run", ...START_OPTIONS, RELAY],
    ...[HOST, `${port}`, ...addresses],
  ]);
}

function launchProxy(port: number, options: ContenderOptions): Program {
  const { nodes, tls, program, proxyFlags } = options;
  // Ports follow the order of addresses, which is that of the nodes.
  const args = [
    `--cluster-addr=${addressOf(nodes[0]!, tls)}`,
    `--listen-addr=${HOST}:${port}`,
    `--max-nodes=${nodes.length}`,
  ];
  const files = tls?.certificates.files;
  if (tls?.clients) {
    args.push(`--tls-cert-file=${files!["tls-cert-file"]}`);
    args.push(`--tls-key-file=${files!["tls-key-file"]}`);
  }
  if (tls?.nodes) {
    args.push("--cluster-tls", `--cluster-tls-ca-cert-file=${files!["tls-ca-cert-file"]}`);
  }
  return new NatProcess([...args, ...proxyFlags], { executable: program });
}

function addressOf(node: ClusterNode, tls: TlsUse | undefined): string {
  return tls?.nodes ? `${node.host}:${node.tlsPort}` : node.address;
}

/** One port for each node, TCP mode, no log. */
function benchConfig(
  { nodes, tls }: ContenderOptions,
  firstPort: number,
  certificate: string,
): string {
  const bindTls = tls?.clients ? ` ssl crt ${certificate}` : "";
  // It verifies the chain, and no name.
  const ca = tls?.certificates.files["tls-ca-cert-file"];
  const serverTls = tls?.nodes ? ` ssl verify required ca-file ${ca}` : "";
  return haProxyConfig(nodes.map((node, index) => ({
    bind: `${HOST}:${firstPort + index}${bindTls}`,
    servers: [`${addressOf(node, tls)}${serverTls}`],
  })));
}

async function untilAnswered(
  way: Pick<Way, "host" | "port" | "certificates">,
  program: Program,
): Promise<void> {
  const end = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      using client = await connectTo(way);
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
