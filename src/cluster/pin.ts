import type { HostPort } from "../address.ts";

/** A node whose public port the operator chose. */
export interface Pin {
  /**
   * The node id, in lower case, or a private address of the node, which may be by host name;
   * the host is as `canonicalHost` writes it.
   */
  readonly node: string | HostPort;
  /** The public port, 1 to 65535; the range of ports to give out need not hold it. */
  readonly port: number;
}
