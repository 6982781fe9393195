import { formatHostPort } from "../platform/address.ts";
import type { ProgramVersion } from "../platform/program_version.ts";
import type { SharedPortsStatus } from "../nat/shared_ports_keeper.ts";
import type { NodeStatus, ProxyStatus } from "../proxy/status.ts";
import { CONNECT_TIME_BOUNDS, type PortStatistics } from "../proxy/statistics.ts";
import type { UsedCertificate } from "../tls/files_watcher.ts";
import { Exposition, type Labels, type MetricName, type Sample } from "./exposition.ts";
import { addProcessMetrics } from "./process_metrics.ts";

/** What the metrics show of the program around the proxy. */
export interface MeasuredProgram {
  readonly about: ProgramVersion;
  readonly options: {
    readonly captureLimitBytes: number;
    /** Infinity is no limit. */
    readonly maxConnections: number;
  };
  /** Those in use now. */
  readonly certificates: readonly UsedCertificate[];
}

/** The metrics of a program; those of its proxy only if that is created. */
export function metricsOf(program: MeasuredProgram, status: ProxyStatus | undefined): string {
  const exposition = new Exposition();
  addProcessMetrics(exposition);
  addProgramMetrics(exposition, program);
  if (status !== undefined) {
    addClientMetrics(exposition, status);
    addNodeMetrics(exposition, status);
    addClusterMetrics(exposition, status);
    if (status.sharedPorts !== undefined) addSharedPortMetrics(exposition, status.sharedPorts);
    addRelayMetrics(exposition, status);
  }
  return exposition.text;
}

/** A metric of this program. */
function own(name: string, help: string): MetricName {
  return { name: `redis_cluster_nat_${name}`, help };
}

function addProgramMetrics(exposition: Exposition, program: MeasuredProgram): void {
  const { about: { version, commit = "" }, options, certificates } = program;
  exposition.gauge(own("build_info", "The program; the value is always 1."), [
    [1, { version, commit, runtime: `deno ${Deno.version.deno}` }],
  ]);
  exposition.gauge(
    own("capture_limit_bytes", "Memory that captured replies may take (--capture-limit)."),
    [[options.captureLimitBytes]],
  );
  exposition.gauge(
    own("client_connections_limit", "How many clients may be connected (--max-connections)."),
    [[options.maxConnections]],
  );
  // A file may have a chain, of which the first that expires counts.
  const ends = new Map<string, Sample>();
  for (const { file: { source: option }, validUntilMs } of certificates) {
    const known = ends.get(option)?.[0] ?? Infinity;
    ends.set(option, [Math.min(known, validUntilMs / 1000), { option }]);
  }
  exposition.gauge(
    own(
      "tls_certificate_not_after_timestamp_seconds",
      "When the first certificate in the file of an option expires, in seconds since 1970.",
    ),
    [...ends.values()],
  );
}

function addClientMetrics(exposition: Exposition, status: ProxyStatus): void {
  const { statistics, acceptFailures } = status;
  const ofPorts = (pick: (port: PortStatistics) => number) => samplesOfPorts(status, pick);
  exposition.gauge(
    own("client_connections", "Clients that are connected."),
    ofPorts(({ clients }) => clients),
  );
  exposition.counter(
    own("client_connections_accepted_total", "Clients that got a session."),
    ofPorts(({ accepted }) => accepted),
  );
  exposition.counter(
    own("client_connections_refused_total", "Clients that got no session."),
    by("reason", statistics.refused),
  );
  exposition.counter(
    own("client_connections_closed_total", "Sessions that have ended."),
    by("reason", statistics.ended),
  );
  exposition.counter(
    own("accept_failures_total", "How often a client could not be accepted."),
    [[acceptFailures]],
  );
  exposition.counter(
    own("client_requests_total", "Requests of clients."),
    ofPorts(({ requests }) => requests),
  );
  const received = (side: "client" | "node", pick: (port: PortStatistics) => number) =>
    ofPorts(pick).map(([value, labels]): Sample => [value, { side, ...labels }]);
  exposition.counter(
    own("received_bytes_total", "Bytes from clients, and from nodes to clients."),
    [
      ...received("client", ({ receivedFromClients }) => receivedFromClients),
      ...received("node", ({ receivedFromNode }) => receivedFromNode),
    ],
  );
}

function addNodeMetrics(exposition: Exposition, status: ProxyStatus): void {
  const { nodes, statistics } = status;
  exposition.counter(
    own("node_connects_total", "Connections to nodes that were opened for clients."),
    samplesOfPorts(status, ({ connects }) => connects),
  );
  exposition.counter(
    own("node_connect_failures_total", "Connections to nodes that could not be opened."),
    portsOf(status).flatMap(([port, labels]) =>
      by("reason", port.connectFailures).map(([value, reason]): Sample => [value, {
        ...labels,
        ...reason,
      }])
    ),
  );
  const seconds = [...statistics.ports.values()].reduce(
    (sum, port) => sum + port.connectSeconds,
    0,
  );
  exposition.histogram(
    own("node_connect_duration_seconds", "How long it took to open a connection to a node."),
    { bounds: CONNECT_TIME_BOUNDS, counts: statistics.connectTimes, sum: seconds },
  );
  const ofNodes = (pick: (node: NodeStatus) => number) =>
    nodes.flatMap((node) =>
      labelsOfNode(status, node).map((labels): Sample => [pick(node), labels])
    );
  exposition.gauge(
    own("node_up", "Whether a node accepts connections, so that its port is open."),
    ofNodes(({ state }) => Number(state === "up")),
  );
  exposition.gauge(
    own("node_state_change_timestamp_seconds", "Since when a node is up or down."),
    ofNodes(({ sinceMs }) => sinceMs / 1000),
  );
  exposition.gauge(
    own("node_info", "The node behind a port; the value is always 1."),
    nodes.flatMap((node) =>
      labelsOfNode(status, node).map((labels): Sample => {
        const { id, role } = node;
        return [1, { ...labels, id, role, address: formatHostPort(node.address) }];
      })
    ),
  );
  const roles = { primary: 0, replica: 0 };
  for (const { role } of nodes) roles[role]++;
  exposition.gauge(own("nodes", "Nodes that have a port."), by("role", roles));
}

function addClusterMetrics(exposition: Exposition, status: ProxyStatus): void {
  const { slotsCovered, discovery: { successes, failures, lastSuccessAtMs } } = status;
  exposition.gauge(
    own("slots_covered", "Slots that have an owner, of 16384."),
    slotsCovered === undefined ? [] : [[slotsCovered]],
  );
  exposition.counter(
    own("discovery_runs_total", "Queries of the cluster for its nodes."),
    by("result", { success: successes, failure: failures }),
  );
  exposition.gauge(
    own(
      "discovery_last_success_timestamp_seconds",
      "When a node answered such a query last, in seconds since 1970.",
    ),
    lastSuccessAtMs === undefined ? [] : [[lastSuccessAtMs / 1000]],
  );
}

function addSharedPortMetrics(
  exposition: Exposition,
  { problem, waiting, corrections }: SharedPortsStatus,
): void {
  exposition.gauge(
    own("shared_ports_up", "Whether the ports that proxies share can be read and written."),
    [[Number(problem === undefined)]],
  );
  exposition.gauge(
    own("shared_ports_waiting_nodes", "Nodes that wait for a port of those."),
    [[waiting]],
  );
  exposition.counter(
    own("shared_ports_corrections_total", "Ports that were closed, being another node's."),
    [[corrections]],
  );
}

function addRelayMetrics(exposition: Exposition, status: ProxyStatus): void {
  const { statistics: { rewritten, unmapped, handshakes }, capturedBytes, threads } = status;
  exposition.counter(
    own("replies_rewritten_total", "Replies and pushes that were rewritten."),
    by("kind", rewritten),
  );
  exposition.counter(
    own("replies_unmapped_total", "Replies and pushes that name a node without a port."),
    [[unmapped]],
  );
  exposition.gauge(
    own("captured_bytes", "Memory that captured replies take, of capture_limit_bytes."),
    [[capturedBytes]],
  );
  exposition.counter(
    own("tls_handshakes_total", "TLS handshakes with clients, and with nodes for clients."),
    Object.entries(handshakes).flatMap(([side, { succeeded, failed }]) =>
      by("result", { success: succeeded, failure: failed })
        .map(([value, result]): Sample => [value, { side, ...result }])
    ),
  );
  exposition.gauge(own("threads", "Threads that serve clients."), [[threads.length]]);
  exposition.gauge(
    own("event_loop_lag_seconds", "How late the event loop of a thread was just now."),
    threads.map(({ thread, lagMs }): Sample => [lagMs / 1000, { thread }]),
  );
}

/** A sample for each name. */
function by(label: string, numbers: Readonly<Record<string, number>>): [number, Labels][] {
  return Object.entries(numbers).map(([name, value]) => [value, { [label]: name }]);
}

function samplesOfPorts(status: ProxyStatus, pick: (port: PortStatistics) => number): Sample[] {
  return portsOf(status).map(([port, labels]) => [pick(port), labels]);
}

/** The ports that clients know, with labels; a port is left out while its public port is unknown. */
function portsOf({ statistics, views }: ProxyStatus): [PortStatistics, Labels][] {
  return [...statistics.ports.values()].flatMap((port): [PortStatistics, Labels][] => {
    const view = views.find(({ name }) => name === port.view);
    const publicPort = view?.publicPort(view.rowAtListener(port.port));
    return publicPort === undefined ? [] : [[port, { port: publicPort, view: port.view }]];
  });
}

/** The labels of the ports of a node. */
function labelsOfNode({ views }: ProxyStatus, { listenPort: rowPort }: NodeStatus): Labels[] {
  if (rowPort === 0) return [];
  return views.flatMap((view) => {
    const port = view.publicPort(rowPort);
    return port === undefined ? [] : [{ port, view: view.name }];
  });
}
