import { canonicalHost, type HostPort } from "../platform/address.ts";

/** A reference to a node inside a frame: what the frame gives of an id, an address and a slot. */
export interface NodeRef {
  /** The node id, if the frame has a permanent one. */
  readonly id?: string;
  /** An IP address or a host name; "" or `?` if the sending node does not know it. */
  readonly host: string;
  readonly port: number;
  /** The slot of a redirect; it identifies the node if the host does not. */
  readonly slot?: number;
  /** Whether the redirect is an ASK: to the node that imports the slot, not to the slot's owner. */
  readonly asking?: boolean;
  /**
   * Whether the address may be no node's: a script may have made it up, or a client may have passed
   * it to CLUSTER MEET or MIGRATE. The proxy never dials it, and it may stay unknown.
   */
  readonly doubtful?: boolean;
  /** Whether clients connect to the node next, so that port 0 is no valid reply. */
  readonly redirects?: boolean;
  /** Whether the sending node refers to itself; ignored if `id` is that of another node. */
  readonly own?: boolean;
  /**
   * The replication role of the node relative to the sender. Its address is that of the replication
   * connection, which may differ from the address in the cluster.
   */
  readonly relation?: "primary" | "replica";
}

/** Whether a reference has an address; a node that knows no host sends "", or `?` for a name. */
export function isAddress({ host, port }: NodeRef): boolean {
  return host !== "" && host !== "?" && port > 0;
}

/** An address as a map key: equal for all spellings of the same address. */
export function aliasOf({ host, port }: HostPort): string {
  // Only IPv6 has several spellings, and normalizing one takes time.
  return `${host.includes(":") ? canonicalHost(host) : host.toLowerCase()} ${port}`;
}

/** Whether two addresses are equal, however they are spelled. */
export function isSameAddress(a: HostPort, b: HostPort): boolean {
  return aliasOf(a) === aliasOf(b);
}
