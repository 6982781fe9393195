import type { StatusServer } from "../http/status_server.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { Listener } from "../platform/net.ts";
import { listenOn } from "../proxy/listener.ts";
import type { Proxy } from "../proxy/proxy.ts";
import type { Config } from "./config.ts";

/**
 * Starts to show the program over HTTP, if `--http-addr` is set.
 *
 * @param proxyOf returns the proxy, once it is created
 * @throws {ListenError} when the port cannot be listened on
 */
export async function startStatusServer(
  { httpAddress }: Pick<Config, "httpAddress">,
  proxyOf: () => Proxy | undefined,
): Promise<StatusServer | undefined> {
  if (httpAddress === undefined) return undefined;
  // Loaded only if the option is set.
  const { StatusServer } = await import("../http/status_server.ts");
  const listeners = listenForStatus(httpAddress);
  const server = new StatusServer(httpAddress.host, listeners, {
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
  return listenOn(address, "exclusive", { port: "--http-addr", host: "--http-addr" });
}
