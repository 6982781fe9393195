import type { HostPort } from "../platform/address.ts";
import { claimsById, type SharedPorts, type Wishes } from "./shared_ports.ts";

/** A fixed listen port for a node, as set by the operator. */
export interface StaticMapping {
  /** A node id in lower case, or an address that the cluster announces for the node. */
  readonly node: string | HostPort;
  readonly port: number;
}

/** The listen port of a node, as written to the state file. */
export interface SavedPort {
  /** The node id. */
  readonly id: string;
  /** The private address of the node at that time. */
  readonly address: HostPort;
  readonly port: number;
  /** The ports of its listeners in other views than the first, by the name of the view. */
  readonly views?: ReadonlyMap<string, number>;
}

/** The assignments that survive a restart. No node and no port occurs twice. */
export interface SavedPorts {
  readonly nodes: readonly SavedPort[];
  /** Ports of nodes that are gone, in the order in which they were released. */
  readonly retired: readonly number[];
}

/** The options of `PortAllocator`. */
export interface PortAllocatorOptions {
  /** The first port of the range, or 0 for any free ports. */
  readonly first: number;
  /** The size of the range. */
  readonly count: number;
  readonly staticMappings: readonly StaticMapping[];
  readonly saved: SavedPorts | undefined;
  /**
   * Whether proxies agree on the ports (`--shared-ports`): a node has the port that was assigned by
   * `replace`, or before a restart, and no other.
   */
  readonly isShared: boolean;
}

/** The port of a node, and where the node is. */
interface Assignment {
  readonly address: HostPort;
  readonly port: number;
  /** Whether the address is only what the shared ports say, which clients may be able to write. */
  readonly isHearsay: boolean;
}

/** A port that is being opened for a node. */
interface Reservation {
  readonly port: number;
  /** The ports that were refused for the node before. */
  readonly refused: readonly number[];
}

/**
 * Assigns listen ports to node ids. A port is reserved, then opened by the proxy, then assigned; if
 * it cannot be opened, `reserve` returns the next one. A released port is reused last, so that a
 * client that still has it does not reach another node.
 */
export class PortAllocator {
  readonly #options: PortAllocatorOptions;
  readonly #assigned = new Map<string, Assignment>();
  readonly #reserved = new Map<string, Reservation>();
  readonly #retired: number[] = [];
  /** The nodes whose ports are to be retired in the shared ports. */
  readonly #released = new Set<string>();

  constructor(options: PortAllocatorOptions) {
    this.#options = options;
    const { saved, staticMappings } = options;
    for (const { id, address, port } of saved?.nodes ?? []) {
      // A static mapping is newer than the state file.
      const mapping = staticMappings.find(({ node, port: fixed }) => fixed === port || node === id);
      if (mapping === undefined || (mapping.node === id && mapping.port === port)) {
        this.#assigned.set(id, { address, port, isHearsay: false });
      }
    }
    const held = this.#heldPorts();
    this.#retired.push(...saved?.retired.filter((port) => !held.includes(port)) ?? []);
  }

  /**
   * The assignments in the order of ports, and the retired ports; the option `saved` at the next
   * start.
   */
  get saved(): SavedPorts {
    const nodes = [...this.#assigned].filter(([, { isHearsay }]) => !isHearsay)
      .map(([id, { address, port }]) => ({ id, address, port }));
    return { nodes: nodes.sort((a, b) => a.port - b.port), retired: [...this.#retired] };
  }

  /** The size of the range. */
  get count(): number {
    return this.#options.count;
  }

  /** Whether proxies agree on the ports. */
  get isShared(): boolean {
    return this.#options.isShared;
  }

  /** The nodes that are gone, and whose ports are to be retired in the shared ports. */
  get released(): ReadonlySet<string> {
    return this.#released;
  }

  /** The range, and the ports outside or inside that only static mappings have. */
  get limits(): Pick<Wishes, "range" | "reserved"> {
    const { first, count, staticMappings } = this.#options;
    return { range: { first, count }, reserved: new Set(staticMappings.map(({ port }) => port)) };
  }

  /** Whether nodes get any free ports, because there is no range. */
  get usesFreePorts(): boolean {
    return this.#options.first === 0;
  }

  /** The port of a node, whether it is in the cluster or not. */
  portOf(id: string): number | undefined {
    return this.#assigned.get(id)?.port;
  }

  /** The port that a node had before a restart. */
  savedPort(id: string): number | undefined {
    return this.#options.saved?.nodes.find((node) => node.id === id)?.port;
  }

  /** The node ids that have a port, whether they are in the cluster or not. */
  get ids(): Iterable<string> {
    return this.#assigned.keys();
  }

  /**
   * The address of a node when its port was assigned, or last updated; undefined if only the shared
   * ports have one, which must not get the proxy's password.
   */
  addressOf(id: string): HostPort | undefined {
    const assigned = this.#assigned.get(id);
    return assigned?.isHearsay ? undefined : assigned?.address;
  }

  /** The port that a static mapping gives to a node id. */
  staticPort(id: string): number | undefined {
    return this.#options.staticMappings.find(({ node }) => node === id)?.port;
  }

  /**
   * Reserves the next port to open for a node; 0 for any free port. A call while the node has a
   * reservation means that this port was refused. Undefined, without a reservation, if none is
   * left.
   */
  reserve(id: string): number | undefined {
    const last = this.#reserved.get(id);
    const refused = last === undefined ? [] : [...last.refused, last.port];
    this.#reserved.delete(id);
    for (const port of this.#candidates(id)) {
      if (refused.includes(port)) continue;
      this.#reserved.set(id, { port, refused });
      return port;
    }
    return undefined;
  }

  /** Gives up the reservation of a node; a port that it had before stays assigned. */
  cancel(id: string): void {
    this.#reserved.delete(id);
  }

  /** Assigns a port that is open to a node, or updates the node's address. */
  assign(id: string, port: number, { host, port: nodePort }: HostPort): void {
    this.#reserved.delete(id);
    this.#released.delete(id);
    this.#assigned.set(id, { address: { host, port: nodePort }, port, isHearsay: false });
    const at = this.#retired.indexOf(port);
    if (at >= 0) this.#retired.splice(at, 1);
  }

  /** Replaces all assignments by the shared ports; those that they have lost stay. */
  replace(shared: SharedPorts): void {
    const claims = claimsById(shared);
    for (const id of this.#released) if (!claims.has(id)) this.#released.delete(id);
    const former = new Map(this.#assigned);
    this.#assigned.clear();
    for (const [id, port] of claims) {
      const state = shared.get(port);
      if (state?.kind !== "claimed" || this.#released.has(id)) continue;
      const { address, isHearsay } = former.get(id) ?? { address: state.address, isHearsay: true };
      this.#assigned.set(id, { address, port, isHearsay });
    }
    for (const [id, assignment] of former) {
      if (!claims.has(id) && !shared.has(assignment.port)) this.#assigned.set(id, assignment);
    }
    const retired = [...shared].flatMap(([port, state]) =>
      state.kind === "retired" ? [{ port, order: state.order }] : []
    );
    this.#retired.splice(0, Infinity, ...sortedByOrder(retired));
  }

  /** Moves the assignment of one node id to another. */
  transfer(from: string, to: string): void {
    const assigned = this.#assigned.get(from);
    if (assigned === undefined) return;
    this.#assigned.delete(from);
    this.#assigned.set(to, assigned);
  }

  /** Retires the port of a node: it is reused last. */
  release(id: string): void {
    if (this.isShared) this.#released.add(id);
    const assigned = this.#assigned.get(id);
    if (assigned === undefined) return;
    this.#assigned.delete(id);
    // Without a range, the kernel chooses the ports.
    if (!this.usesFreePorts) this.#retired.push(assigned.port);
  }

  /** Removes the assignment of a node without releasing the port. */
  drop(id: string): void {
    if (this.isShared) this.#released.add(id);
    this.#assigned.delete(id);
  }

  /**
   * The static port of a node; or else its own port, then ports never assigned, then retired ones.
   */
  *#candidates(id: string): Generator<number> {
    const { first, count } = this.#options;
    if (this.isShared) {
      const shared = this.#assigned.get(id)?.port;
      // Clients may be able to write the shared ports, and must not open just any port.
      const isInRange = shared !== undefined && shared >= first && shared < first + count;
      if (isInRange || (shared !== undefined && shared === this.staticPort(id))) yield shared;
      return;
    }
    const fixed = this.staticPort(id);
    if (fixed !== undefined) {
      yield fixed;
      return;
    }
    const own = this.#assigned.get(id)?.port;
    if (own !== undefined) yield own;
    const fixedPorts = new Set(this.#options.staticMappings.map(({ port }) => port));
    const held = this.#heldPorts().filter((port) => !fixedPorts.has(port));
    if (this.usesFreePorts) {
      if (own !== undefined || held.length < count) yield 0;
      return;
    }
    const taken = new Set([...this.#retired, ...held, ...fixedPorts]);
    for (let port = first; port < first + count; port++) if (!taken.has(port)) yield port;
    for (const port of this.#retired) {
      const isInRange = port >= first && port < first + count;
      if (isInRange && !held.includes(port) && !fixedPorts.has(port)) yield port;
    }
  }

  /** The assigned and the reserved ports; only the reserved one of a node that has both. */
  #heldPorts(): number[] {
    const ports = new Map<string, number>();
    for (const [id, { port }] of this.#assigned) ports.set(id, port);
    for (const [id, { port }] of this.#reserved) ports.set(id, port);
    return [...ports.values()];
  }
}

function sortedByOrder(retired: { readonly port: number; readonly order: number }[]): number[] {
  return retired.sort((a, b) => a.order - b.order).map(({ port }) => port);
}
