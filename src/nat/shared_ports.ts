import type { HostPort } from "../platform/address.ts";
import { isSameAddress } from "../cluster/node_ref.ts";

/** What the shared ports say about one port. */
export type PortState =
  /** The port is that of a node; `address` is where the node was when it got the port. */
  | { readonly kind: "claimed"; readonly id: string; readonly address: HostPort }
  /** The node of the port is gone. The lowest order was retired first. */
  | { readonly kind: "retired"; readonly order: number }
  /** The state cannot be read. A proxy that uses the port writes it again; nobody else takes it. */
  | { readonly kind: "damaged" };

/** The ports that several proxies have agreed on, by port. A port has one state at a time. */
export type SharedPorts = ReadonlyMap<number, PortState>;

/** A node for which a proxy needs a port. */
export interface WishedNode {
  /** The node id. */
  readonly id: string;
  readonly address: HostPort;
  /** The port on which this proxy serves the node. */
  readonly inUse?: number | undefined;
  /** The only port that the node may get (`--port-map`). */
  readonly pinned?: number | undefined;
  /** The port that the node had before a restart, or before the store lost it. */
  readonly preferred?: number | undefined;
  /** Whether the address is verified, is new, and may replace that of the claim. */
  readonly isVerified?: boolean;
}

/** What one proxy knows about the cluster, and wants to be in the shared ports. */
export interface Wishes {
  /** The nodes, in the order in which those without a port get one. */
  readonly nodes: readonly WishedNode[];
  /** The ids of all nodes that the cluster lists. */
  readonly listed: ReadonlySet<string>;
  /** The ids of nodes that are gone, whose ports are to be retired. */
  readonly released: ReadonlySet<string>;
  /** The ports that only pinned nodes may get. */
  readonly reserved: ReadonlySet<number>;
  /** The range of the other ports. */
  readonly range: { readonly first: number; readonly count: number };
}

/** The port of each node id. If somebody wrote a node twice, its lowest port counts. */
export function claimsById(shared: SharedPorts): Map<string, number> {
  const claims = new Map<string, number>();
  for (const [port, state] of shared) {
    if (state.kind !== "claimed") continue;
    claims.set(state.id, Math.min(port, claims.get(state.id) ?? port));
  }
  return claims;
}

/**
 * The states that a proxy writes so that the shared ports fulfil its wishes; none if they do. They
 * must be written in one step, and only if `shared` is still what the store holds.
 *
 * - A node that has a port keeps it, whatever the wishes are. So two proxies never undo each
 *   other's writes: who writes first decides.
 * - A port in use that the store has lost is claimed again, before any node gets a new port.
 * - A port is given to another node only if it is free, or was retired, or if that node is the
 *   successor of the one that had it.
 */
export function claimsToWrite(shared: SharedPorts, wishes: Wishes): Map<number, PortState> {
  const claiming = new Claiming(shared, wishes);
  claiming.retireReleased();
  claiming.updateAddresses();
  claiming.claim(({ inUse }) => claiming.isFree(inUse, "damaged") ? inUse : undefined);
  claiming.claim(({ pinned }) => claiming.isFree(pinned) ? pinned : undefined);
  claiming.claim((node) => node.pinned ?? node.inUse ? undefined : claiming.portToInherit(node));
  claiming.claim(({ pinned, preferred }) =>
    pinned === undefined && claiming.isAvailable(preferred) ? preferred : undefined
  );
  claiming.claim(({ pinned }) => pinned === undefined ? claiming.nextPort() : undefined);
  return claiming.writes;
}

/** The shared ports as they become while wishes are fulfilled. */
class Claiming {
  readonly writes = new Map<number, PortState>();
  readonly #ports: Map<number, PortState>;
  readonly #claims: Map<string, number>;
  readonly #wishes: Wishes;
  readonly #nodes: readonly WishedNode[];
  /** The ids that nodes had before they were reset. */
  readonly #former = new Set<string>();

  constructor(shared: SharedPorts, wishes: Wishes) {
    this.#ports = new Map(shared);
    const claims = claimsById(shared);
    this.#claims = claims;
    this.#wishes = wishes;
    // Another proxy has noticed first that a node was reset; it has a port under its new id.
    this.#nodes = wishes.nodes.filter(({ id, address, inUse }) =>
      inUse === undefined ||
      verdictOn(shared, { id, address, port: inUse }, claims).kind !== "renamed"
    );
  }

  retireReleased(): void {
    for (const id of this.#wishes.released) {
      const port = this.#claims.get(id);
      if (port !== undefined) this.#put(port, { kind: "retired", order: this.#nextOrder() });
    }
  }

  updateAddresses(): void {
    for (const { id, address, isVerified } of this.#nodes) {
      const port = isVerified ? this.#claims.get(id) : undefined;
      const state = port === undefined ? undefined : this.#ports.get(port);
      if (state?.kind !== "claimed" || isSameAddress(state.address, address)) continue;
      this.#put(port!, claimed(id, address));
    }
  }

  /** Claims the port that `choose` returns, for each node that has none. */
  claim(choose: (node: WishedNode) => number | undefined): void {
    for (const node of this.#nodes) {
      if (this.#claims.has(node.id) || this.#former.has(node.id)) continue;
      const port = choose(node);
      if (port !== undefined) this.#put(port, claimed(node.id, node.address));
    }
  }

  /** Whether no node has a port. */
  isFree(port: number | undefined, also?: "damaged"): port is number {
    if (port === undefined) return false;
    const kind = this.#ports.get(port)?.kind ?? "retired";
    return kind === "retired" || kind === also;
  }

  /** Whether no node has a port, and any node may get it. */
  isAvailable(port: number | undefined): port is number {
    const { reserved, range: { first, count } } = this.#wishes;
    return this.isFree(port) && port >= first && port < first + count && !reserved.has(port);
  }

  /**
   * The port of the predecessor: a node that is gone, at the same address. It is the same server
   * with a new id (CLUSTER RESET HARD).
   */
  portToInherit({ address }: WishedNode): number | undefined {
    const { listed, reserved } = this.#wishes;
    for (const [port, state] of this.#ports) {
      if (state.kind !== "claimed" || listed.has(state.id) || reserved.has(port)) continue;
      if (isSameAddress(state.address, address)) return port;
    }
    return undefined;
  }

  /** The lowest port that no node has had, or else the port that was retired first. */
  nextPort(): number | undefined {
    const { reserved, range: { first, count } } = this.#wishes;
    let oldest: { port: number; order: number } | undefined;
    for (let port = first; port < first + count; port++) {
      if (reserved.has(port)) continue;
      const state = this.#ports.get(port);
      if (state === undefined) return port;
      if (state.kind !== "retired" || state.order >= (oldest?.order ?? Infinity)) continue;
      oldest = { port, order: state.order };
    }
    return oldest?.port;
  }

  #nextOrder(): number {
    let last = 0;
    for (const state of this.#ports.values()) {
      if (state.kind === "retired") last = Math.max(last, state.order);
    }
    return last + 1;
  }

  #put(port: number, state: PortState): void {
    const former = this.#ports.get(port);
    if (former?.kind === "claimed") this.#claims.delete(former.id);
    if (state.kind === "claimed") {
      this.#claims.set(state.id, port);
      if (former?.kind === "claimed" && former.id !== state.id) this.#former.add(former.id);
    }
    this.#ports.set(port, state);
    this.writes.set(port, state);
  }
}

function claimed(id: string, { host, port }: HostPort): PortState {
  return { kind: "claimed", id, address: { host, port } };
}

/** What the shared ports mean for a node that a proxy serves. */
export type Verdict =
  /** The node has this port, or none while nobody else has this port. */
  | { readonly kind: "keep" }
  /** The node has another port, or another node has this port. */
  | { readonly kind: "close" }
  /** The node was reset and has this id now. */
  | { readonly kind: "renamed"; readonly id: string };

/** Decides what a proxy does with a node that it serves on a port, once it has read the store. */
export function verdictOn(
  shared: SharedPorts,
  { id, address, port }: { readonly id: string; readonly address: HostPort; readonly port: number },
  claims: ReadonlyMap<string, number> = claimsById(shared),
): Verdict {
  const claim = claims.get(id);
  if (claim === port) return { kind: "keep" };
  const state = shared.get(port);
  if (claim === undefined && state?.kind !== "claimed") return { kind: "keep" };
  const isSuccessor = claim === undefined && state?.kind === "claimed" &&
    isSameAddress(state.address, address);
  return isSuccessor ? { kind: "renamed", id: state.id } : { kind: "close" };
}

/** A static mapping that the shared ports contradict. */
export interface Contradiction {
  readonly id: string;
  readonly pinned: number;
  /** The port that the node has; undefined if another node has the pinned port. */
  readonly claimed: number | undefined;
}

/** The static mappings that the shared ports contradict, once a proxy has written its wishes. */
export function contradictions(shared: SharedPorts, { nodes }: Wishes): Contradiction[] {
  const claims = claimsById(shared);
  return nodes.flatMap(({ id, pinned }) => {
    const claimed = claims.get(id);
    if (pinned === undefined || claimed === pinned) return [];
    const isTaken = claimed !== undefined || shared.get(pinned)?.kind === "claimed";
    return isTaken ? [{ id, pinned, claimed }] : [];
  });
}
