import { formatHostPort } from "../platform/address.ts";
import type { NodeRef } from "../cluster/node_ref.ts";
import type { Value } from "../resp/frame.ts";

/** What a rewriter knows of the public side while it rewrites one frame. */
export interface AddressMap {
  /** The host that every node has on the public side: a name or an IP address, no brackets. */
  readonly host: string;
  /** The id of the node that was meant to send the frame; "" if it has not told that yet. */
  readonly ownId: string;
  /** The public port of the node that sent the frame. */
  readonly ownPort: number;
  /**
   * The public port of a node, 0 if it has none, or undefined if that is not known yet. The caller
   * of the rewriter then finds it out and rewrites the frame again; what the rewriter makes
   * meanwhile is lost.
   */
  portOf(ref: NodeRef): number | undefined;
  /** The address from which a client reached the proxy, by its upstream connection's. */
  clientAt(upstream: string): string | undefined;
}

/**
 * Puts public addresses in the place of private ones. It may change `frame` and return it. All
 * else stays as the server gave it: counts, types, order, nulls, fields nobody knows.
 */
export type Rewriter = (frame: Value, addresses: AddressMap) => Value;

/** An address in the form that keeps host and port apart even for IPv6: `[::1]:8000`. */
export function publicAddress(addresses: Pick<AddressMap, "host">, port: number): string {
  return formatHostPort({ host: addresses.host, port });
}
