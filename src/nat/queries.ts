import type { ClusterDiscovery, QueryOptions } from "../cluster/discovery.ts";
import { dialAddress, isHealthy } from "../cluster/view.ts";
import type { NatTable } from "./nat_table.ts";
import type { SharedPortsKeeper } from "./shared_ports_keeper.ts";
import type { ApplyChanges } from "./table_change.ts";

/** The NAT table, and what is needed to query the cluster for it and to apply its changes. */
export interface NatContext {
  readonly natTable: NatTable;
  readonly discovery: ClusterDiscovery;
  /** Takes the changes of each update of the table. */
  readonly apply: ApplyChanges;
  /** Claims ports for new nodes, if several proxies share them. */
  readonly sharedPorts?: Pick<SharedPortsKeeper, "claimed"> | undefined;
}

/**
 * How many nodes are queried for the address of another. An address is usually missing in one view
 * only. For a node that is gone for good, the queries repeat with each refresh.
 */
const MAX_QUERIED_NODES = 16;

/** The options to query any node of the cluster that a table shows. */
export function queryOptionsFor(
  natTable: NatTable,
  more: Pick<QueryOptions, "isSufficient"> = {},
): QueryOptions {
  return {
    known: natTable.nodes.map(({ address }) => address),
    belongs: natTable.belongsToCluster.bind(natTable),
    replaces: natTable.looksReplaced.bind(natTable),
    ...more,
  };
}

/** Queries the statically mapped nodes without an id for their ids. */
export async function assignIds({ natTable, discovery, apply }: NatContext): Promise<void> {
  await Promise.all(natTable.unidentified.map(async (node) => {
    const view = await discovery.queryNode(node.address);
    if (view !== undefined) apply(natTable.assignId(node, view.answeredBy.id));
  }));
}

/** Queries other nodes for the addresses that are missing in the latest view. */
export async function resolveAddresses({ natTable, discovery, apply }: NatContext): Promise<void> {
  const { view } = natTable;
  if (view === undefined || !natTable.lacksAddresses) return;
  const others = view.nodes.filter((node) => isHealthy(node) && node.id !== view.answeredBy.id)
    .map((node) => dialAddress(node, view)).filter((address) => address !== null);
  await Promise.all(
    others.slice(0, MAX_QUERIED_NODES).map(async (address) => {
      const other = await discovery.queryNode(address);
      if (other !== undefined && natTable.belongsToCluster(other)) apply(natTable.applyView(other));
    }),
  );
}
