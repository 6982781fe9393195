import type { NodeRef } from "../cluster/node_ref.ts";
import type { Value } from "../resp/frame.ts";

/** The public addresses of the nodes and clients that one frame names. */
export interface PublicAddresses {
  /** The public host of every node: a name or an IP address, no brackets. */
  readonly host: string;
  /** What replaces an IP address: the public IP address, without brackets, or else the public host. */
  readonly ip: string;
  /** Whether a node that announces no host name is shown with the public host as its host name. */
  readonly addsHostnames: boolean;
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

/**
 * What replaces an endpoint, which is an IP address or a host name, as each node prefers (cluster.c
 * `clusterNodePreferredEndpoint`). An unknown one, "" or `?`, becomes the public host.
 */
export function publicEndpoint({ host, ip }: PublicAddresses, endpoint: string): string {
  if (ip === host) return host;
  // No host name has this form; the cost matters in a reply with thousands of nodes.
  return endpoint.includes(":") || /^[\d.]+$/.test(endpoint) ? ip : host;
}
