import { type HostPort, isIpAddress } from "../platform/address.ts";

/** Where to connect to a node, and the host name by which it is known, if `host` is an IP address. */
export interface NodeAddress extends HostPort {
  /** A certificate of the node may be for it instead of the IP address. */
  readonly hostname?: string;
}

/** An address with a host name; "" for none. */
export function named({ host, port }: HostPort, hostname: string): NodeAddress {
  return hostname === "" || !isIpAddress(host) ? { host, port } : { host, port, hostname };
}
