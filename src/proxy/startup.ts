import { AddressCheck } from "../nat/address_check.ts";
import { formatPattern } from "../cluster/dial_map.ts";
import { NodeDialer, type NodeDialerOptions } from "../cluster/node_dialer.ts";
import { NatTable } from "../nat/nat_table.ts";
import type { PublicViews, PublicViewsOptions } from "../nat/public_view.ts";
import type { SavedPorts } from "../nat/port_allocator.ts";
import type { ApplyChanges } from "../nat/table_change.ts";
import { waitUntilReady } from "../cluster/readiness.ts";
import { ClusterDiscovery, type ClusterDiscoveryOptions } from "../cluster/discovery.ts";
import { type ClusterView, knownAddresses } from "../cluster/view.ts";
import { assignIds, type NatContext, resolveAddresses } from "../nat/queries.ts";
import { log } from "../platform/log.ts";
import type { SharedPortsKeeper } from "../nat/shared_ports_keeper.ts";
import type { AvailablePorts } from "./saved_ports.ts";
import { WaitStatus } from "./wait_status.ts";

/** The options that decide which node gets which port. */
export interface MappingOptions extends AvailablePorts {
  /** How long a node that the cluster has forgotten keeps its port; 0 is not at all. */
  readonly forgetAfterMs: number;
  /** Keeps the ports of all nodes over a restart. */
  readonly stateFile: string | undefined;
  /** The key at which several proxies share the ports of nodes in the cluster; undefined if alone. */
  readonly sharedPorts: string | undefined;
}

/** The options for finding the cluster. */
export interface StartupOptions
  extends
    MappingOptions,
    PublicViewsOptions,
    Omit<NodeDialerOptions, "views">,
    Omit<ClusterDiscoveryOptions, "dialer"> {
  /** How long to wait for the cluster to be ready; Infinity is no limit. */
  readonly startTimeoutMs: number;
}

/** The parts of the proxy that query the cluster during the start. */
export interface StartupContext extends NatContext {
  readonly dialer: NodeDialer;
  readonly addressCheck: AddressCheck;
  /** Undefined if the ports of this proxy are its own. */
  readonly sharedPorts: SharedPortsKeeper | undefined;
}

/** How `discover` waits for the cluster. */
export interface DiscoverOptions extends Pick<StartupOptions, "startTimeoutMs" | "stateFile"> {
  /** Gets the reasons why the cluster or its shared ports are not ready, one after the other. */
  readonly onObstacle?: (obstacle: string) => void;
}

/**
 * Creates the NAT table before the cluster is known.
 *
 * @throws {OperatorError} when the state file cannot be used
 */
export async function createNatTable(
  options: MappingOptions,
  views: PublicViews,
): Promise<NatTable> {
  return new NatTable({
    firstPort: options.listen.port,
    maxNodes: options.maxNodes,
    staticMappings: options.staticMappings,
    savedPorts: await loadSavedPorts(options, views),
    forgetAfterMs: options.forgetAfterMs,
    sharesPorts: options.sharedPorts !== undefined,
  });
}

/** The class that keeps shared ports, for `createStartupContext`; undefined if none are shared. */
export async function loadSharedPorts(
  { sharedPorts }: Pick<MappingOptions, "sharedPorts">,
): Promise<typeof SharedPortsKeeper | undefined> {
  if (sharedPorts === undefined) return undefined;
  // Loaded only if an option asks for it, for a short start.
  return (await import("../nat/shared_ports_keeper.ts")).SharedPortsKeeper;
}

async function loadSavedPorts(
  options: MappingOptions,
  views: PublicViews,
): Promise<SavedPorts | undefined> {
  const { stateFile } = options;
  if (stateFile === undefined) return undefined;
  // Loaded only if an option asks for it, for a short start.
  const { readSavedPorts } = await import("./saved_ports.ts");
  return readSavedPorts(stateFile, options, views);
}

/**
 * Creates the discovery and its context. It opens no connection yet.
 *
 * @param SharedPorts from `loadSharedPorts`
 */
export function createStartupContext(
  natTable: NatTable,
  options: StartupOptions & { readonly views: PublicViews },
  apply: ApplyChanges,
  SharedPorts: typeof SharedPortsKeeper | undefined,
): StartupContext {
  const dialer = new NodeDialer(options, natTable);
  const discovery = new ClusterDiscovery({ ...options, dialer });
  const { sharedPorts: key, listen: { port: firstPort } } = options;
  const sharedPorts = SharedPorts && key !== undefined
    ? new SharedPorts({ natTable, connector: discovery, apply }, { key, firstPort })
    : undefined;
  const context = { natTable, discovery, apply, sharedPorts } satisfies NatContext;
  return { ...context, dialer, addressCheck: new AddressCheck(context, natTable.savedPorts.nodes) };
}

/**
 * Opens the ports of static mappings to an address, waits for the cluster, and assigns each node
 * its port. Static mappings do not wait, because a cluster can be created and repaired through
 * them.
 *
 * @param agree agrees with other proxies on the ports of the first view, within a time
 * @throws {OperatorError} when the cluster is not ready in time, and what `apply` throws
 */
export async function discover(
  context: StartupContext,
  { startTimeoutMs, stateFile, onObstacle }: DiscoverOptions,
  agree = async (view: ClusterView, limitMs: number) =>
    await context.sharedPorts?.begin(view, { limitMs, onObstacle }),
): Promise<void> {
  const { natTable, discovery, apply, addressCheck } = context;
  const endMs = performance.now() + startTimeoutMs;
  const saved = natTable.savedPorts.nodes;
  apply(natTable.openStaticMappings());
  const view = await waitForCluster(discovery, startTimeoutMs, onObstacle);
  await assignIds(context);
  await agree(view, endMs - performance.now());
  apply(natTable.applyView(view, true));
  await resolveAddresses(context);
  await addressCheck.run();
  warnOfUnusedMappings(context, view);
  if (saved.length > 0 && saved.every(({ id }) => natTable.withId(id) === undefined)) {
    log.warning("None of the {count} nodes in the state file '{path}' is in this cluster", {
      count: saved.length,
      path: stateFile,
    });
  }
}

async function waitForCluster(
  discovery: ClusterDiscovery,
  timeoutMs: number,
  onObstacle: DiscoverOptions["onObstacle"],
): Promise<ClusterView> {
  using status = new WaitStatus(timeoutMs);
  return await waitUntilReady(discovery, timeoutMs, (obstacle) => {
    status.obstacle = obstacle;
    onObstacle?.(obstacle);
  });
}

/** Logs each entry of `--dial-map` that matches no node. */
function warnOfUnusedMappings({ natTable, dialer }: StartupContext, view: ClusterView): void {
  const addresses = [...natTable.nodes.map(({ address }) => address), ...knownAddresses(view)];
  for (const { node } of dialer.unusedMappings(addresses)) {
    log.warning("No node has the address {address} of --dial-map; correct or remove the entry", {
      address: formatPattern(node),
    });
  }
}
