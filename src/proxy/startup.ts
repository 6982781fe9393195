import { formatHostPort } from "../platform/address.ts";
import { AddressCheck } from "../nat/address_check.ts";
import { NodeDialer } from "../cluster/node_dialer.ts";
import { type NatEntry, NatTable, type NatTableActions } from "../nat/nat_table.ts";
import { PortAllocator, type SavedPorts } from "../nat/port_allocator.ts";
import { waitUntilReady } from "../cluster/readiness.ts";
import { ClusterDiscovery } from "../cluster/discovery.ts";
import { assignIds, resolveAddresses } from "../nat/refresher.ts";
import { log } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { readStateFile } from "../nat/state_file.ts";
import type { Config } from "../cli/config.ts";

/** Which node has which port: what both the proxy and `--check` begin with. */
export interface Mapping {
  readonly natTable: NatTable;
  readonly ports: PortAllocator;
}

/** What finds out about the cluster for a mapping. */
export interface StartupContext extends Mapping {
  readonly dialer: NodeDialer;
  readonly discovery: ClusterDiscovery;
  readonly addressCheck: AddressCheck;
}

/**
 * The mapping that a configuration asks for, before anything is known of the cluster.
 *
 * @throws {OperatorError} when there is a state file that cannot be used
 */
export function createMapping(config: Config, actions: NatTableActions): Mapping {
  const { listen, maxNodes, pins, forgetAfterMs } = config;
  const ports = new PortAllocator({
    first: listen.port,
    count: maxNodes,
    pins,
    saved: readSavedPorts(config),
  });
  return { natTable: new NatTable({ ports, pins, forgetAfterMs, actions }), ports };
}

/** What is to find out about the cluster for a mapping that knows nothing of it yet. */
export function createStartupContext(mapping: Mapping, config: Config): StartupContext {
  const { natTable, ports } = mapping;
  const dialer = new NodeDialer(config, natTable);
  const discovery = new ClusterDiscovery({ ...config, dialer });
  return {
    ...mapping,
    dialer,
    discovery,
    addressCheck: new AddressCheck(natTable, discovery, ports.saved.nodes),
  };
}

/**
 * Opens the ports that are pinned to an address, waits for the cluster, and gives every node its
 * port. A cluster can be created and fixed through pinned ports, so these do not wait for it.
 *
 * @throws {NotReadyError} and what the directory's `open` throws
 */
export async function discover(
  { natTable, ports, discovery, addressCheck }: StartupContext,
  config: Config,
): Promise<void> {
  const saved = ports.saved.nodes;
  natTable.openStaticMappings();
  const view = await waitUntilReady(discovery, config.startTimeoutMs);
  await assignIds(natTable, discovery);
  natTable.applyView(view, true);
  await resolveAddresses(natTable, discovery);
  await addressCheck.run();
  if (saved.length > 0 && saved.every(({ id }) => natTable.withId(id) === undefined)) {
    log.warning("None of the {count} nodes of the state file '{path}' is in this cluster", {
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
