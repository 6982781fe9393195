import { isSameAddress } from "../cluster/node_ref.ts";
import { announcedAddresses, type ClusterView, locatedNodes } from "../cluster/view.ts";
import type { PortAllocator } from "./port_allocator.ts";
import type { WishedNode, Wishes } from "./shared_ports.ts";
import type { TableRows } from "./table_rows.ts";

/** What the NAT table and a view say about the nodes that need ports. */
export interface PortWishesContext {
  readonly rows: TableRows;
  readonly ports: PortAllocator;
  /** The view whose nodes need ports. */
  readonly view: ClusterView | undefined;
  /** When nodes lost the ids that they had before a reset, in milliseconds: old views list them. */
  readonly former: ReadonlyMap<string, number>;
}

/** How long a view may be behind: the interval of refreshes and the time that gossip takes. */
const OLD_VIEW_MS = 30_000;

/** What a proxy wants in the shared ports: the nodes with a row, then the others by address. */
export function wishesOf({ rows, ports, view, former }: PortWishesContext): Wishes {
  const located = view === undefined ? [] : locatedNodes(view);
  const reported = new Map(located.map(({ node, address }) => [node.id, address]));
  const served = rows.all.filter(({ id }) => id !== "").map((row): WishedNode => {
    const { id, address, listenPort: inUse, mappedAddress, sharedAddress } = row;
    const latest = reported.get(id);
    // If another proxy has replaced it since, that one knows better, or disagrees for ever.
    const wasShared = sharedAddress !== undefined && isSameAddress(sharedAddress, address);
    return {
      id,
      address,
      inUse,
      pinned: mappedAddress === undefined ? ports.staticPort(id) : inUse,
      isVerified: latest !== undefined && isSameAddress(latest, address) && !wasShared,
    };
  });
  const sinceMs = performance.now() - OLD_VIEW_MS;
  const others = located.filter(({ node: { id } }) =>
    rows.withId(id) === undefined && !((former.get(id) ?? -Infinity) > sinceMs)
  ).map(({ node, address }): WishedNode => {
    const mapped = rows.unidentifiedAt([address, ...announcedAddresses(node, view!)]);
    return {
      id: node.id,
      address,
      pinned: ports.staticPort(node.id) ?? mapped?.listenPort,
      preferred: ports.portOf(node.id) ?? ports.savedPort(node.id),
    };
  });
  return {
    nodes: [...served, ...others],
    listed: new Set(view?.nodes.map(({ id }) => id)),
    released: ports.released,
    ...ports.limits,
  };
}
