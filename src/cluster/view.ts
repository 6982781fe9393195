import type { HostPort } from "../platform/address.ts";
import { type ClusterNode, SLOT_COUNT, type SlotRange } from "./node.ts";
import { named, type NodeAddress } from "./node_address.ts";
import type { NodePorts } from "./node_ports.ts";
import { aliasOf } from "./node_ref.ts";

/** The cluster as one of its nodes reports it. */
export interface ClusterView {
  /** Every node that the answering node knows, including nodes without an address. */
  readonly nodes: readonly ClusterNode[];
  /** The node that answered. */
  readonly answeredBy: ClusterNode;
  /** The IP address at which it answered, even if a name was dialled. */
  readonly answeredAt: NodeAddress;
  /** The ports for plain text and for TLS of each node, by node id; empty before 7.0. */
  readonly ports: ReadonlyMap<string, NodePorts>;
  /** The names of seeds by the address to which they have resolved, as `aliasOf`. */
  readonly seedNames?: ReadonlyMap<string, string>;
  /** Whether the proxy speaks TLS to the nodes. */
  readonly isTls: boolean;
  /** `cluster_state`: ok or fail. */
  readonly state: string;
  /** When the query was sent, in milliseconds of the monotonic clock. */
  readonly takenAtMs: number;
}

/**
 * The node that sent CLUSTER NODES: the one flagged `myself`, unless that has another address than
 * the one that was queried, and exactly one other node has it. That is so behind a load balancer
 * that returns the same text for every node (ElastiCache Serverless).
 *
 * @param addresses where the node was queried: the address that was dialled, and its IP address
 */
export function answeringNode(
  nodes: readonly ClusterNode[],
  addresses: readonly HostPort[],
): ClusterNode | undefined {
  const myself = nodes.find((node) => node.flags.has("myself"));
  if (myself === undefined) return undefined;
  const isHere = ({ host, hostname, port }: ClusterNode) =>
    addresses.some((at) => at.port === port && (at.host === host || at.host === hostname));
  if (myself.host === "" || isHere(myself)) return myself;
  // A node that came back at another address may list former nodes of that address as failed.
  const [here, ...more] = nodes.filter((node) => isHealthy(node) && isHere(node));
  return here === undefined || more.length > 0 ? myself : here;
}

/**
 * The addresses to query after a view, failed nodes last. The node that answered comes after the
 * other healthy nodes, so that the next query goes to another node: views differ between nodes.
 */
export function knownAddresses(view: ClusterView): HostPort[] {
  const others = view.nodes.filter((node) => node.id !== view.answeredBy.id && isHealthy(node));
  return [...addressesOf(others, view), view.answeredAt, ...failedAddresses(view)];
}

/** The addresses of the nodes that a view reports as failed. */
export function failedAddresses(view: ClusterView): HostPort[] {
  return addressesOf(
    view.nodes.filter((node) =>
      node.id !== view.answeredBy.id && !isHealthy(node) && !node.flags.has("handshake")
    ),
    view,
  );
}

function addressesOf(nodes: readonly ClusterNode[], view: ClusterView): HostPort[] {
  return nodes.map((node) => dialAddress(node, view)).filter((at) => at !== null);
}

/** Whether a line reports that its node is up and has the address in the line. */
export function isHealthy({ flags }: ClusterNode): boolean {
  return !["fail", "fail?", "handshake", "noaddr"].some((flag) => flags.has(flag));
}

/** The address to dial for a node, or null if it has none. */
export function dialAddress(node: ClusterNode, view: ClusterView): NodeAddress | null {
  if (node.id === view.answeredBy.id) {
    // A node that has met no other does not know its own address, but here it answered.
    if (node.host === "" || node.port === 0) return view.answeredAt;
  }
  const address = announcedAddress(node);
  if (address === null || address.hostname !== undefined) return address;
  return named(address, view.seedNames?.get(aliasOf(address)) ?? "");
}

/** The address that clients get for a node, or null if it has none. */
export function announcedAddress(node: ClusterNode): NodeAddress | null {
  const host = node.host || node.hostname;
  return host === "" || node.port === 0 ? null : named({ host, port: node.port }, node.hostname);
}

/**
 * Every address that a view announces for a node: by IP and by name, for plain text and for TLS.
 * Replies may have the port of either kind: ROLE that for replication, and a redirect of a blocked
 * client that of the cluster (timeout.c `clientsCronHandleTimeout`).
 */
export function announcedAddresses(node: ClusterNode, view: ClusterView): HostPort[] {
  const { plain, tls } = view.ports.get(node.id) ?? {};
  const ports = [...new Set([node.port, plain, tls])].filter((port) => port);
  return [node.host, node.hostname].filter((host) => host !== "")
    .flatMap((host) => ports.map((port) => ({ host, port: port! })));
}

/** The nodes of a view that have an address, in the order of their addresses. */
export function locatedNodes(view: ClusterView): { node: ClusterNode; address: NodeAddress }[] {
  const located: { node: ClusterNode; address: NodeAddress }[] = [];
  for (const node of view.nodes) {
    // The id of a node in handshake is random; its real id follows.
    if (node.flags.has("handshake") || node.flags.has("noaddr")) continue;
    const address = dialAddress(node, view);
    if (address !== null) located.push({ node, address });
  }
  return located.sort((a, b) => compareAddresses(a.address, b.address));
}

/** Compares numbers inside hosts as numbers, so that 10.0.0.9 comes before 10.0.0.10. */
function compareAddresses(a: HostPort, b: HostPort): number {
  return HOST_ORDER.compare(a.host, b.host) || a.port - b.port;
}

const HOST_ORDER = new Intl.Collator("en", { numeric: true });

/** Whether the cluster works: state ok, every slot covered. */
export function isReady(view: ClusterView): boolean {
  return view.state === "ok" && coveredSlots(view) === SLOT_COUNT;
}

/** Whether a view shows a cluster in a better state than another view does. */
export function isBetter(view: ClusterView, than: ClusterView): boolean {
  const [one, other] = [view, than].map(({ state }) => Number(state === "ok"));
  return one === other ? coveredSlots(view) > coveredSlots(than) : one! > other!;
}

/** The number of slots that have an owner. */
export function coveredSlots(view: ClusterView): number {
  let covered = 0;
  for (const { slots } of view.nodes) {
    for (const { first, last } of slots) covered += last - first + 1;
  }
  return Math.min(covered, SLOT_COUNT);
}

/** The slots that no node owns. */
export function uncoveredRanges(view: ClusterView): SlotRange[] {
  const ranges: SlotRange[] = [];
  let next = 0;
  const owned = view.nodes.flatMap(({ slots }) => slots).sort((a, b) => a.first - b.first);
  for (const { first, last } of [...owned, { first: SLOT_COUNT, last: SLOT_COUNT }]) {
    if (first > next) ranges.push({ first: next, last: first - 1 });
    next = Math.max(next, last + 1);
  }
  return ranges;
}

/** The owner of a slot. */
export function ownerOf(view: ClusterView, slot: number): ClusterNode | undefined {
  return view.nodes.find(({ slots }) =>
    slots.some(({ first, last }) => first <= slot && slot <= last)
  );
}

/**
 * Whether the nodes announce ports for plain text to a proxy that speaks TLS to them. Redis 6.2 and
 * 7.0 do so without `tls-cluster yes`, and report their TLS ports nowhere.
 */
export function announcesPlainPorts(
  { answeredBy, answeredAt, ports, isTls }: ClusterView,
): boolean {
  return isTls && ports.get(answeredBy.id)?.tls === undefined &&
    answeredBy.host === answeredAt.host && answeredBy.port !== answeredAt.port;
}
