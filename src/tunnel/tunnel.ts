// tunnel/ reaches nodes through a proxy: SOCKS5, as of `ssh -D`, or HTTP CONNECT. It may import
// platform/ only. Start here: `Tunnel` says where the proxy is, and `openTunnel` does the handshake
// over a connection to it. Both handshakes read not one byte more than they need, because the next
// one belongs to the node.

import { type Connection, isGone } from "../platform/net.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { requestHttpConnect } from "./http_connect.ts";
import { requestSocks5 } from "./socks5.ts";
import { TunnelError } from "./tunnel_error.ts";
import type { TunnelLogin } from "./tunnel_login.ts";

/** A proxy through which nodes are reached. */
export interface Tunnel {
  readonly protocol: "socks5" | "http";
  /** The address of the proxy. */
  readonly at: HostPort;
  readonly login: TunnelLogin | undefined;
}

/** The tunnel as a URL, without its login. */
export function tunnelUrl({ protocol, at }: Tunnel): string {
  return `${protocol}://${formatHostPort(at)}`;
}

/**
 * Asks the proxy at the other end of `connection` to connect to an address; a host name is resolved
 * there. The caller owns the connection, whose bytes belong to the address from then on.
 *
 * @throws {TunnelError} if the proxy refuses, or closes the connection; a TunnelDownError if it
 * serves nobody with this login, or does not speak the protocol
 */
export async function openTunnel(
  connection: Pick<Connection, "read" | "write">,
  { protocol, login }: Tunnel,
  address: HostPort,
): Promise<void> {
  const request = protocol === "socks5" ? requestSocks5 : requestHttpConnect;
  try {
    await request(connection, login, address);
  } catch (error) {
    if (!isGone(error)) throw error;
    throw new TunnelError("the tunnel broke the connection; see its log", { cause: error });
  }
}
