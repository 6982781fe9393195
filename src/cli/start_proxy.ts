import { Frontend, type FrontendOptions } from "../proxy/frontend.ts";
import type { CreateFrontends } from "../proxy/frontends.ts";
import { Proxy } from "../proxy/proxy.ts";
import type { Config } from "./config.ts";

/**
 * Starts the proxy that a configuration describes.
 *
 * @param announce gets a line for each node when its port is open
 * @throws {OperatorError} when it cannot start; then nothing is left listening
 */
export async function startProxy(
  config: Config,
  announce: (line: string) => void,
): Promise<Proxy> {
  return await Proxy.start(config, await chooseFrontends(config), announce);
}

/** One frontend, or one in each of several threads. */
async function chooseFrontends(config: Config): Promise<CreateFrontends> {
  const options = frontendOptions(config);
  const { threads } = config;
  if (threads === 1) return (context) => new Frontend(options, context);
  // Loaded only if there are several threads.
  const { WorkerPool } = await import("../workers/pool.ts");
  return (context) => new WorkerPool({ threads, frontend: options }, context);
}

/** The options of a frontend. Workers get a copy, so it has no credentials and no file paths. */
export function frontendOptions(config: Config): FrontendOptions {
  const { listen, publicHost, maxConnections, connectTimeoutMs, idleTimeoutMs, keepAlive } = config;
  const { captureLimitBytes, captureTimeoutMs, readBufferBytes, echo } = config;
  return {
    listen,
    publicHost,
    maxConnections,
    connectTimeoutMs,
    idleTimeoutMs,
    keepAlive,
    captureLimitBytes,
    captureTimeoutMs,
    readBufferBytes,
    echo,
  };
}
