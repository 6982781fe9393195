import { formatHostPort } from "../platform/address.ts";
import { AddressCheck } from "../nat/address_check.ts";
import { NodeDialer } from "../cluster/node_dialer.ts";
import { type NatEntry, NatTable } from "../nat/nat_table.ts";
import type { SavedPorts } from "../nat/port_allocator.ts";
import type { ApplyChanges } from "../nat/table_change.ts";
import { waitUntilReady } from "../cluster/readiness.ts";
import { ClusterDiscovery } from "../cluster/discovery.ts";
import { assignIds, type NatContext, resolveAddresses } from "../nat/queries.ts";
import { log } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { readStateFile } from "../nat/state_file.ts";
import type { Config } from "../cli/config.ts";

/** What queries the cluster for the NAT table. */
export interface StartupContext extends NatContext {
  readonly dialer: NodeDialer;
  readonly addressCheck: AddressCheck;
}

/**
 * Creates the NAT table before the cluster is known.
 *
 * @throws {OperatorError} when the state file cannot be used
 */
export function createNatTable(config: Config): NatTable {
  return new NatTable({
    firstPort: config.listen.port,
    maxNodes: config.maxNodes,
    staticMappings: config.pins,
    savedPorts: readSavedPorts(config),
    forgetAfterMs: config.forgetAfterMs,
  });
}

/** Creates what queries the cluster; it opens no connection yet. */
export function createStartupContext(
  natTable: NatTable,
  config: Config,
  apply: ApplyChanges,
): StartupContext {
  const dialer = new NodeDialer(config, natTable);
  const discovery = new ClusterDiscovery({ ...config, dialer });
  const context: NatContext = { natTable, discovery, apply };
  return { ...context, dialer, addressCheck: new AddressCheck(context, natTable.savedPorts.nodes) };
}

/**
 * Opens the ports of static mappings to an address, waits for the cluster, and assigns each node its
 * port. Static mappings do not wait, because a cluster can be created and repaired through them.
 *
 * @throws {OperatorError} when the cluster is not ready in time, and what `apply` throws
 */
export async function discover(context: StartupContext, config: Config): Promise<void> {
  const { natTable, discovery, apply, addressCheck } = context;
  const saved = natTable.savedPorts.nodes;
  apply(natTable.openStaticMappings());
  const view = await waitUntilReady(discovery, config.startTimeoutMs);
  await assignIds(context);
  apply(natTable.applyView(view, true));
  await resolveAddresses(context);
  await addressCheck.run();
  if (saved.length > 0 && saved.every(({ id }) => natTable.withId(id) === undefined)) {
    log.warning("None of the {count} nodes in the state file '{path}' is in this cluster", {
      count: saved.length,
      path: config.stateFile,
    });
  }
}

/** Nodes in the order of their public ports. */
export function byPort(nodes: readonly NatEntry[]): NatEntry[] {
  return nodes.toSorted((a, b) => a.publicPort - b.publicPort);
}

/** The line of the original program that tells where a node can be reached. */
export function mappingLine(config: Config, node: NatEntry): string {
  const listening = formatHostPort({ host: config.listen.host, port: node.publicPort });
  return `Listening on: ${listening} proxy to: ${formatHostPort(node.address)}`;
}

/** What the state file tells, all of which can be had again. */
function readSavedPorts({ stateFile, listen, maxNodes, pins }: Config): SavedPorts | undefined {
  const saved = stateFile === undefined ? undefined : readStateFile(stateFile);
  const last = listen.port + maxNodes - 1;
  const stray = saved?.nodes.find(({ id, address, port }) =>
    listen.port !== 0 && (port < listen.port || port > last) &&
    !pins.some((pin) =>
      pin.port === port || pin.node === id ||
      (typeof pin.node === "object" && formatHostPort(pin.node) === formatHostPort(address))
    )
  );
  if (stray === undefined) return saved;
  throw new OperatorError(
    `The state file '${stateFile}' has port ${stray.port} for node ` +
      `${formatHostPort(stray.address)}, and ports are now ${listen.port} to ${last}; ` +
      "set --listen-addr, --max-nodes and --port-map as they were, or delete the file",
  );
}
