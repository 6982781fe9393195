import { Server } from "./cluster_node.ts";
import { findFreePorts } from "./ports.ts";
import { Program } from "./program.ts";
import { serverOptions, TLS } from "./tls.ts";

const READY_DEADLINE_MS = 10_000;

/** A server that ends when its block does. */
export interface LoneServer extends AsyncDisposable {
  readonly port: number;
  /** The port for TLS, if it has one. */
  readonly tlsPort: number;
}

/**
 * Starts a server without a cluster at free ports of 127.0.0.1. It migrates its keys to the proxy.
 *
 * @param tls the settings of a port for TLS, as options; none by default
 */
export async function startLoneServer(tls: readonly string[] = []): Promise<LoneServer> {
  const { path } = await Server.find();
  const port = findFreePorts(2);
  const tlsPort = port + 1;
  const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"];
  if (tls.length > 0) settings.push("--tls-port", `${tlsPort}`, ...tls);
  else if (TLS.clients) settings.push("--tls-cluster", "yes", ...serverOptions());
  const isReady = (stdout: string) => /ready to accept connections/i.test(stdout) || undefined;
  const { program } = await Program.start([path, ...settings], isReady, READY_DEADLINE_MS);
  return { port, tlsPort, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
