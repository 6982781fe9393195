import type { HostPort } from "../platform/address.ts";
import { isSameAddress } from "../cluster/node_ref.ts";
import { type ClusterView, isReady, locatedNodes } from "../cluster/view.ts";

/**
 * Whether a view shows the cluster of the nodes in `ids`. The view of another cluster that reuses
 * an address, or of a node that was removed, must not change the table. So the view must list most
 * of these nodes, and one besides the answering node, unless the cluster has shrunk to one node.
 */
export function belongsToCluster(view: ClusterView, ids: ReadonlySet<string>): boolean {
  const known = view.nodes.filter(({ id }) => ids.has(id));
  const others = known.filter(({ id }) => id !== view.answeredBy.id);
  const isAlone = known.length === 1 && others.length === 0 && (ids.size === 1 ||
    (view.nodes.length === 1 && isReady(view)));
  return ids.size === 0 || isAlone ||
    (others.length > 0 && known.length > Math.min(view.nodes.length, ids.size) / 2);
}

/**
 * Whether a view that fails `belongsToCluster` may show a cluster that replaced this one: it has a
 * node at a known address, or the last accepted view is older than `forgetAfterMs`.
 */
export function looksReplaced(view: ClusterView, known: {
  readonly addresses: readonly HostPort[];
  /** When the last accepted view was taken, in milliseconds of the monotonic clock. */
  readonly seenAtMs: number;
  readonly forgetAfterMs: number;
}): boolean {
  return view.takenAtMs - known.seenAtMs > known.forgetAfterMs ||
    locatedNodes(view).some(({ address }) =>
      known.addresses.some((other) => isSameAddress(other, address))
    );
}
