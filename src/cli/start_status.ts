import type { ProgramVersion } from "../platform/program_version.ts";
import type { StatusServer } from "../http/status_server.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { Listener } from "../platform/net.ts";
import { listenOn } from "../proxy/listener.ts";
import type { Proxy } from "../proxy/proxy.ts";
import type { Config } from "./config.ts";
import type { ProgramTls } from "./program_tls.ts";

/** The program to show. */
export interface StatusSubject {
  readonly about: ProgramVersion;
  /** Returns the proxy, once it is created. */
  readonly proxyOf: () => Proxy | undefined;
  readonly tls: ProgramTls | undefined;
}

/**
 * Starts to show the program over HTTP, if `--http-addr` is set.
 *
 * @throws {ListenError} when the port cannot be listened on
 */
export async function startStatusServer(
  config: Config,
  { about, proxyOf, tls }: StatusSubject,
): Promise<StatusServer | undefined> {
  const { httpAddress, settings } = config;
  if (httpAddress === undefined) return undefined;
  // Loaded only if the option is set.
  const { StatusServer } = await import("../http/status_server.ts");
  const listeners = listenForStatus(httpAddress);
  const server = new StatusServer(httpAddress.host, listeners, {
    about,
    startedAtMs: performance.timeOrigin,
    options: config,
    settings,
    get certificates() {
      return tls?.certificates ?? [];
    },
    get proxy() {
      return proxyOf();
    },
  });
  const address = { host: httpAddress.host, port: listeners[0]!.addr.port };
  log.info("Serving the status at http://{address}/", { address: formatHostPort(address) });
  return server;
}

/**
 * Listens at the address of `--http-addr`; the caller owns the listeners.
 *
 * @throws {ListenError} when it cannot
 */
export function listenForStatus(address: HostPort): Listener[] {
  return listenOn(address, { options: { port: "--http-addr", host: "--http-addr" } });
}
