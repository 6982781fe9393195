import type { NodeRef } from "../cluster/node_ref.ts";
import { formatHostPort } from "../platform/address.ts";
import type { Value } from "../resp/frame.ts";

/** The public addresses of the nodes and clients that one frame names. */
export interface PublicAddresses {
  /** The public host of every node: a name or an IP address, no brackets. */
  readonly host: string;
  /** The id of the node that sent the frame; "" while it is unknown. */
  readonly ownId: string;
  /** The public port of the node that sent the frame. */
  readonly ownPort: number;
  /**
   * The public port of a node; 0 if it has none, undefined if that is not known yet. In the latter
   * case the caller of the rewriter resolves the node and rewrites the frame again; the first
   * result is dropped.
   */
  portOf(ref: NodeRef): number | undefined;
  /** The address from which a client reached the proxy, given that of its upstream connection. */
  clientAt(upstream: string): string | undefined;
}

/**
 * Replaces private addresses in a reply by public ones. It may change `frame` and return it.
 * Everything else stays as the server sent it: counts, types, order, nulls, unknown fields.
 */
export type Rewriter = (frame: Value, addresses: PublicAddresses) => Value;

/** A public address as text, with IPv6 in brackets: `[::1]:8000`. */
export function publicAddress({ host }: PublicAddresses, port: number): string {
  return formatHostPort({ host, port });
}
