import { createViews, type PublicViews, type PublicViewsOptions } from "../../nat/public_view.ts";
import { formatHostPort } from "../../platform/address.ts";
import type { ProgramVersion } from "../../platform/program_version.ts";
import type { NodeStatus, ProxyStatus } from "../../proxy/status.ts";
import type { UsedCertificate } from "../../tls/files_watcher.ts";
import type { PageNode, PageSetting, PageStatus } from "./page_status.ts";
import type { TrafficHistory } from "./traffic_history.ts";

/** The options of the proxy that the page needs to say what they mean. */
export interface PageOptions extends PublicViewsOptions {
  /** Infinity is no limit. */
  readonly maxConnections: number;
  readonly captureLimitBytes: number;
  /** Infinity is not at all. */
  readonly refreshIntervalMs: number;
}

/** What the page shows of the program around the proxy. */
export interface PageProgram {
  readonly about: ProgramVersion;
  /** In milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly options: PageOptions;
  readonly settings: readonly PageSetting[];
  /** Those in use now. */
  readonly certificates: readonly UsedCertificate[];
}

/** More would hide what is below. */
const MAX_WARNINGS = 20;

/** Describes a program, whose proxy is not created yet if there is no `status`. */
export function describe(
  { about: { version, commit }, startedAtMs, options, settings, certificates }: PageProgram,
  status: ProxyStatus | undefined,
  history: TrafficHistory,
): PageStatus {
  const views = status?.views ?? createViews(options);
  const nodes = status?.nodes ?? [];
  const nowMs = Date.now();
  return {
    version: commit === undefined ? version : `${version} (${commit})`,
    phase: status?.phase ?? "starting",
    obstacle: status?.obstacle,
    nowMs,
    startedAtMs,
    name: views[0].publicHost ?? "redis-cluster-nat",
    nodes: nodes.map((node) => describeNode(node, { nodes, views, history })),
    uncovered: status?.slotsUncovered,
    discovery: {
      answeredAtMs: status?.discovery.lastSuccessAtMs,
      intervalMs: options.refreshIntervalMs,
      failure: status?.discovery.problem,
    },
    clients: { used: status?.clients ?? 0, limit: options.maxConnections },
    captured: { used: status?.capturedBytes ?? 0, limit: options.captureLimitBytes },
    acceptFails: status?.acceptFails ?? false,
    withoutPort: status?.noPortReason,
    unknownPorts: nodes.map(({ listenPort }) => listenPort)
      .filter((port) => views[0].publicPort(port) === undefined),
    sharingFailure: status?.sharedPorts?.problem,
    warnings: (status?.problems ?? []).filter(({ level }) => level !== "info")
      .slice(0, MAX_WARNINGS)
      .map(({ text, count, lastAtMs }) => ({ message: text, count, lastAtMs })),
    certificates,
    settings,
  };
}

/** What a node is shown with. */
interface Surroundings {
  readonly nodes: readonly NodeStatus[];
  readonly views: PublicViews;
  readonly history: TrafficHistory;
}

function describeNode(node: NodeStatus, { nodes, views, history }: Surroundings): PageNode {
  const { id, role, primaryId, slots, address, listenPort: port, state, sinceMs, ports } = node;
  const primary = nodes.find((other) => other.id !== "" && other.id === primaryId);
  const lastConnects = ports.flatMap(({ lastConnect }) => lastConnect ?? [])
    .sort((a, b) => b.atMs - a.atMs);
  return {
    id,
    port,
    name: nameOf(node, views),
    addresses: views.map((view, index) => ({
      view: index > 0 ? view.name : undefined,
      address: publicAddress(view.publicHost, view.publicPort(port)),
    })),
    privateAddress: formatHostPort(address),
    hostname: address.hostname === address.host ? undefined : address.hostname,
    role,
    primary: primary && { port: primary.listenPort, name: nameOf(primary, views) },
    slots,
    state: { status: state, sinceMs },
    clients: ports.reduce((sum, { clients }) => sum + clients, 0),
    traffic: history.of(port),
    connectMs: lastConnects[0] && 1000 * lastConnects[0].seconds,
  };
}

/** The public port of a node in the first view; that of its listener while it is not known. */
function nameOf({ listenPort }: NodeStatus, [view]: PublicViews): string {
  return `${view.publicPort(listenPort) ?? listenPort}`;
}

/** The address of a listener; only its port, if clients get the host that they connected to. */
function publicAddress(host: string | undefined, port: number | undefined): string {
  if (port === undefined) return "not known yet";
  return host === undefined ? `:${port}` : formatHostPort({ host, port });
}
