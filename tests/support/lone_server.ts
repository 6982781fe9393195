import { Server } from "./cluster_node.ts";
import { findFreePorts } from "./ports.ts";
import { Program } from "./program.ts";
import { serverOptions, TLS } from "./tls.ts";

const READY_DEADLINE_MS = 10_000;

/**
 * Starts a server without a cluster at a free port of 127.0.0.1; it ends when its block does. It
 * migrates its keys to the proxy.
 */
export async function startLoneServer(): Promise<AsyncDisposable & { readonly port: number }> {
  const { path } = await Server.find();
  const port = findFreePorts(1);
  const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"];
  if (TLS.clients) settings.push("--tls-cluster", "yes", ...serverOptions());
  const isReady = (stdout: string) => /ready to accept connections/i.test(stdout) || undefined;
  const { program } = await Program.start([path, ...settings], isReady, READY_DEADLINE_MS);
  return { port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
