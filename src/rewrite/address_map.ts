import type { NodeRef } from "../cluster/node_ref.ts";
import type { HostPort } from "../platform/address.ts";

/**
 * The addresses of nodes and clients on both sides of the proxy, for one session. The rewriters of
 * both directions query it, and the proxy implements it. The own node is the one that the session
 * is connected to. Addresses of clients are text in the form of CLIENT LIST.
 */
export interface AddressMap {
  /** The public host of every node: a name or an IP address, no brackets. */
  readonly publicHost: string;
  /** The public IP address of every node, no brackets; undefined if the public host stands for it. */
  readonly publicIp: string | undefined;
  /** Whether nodes have host names in replies, since 7.0. */
  readonly hasHostnames: boolean;
  /** The id of the own node; "" while it is unknown. */
  readonly ownId: string;
  /**
   * The public port of the own node.
   *
   * @throws {NoPublicPortError} while it is not known
   */
  readonly ownPort: number;
  /** The private address of the own node. */
  readonly ownAddress: HostPort;
  /** The IP address at which the client reached the proxy. */
  readonly reachedAt: string;

  /** Whether a port is the public port of the own node. */
  isOwnPort(publicPort: number): boolean;
  /**
   * The public port of a node; undefined if `resolvePort` has to query the cluster for it.
   *
   * @throws {NoPublicPortError} while it is not known at which port clients reach the node
   */
  portOf(ref: NodeRef): number | undefined;
  /**
   * Queries the cluster for the public port of a node; 0 if it has none, undefined if it is
   * unknown.
   *
   * @param sinceMs when the frame arrived, in milliseconds of the monotonic clock; an older view of
   * the cluster does not count
   * @throws {NoPublicPortError} when clients would connect to a node without a public port, and
   * what `portOf` throws
   */
  resolvePort(ref: NodeRef, sinceMs: number): Promise<number | undefined>;
  /** The node at a public port. */
  nodeAt(publicPort: number): MappedNode | undefined;
  /** Whether an address is the private one of a node. */
  isPrivate(address: HostPort): boolean;

  /**
   * A client's own address, given that of its upstream connection; null if there is no such client,
   * undefined if `fetchClients` has to query other threads for it.
   */
  clientAt(upstream: string): string | null | undefined;
  /** Finds the clients of some upstream addresses; the result has no entry for the others. */
  fetchClients(upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The address of a client's upstream connection; undefined if there is no such client. */
  upstreamOf(client: string): string | undefined | Promise<string | undefined>;

  /** The IP addresses of a host name; empty if it does not resolve. */
  resolve(host: string): Promise<readonly string[]>;
}

/** A node with a public port. */
export interface MappedNode {
  /** The private address of the node. */
  readonly address: HostPort;
  /** The port of the cluster bus; undefined if the node has not announced one. */
  readonly busPort: number | undefined;
  /** The port that other nodes use, if it is another than that of `address`. */
  readonly peerPort?: number | undefined;
}
