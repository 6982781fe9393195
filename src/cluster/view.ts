import type { HostPort } from "../platform/address.ts";
import { fieldOf, itemsOf, textOf, type Value } from "../resp/frame.ts";
import { type ClusterNode, SLOT_COUNT } from "./node.ts";

/** The cluster as one of its nodes sees it. */
export interface ClusterView {
  /** Every node that the answering one knows, those without an address included. */
  readonly nodes: readonly ClusterNode[];
  /** The node that answered. */
  readonly answeredBy: ClusterNode;
  /** The IP address at which it answered, whatever name was dialled. */
  readonly answeredAt: HostPort;
  /** TLS ports by node id, of the nodes that have one. */
  readonly tlsPorts: ReadonlyMap<string, number>;
  /** `cluster_state`: ok or fail. */
  readonly state: string;
  /** When it was asked, in milliseconds of the machine's monotonic clock. */
  readonly takenAtMs: number;
}

/**
 * The node that answered at one of its addresses: that which says so of itself, unless it says that
 * it is somewhere else and places one other node here. So does a front that gives the same text for
 * each node behind it (ElastiCache Serverless).
 */
export function nodeAsked(
  nodes: readonly ClusterNode[],
  addresses: readonly HostPort[],
): ClusterNode | undefined {
  const myself = nodes.find((node) => node.flags.has("myself"));
  if (myself === undefined) return undefined;
  const isHere = ({ host, hostname, port }: ClusterNode) =>
    addresses.some((at) => at.port === port && (at.host === host || at.host === hostname));
  if (myself.host === "" || isHere(myself)) return myself;
  // A node that came back at another address may list those that were there before, as failed.
  const [here, ...more] = nodes.filter((node) => isHealthy(node) && isHere(node));
  return here === undefined || more.length > 0 ? myself : here;
}

/**
 * Where the nodes of a view can be asked, those last that it calls failed. Before them comes the
 * one that answered, so that another is the next: no node's view is that of all.
 */
export function knownAddresses(view: ClusterView): HostPort[] {
  const others = view.nodes.filter((node) => node.id !== view.answeredBy.id && isHealthy(node));
  return [...addressesOf(others, view), view.answeredAt, ...failedAddresses(view)];
}

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

/** Whether a line tells of a node that is there, at the address that it gives. */
export function isHealthy({ flags }: ClusterNode): boolean {
  return !["fail", "fail?", "handshake", "noaddr"].some((flag) => flags.has(flag));
}

/** Where to reach a node, or null while it has no address. */
export function dialAddress(node: ClusterNode, view: ClusterView): HostPort | null {
  if (node.id === view.answeredBy.id) {
    // A node that has met no other does not know its own address, but here it answered.
    if (node.host === "" || node.port === 0) return view.answeredAt;
  }
  return announcedAddress(node);
}

/** The address that clients are given for a node, or null while it has none. */
export function announcedAddress(node: ClusterNode): HostPort | null {
  const host = node.host || node.hostname;
  return host === "" || node.port === 0 ? null : { host, port: node.port };
}

/** Whether a view is of a cluster at work: state ok, every slot covered. */
export function isReady(view: ClusterView): boolean {
  return view.state === "ok" && coveredSlots(view) === SLOT_COUNT;
}

/** Whether a view tells of more that is at work than another does. */
export function isBetter(view: ClusterView, than: ClusterView): boolean {
  const [one, other] = [view, than].map(({ state }) => Number(state === "ok"));
  return one === other ? coveredSlots(view) > coveredSlots(than) : one! > other!;
}

/** How many of the slots have an owner in a view. */
export function coveredSlots(view: ClusterView): number {
  let covered = 0;
  for (const { slots } of view.nodes) {
    for (const { first, last } of slots) covered += last - first + 1;
  }
  return Math.min(covered, SLOT_COUNT);
}

/** The owner of a slot in a view. */
export function ownerOf(view: ClusterView, slot: number): ClusterNode | undefined {
  return view.nodes.find(({ slots }) =>
    slots.some(({ first, last }) => first <= slot && slot <= last)
  );
}

/** CLUSTER NODES shows one port of each node, CLUSTER SHARDS both, but only since 7.0. */
export function tlsPortsOf(shards: Value): Map<string, number> {
  const ports = new Map<string, number>();
  for (const shard of itemsOf(shards) ?? []) {
    for (const node of itemsOf(fieldOf(shard, "nodes")) ?? []) {
      const id = textOf(fieldOf(node, "id"));
      const port = Number(textOf(fieldOf(node, "tls-port")));
      if (id !== undefined && port > 0) ports.set(id, port);
    }
  }
  return ports;
}
