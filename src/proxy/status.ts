import type { DiscoveryHistory } from "../cluster/discovery.ts";
import type { SlotRange } from "../cluster/node.ts";
import type { NodeAddress } from "../cluster/node_address.ts";
import { coveredSlots, uncoveredRanges } from "../cluster/view.ts";
import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { PublicViews } from "../nat/public_view.ts";
import type { SharedPortsStatus } from "../nat/shared_ports_keeper.ts";
import { byPort } from "../nat/table_rows.ts";
import type { Problem } from "../platform/log_throttle.ts";
import type { SharedCounters } from "./counters.ts";
import type { ThreadReport } from "./frontends.ts";
import type { NodeState } from "./node_watch.ts";
import { type PortStatistics, Statistics } from "./statistics.ts";

/** What a proxy does now, for whoever wants to show it. Nobody changes it any more. */
export interface ProxyStatus {
  readonly phase: "starting" | "serving" | "draining";
  readonly views: PublicViews;
  /** Why the start is not done; undefined if it is. */
  readonly obstacle: string | undefined;
  /** In the order of ports. */
  readonly nodes: readonly NodeStatus[];
  /** How many slots have an owner, in the last view of the cluster; undefined before the first. */
  readonly slotsCovered: number | undefined;
  /** The slots without an owner; undefined before the first view. */
  readonly slotsUncovered: readonly SlotRange[] | undefined;
  /** Why a node that could have a public port has none; undefined if each has one. */
  readonly noPortReason: string | undefined;
  readonly discovery: DiscoveryHistory;
  /** How the sharing of ports with other proxies is going; undefined without `--shared-ports`. */
  readonly sharedPorts: SharedPortsStatus | undefined;
  /** The sum over all threads. */
  readonly statistics: Statistics;
  /** In the order of their numbers; a thread that has never answered is missing. */
  readonly threads: readonly Pick<ThreadReport, "thread" | "lagMs">[];
  /** Clients that are connected now. */
  readonly clients: number;
  /** The memory that captured replies take, in bytes. */
  readonly capturedBytes: number;
  /** How often clients could not be accepted, and whether that is so now. */
  readonly acceptFailures: number;
  readonly acceptFails: boolean;
  /** What the log throttles of all threads have suppressed, the latest first. */
  readonly problems: readonly Problem[];
}

/** One row of the NAT table, and what is known of its node. */
export interface NodeStatus {
  /** "" if it is not known yet. */
  readonly id: string;
  readonly role: NatEntry["role"];
  /** The node id of the primary that it replicates. */
  readonly primaryId: string | undefined;
  readonly slots: readonly SlotRange[];
  /** The private address. */
  readonly address: NodeAddress;
  /** See `NatEntry.listenPort`; 0 while it has none. */
  readonly listenPort: number;
  readonly state: NodeState["status"];
  /** Since when, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The statistics of its ports, one for each view. */
  readonly ports: readonly PortStatistics[];
}

/** What a status is made of. */
export interface StatusSources {
  readonly phase: ProxyStatus["phase"];
  readonly views: PublicViews;
  readonly obstacle: string | undefined;
  readonly natTable: Pick<NatTable, "nodes" | "view" | "noPortError">;
  readonly discovery: DiscoveryHistory;
  readonly sharedPorts: SharedPortsStatus | undefined;
  readonly counters: SharedCounters;
  readonly reports: readonly ThreadReport[];
  /** The state of a node; undefined if its port was never open. */
  stateOf(node: NatEntry): NodeState | undefined;
}

/** Makes a status of what the parts of a proxy know. */
export function statusOf(sources: StatusSources): ProxyStatus {
  const { phase, views, obstacle, natTable, discovery, sharedPorts } = sources;
  const { counters, reports, stateOf } = sources;
  const { nodes, view, noPortError } = natTable;
  const statistics = new Statistics();
  for (const report of reports) statistics.add(report.statistics);
  const lines = new Map(view?.nodes.map((line) => [line.id, line]));
  const nowMs = performance.now();
  const nodeStatus = (node: NatEntry): NodeStatus => {
    const { id, role, address, listenPort } = node;
    const { status, sinceMs } = stateOf(node) ?? { status: "up", sinceMs: nowMs };
    const line = lines.get(id);
    return {
      id,
      role,
      primaryId: line?.primaryId,
      slots: line?.slots ?? [],
      address: { ...address },
      listenPort,
      state: status,
      sinceMs: Date.now() - (nowMs - sinceMs),
      ports: listenPort === 0
        ? []
        : views.map((view) =>
          statistics.at({ view: view.name, port: view.listenPort(listenPort) })
        ),
    };
  };
  return {
    phase,
    views,
    obstacle: phase === "starting" ? obstacle : undefined,
    nodes: byPort(nodes).map(nodeStatus),
    slotsCovered: view && coveredSlots(view),
    slotsUncovered: view && uncoveredRanges(view),
    noPortReason: noPortError?.message,
    discovery,
    sharedPorts,
    statistics,
    threads: reports.map(({ thread, lagMs }) => ({ thread, lagMs })),
    clients: counters.sessions.value,
    capturedBytes: counters.captured.value,
    acceptFailures: counters.acceptFailures.value,
    acceptFails: counters.acceptFailing.value === 1,
    problems: reports.flatMap(({ problems }) => problems)
      .sort((a, b) => b.lastAtMs - a.lastAtMs),
  };
}
