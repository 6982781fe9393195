import type { HostPort } from "../platform/address.ts";

/** A wish of the operator: this node is to have this public port. */
export interface StaticMapping {
  /** A node id in lower case, or an address by which the cluster knows the node. */
  readonly node: string | HostPort;
  readonly port: number;
}

/** The public port of a node as it was at some earlier time. */
export interface SavedPort {
  /** The node id. */
  readonly id: string;
  /** Where the node was then. */
  readonly address: HostPort;
  readonly port: number;
}

/** What of the public ports lasts over a restart. No node and no port occurs twice. */
export interface SavedPorts {
  readonly nodes: readonly SavedPort[];
  /** Ports of nodes that are no more, the one given back longest ago first. */
  readonly retired: readonly number[];
}

/** What a pool starts from. */
export interface PortAllocatorOptions {
  /** The first port of the range, or 0 for whichever ports are free. */
  readonly first: number;
  /** How many ports the range has. */
  readonly count: number;
  readonly pins: readonly StaticMapping[];
  readonly saved: SavedPorts | undefined;
}

/**
 * The public ports: which node has which, and which comes next. A port that a node gives back is
 * the last to be given out again, so that clients who still know it do not meet a stranger there.
 */
export class PortAllocator {
  readonly #options: PortAllocatorOptions;
  readonly #holders = new Map<string, { address: HostPort; port: number }>();
  readonly #retired: number[] = [];

  constructor(options: PortAllocatorOptions) {
    this.#options = options;
    const { saved } = options;
    for (const { id, address, port } of saved?.nodes ?? []) {
      // A pin is the newer wish.
      const pinned = options.pins.find((pin) => pin.port === port || pin.node === id);
      if (pinned === undefined || (pinned.node === id && pinned.port === port)) {
        this.#holders.set(id, { address, port });
      }
    }
    const held = new Set(this.#heldPorts());
    this.#retired.push(...saved?.retired.filter((port) => !held.has(port)) ?? []);
  }

  /** What is given out, and what was given back; the inverse of the option `saved`. */
  get saved(): SavedPorts {
    const nodes = [...this.#holders].map(([id, holder]) => ({ id, ...holder }));
    return { nodes: nodes.sort((a, b) => a.port - b.port), retired: [...this.#retired] };
  }

  /** How many ports the range has. */
  get count(): number {
    return this.#options.count;
  }

  /** Whether there is no range, and whichever port is free will do. */
  get takesAny(): boolean {
    return this.#options.first === 0;
  }

  /** The node ids that have a port, whether they are in the cluster or not. */
  get holders(): Iterable<string> {
    return this.#holders.keys();
  }

  /** How many nodes have a port that was not pinned. */
  get used(): number {
    const pinned = new Set(this.#pinnedPorts());
    return this.#heldPorts().filter((port) => !pinned.has(port)).length;
  }

  /** Where a node was when it was given its port, or last seen since. */
  addressOf(id: string): HostPort | undefined {
    return this.#holders.get(id)?.address;
  }

  /** The port that is pinned to a node by its id. */
  staticPort(id: string): number | undefined {
    return this.#options.pins.find(({ node }) => node === id)?.port;
  }

  /**
   * The ports to try for a node without a pin, one after the other: that which it has, those
   * that nobody had, those given back. A port of 0 stands for whichever is free.
   */
  *candidates(id: string): Generator<number> {
    const { first, count } = this.#options;
    const own = this.#holders.get(id)?.port;
    if (own !== undefined) yield own;
    if (first === 0) {
      if (own !== undefined || this.used < count) yield 0;
      return;
    }
    const taken = new Set([...this.#retired, ...this.#heldPorts(), ...this.#pinnedPorts()]);
    for (let port = first; port < first + count; port++) if (!taken.has(port)) yield port;
    const pinned = new Set(this.#pinnedPorts());
    for (const port of [...this.#retired]) {
      if (port >= first && port < first + count && !pinned.has(port)) yield port;
    }
  }

  /** Notes that a node has a port, and where it is. */
  assign(id: string, port: number, address: HostPort): void {
    this.#holders.set(id, { address: { host: address.host, port: address.port }, port });
    const at = this.#retired.indexOf(port);
    if (at >= 0) this.#retired.splice(at, 1);
  }

  /** Lets the node `to` have what `from` had. */
  transfer(from: string, to: string): void {
    const holder = this.#holders.get(from);
    if (holder === undefined) return;
    this.#holders.delete(from);
    this.#holders.set(to, holder);
  }

  /** Takes a node's port back. */
  release(id: string): void {
    const holder = this.#holders.get(id);
    if (holder === undefined) return;
    this.#holders.delete(id);
    // Of free ports the system keeps the account.
    if (this.#options.first !== 0) this.#retired.push(holder.port);
  }

  /** Notes that a node has no port any more, without giving that to others. */
  drop(id: string): void {
    this.#holders.delete(id);
  }

  #heldPorts(): number[] {
    return [...this.#holders.values()].map(({ port }) => port);
  }

  #pinnedPorts(): number[] {
    return this.#options.pins.map(({ port }) => port);
  }
}
