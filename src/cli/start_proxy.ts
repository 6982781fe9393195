import { Frontend } from "../proxy/frontend.ts";
import type { FrontendOptions } from "../proxy/frontend_options.ts";
import type { CreateFrontends } from "../proxy/frontends.ts";
import { Proxy, type ProxyEvents } from "../proxy/proxy.ts";
import type { WorkerPool } from "../workers/pool.ts";
import type { Config } from "./config.ts";
import type { ProgramTls } from "./program_tls.ts";

/**
 * Starts the proxy that a configuration describes.
 *
 * @param tls if clients or nodes speak TLS; its files are followed from now on
 * @throws {OperatorError} when it cannot start; then nothing is left listening
 */
export async function startProxy(
  config: Config,
  events: ProxyEvents,
  tls?: ProgramTls,
): Promise<Proxy> {
  const options = { ...config, tlsConnector: tls?.sides.connector };
  return await Proxy.start(options, await chooseFrontends(config, tls), events);
}

/** One frontend, or one in each of several threads. */
async function chooseFrontends(
  config: Config,
  tls: ProgramTls | undefined,
): Promise<CreateFrontends> {
  const options = frontendOptions(config);
  const { threads } = config;
  let pool: WorkerPool | undefined;
  tls?.follow((changed) => pool?.updateTls(changed));
  if (threads === 1) return (context) => new Frontend(options, { ...context, tls: tls?.sides });
  // Loaded only if there are several threads.
  const { WorkerPool } = await import("../workers/pool.ts");
  return (context) => pool = new WorkerPool({ threads, frontend: options, tls }, context);
}

/** The options of a frontend. Workers get a copy, so it has no file paths. */
export function frontendOptions(config: Config): FrontendOptions {
  const { listen, publicHost, publicIp, firstPublicPort, publicPorts } = config;
  const { awaitsPublicPorts, otherViews } = config;
  const { maxConnections, connectTimeoutMs, idleTimeoutMs, keepAlive } = config;
  const { via, dialMap, login, balancers } = config;
  const { captureLimitBytes, captureTimeoutMs, readBufferBytes, echo, accessLog } = config;
  return {
    listen,
    publicHost,
    publicIp,
    firstPublicPort,
    publicPorts,
    awaitsPublicPorts,
    otherViews,
    maxConnections,
    connectTimeoutMs,
    via,
    dialMap,
    login,
    balancers,
    idleTimeoutMs,
    keepAlive,
    captureLimitBytes,
    captureTimeoutMs,
    readBufferBytes,
    echo,
    accessLog,
  };
}
