import { OperatorError } from "../platform/operator_error.ts";
import { aliasOf, isAddress, isSameAddress, type NodeRef } from "../cluster/node_ref.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { type ClusterNode } from "../cluster/node.ts";
import type { PortAllocator, StaticMapping } from "./port_allocator.ts";
import { type ClusterView, dialAddress, isHealthy, isReady } from "../cluster/view.ts";

/** A node that has a port on the public side. Its fields change as the cluster does. */
export interface NatEntry {
  /** The node id; "" for a node with a pinned port that has not told its own yet. */
  readonly id: string;
  /** Where the proxy reaches the node. */
  readonly address: HostPort;
  /** Every address, by IP and by name, under which the cluster now tells its clients of it. */
  readonly names: readonly HostPort[];
  readonly role: "primary" | "replica";
  /** The port on which other nodes reach it, if the cluster tells. */
  readonly busPort: number | undefined;
  /** The port on which clients reach it through the proxy. */
  readonly publicPort: number;
}

/** A node of the cluster has no port, and why. */
export class NoPublicPortError extends OperatorError {
  override readonly name = "NoPublicPortError";
}

/** What a directory has done by others. */
export interface NatTableActions {
  /**
   * Starts to listen for a node and returns the port, which differs from the given one only if
   * that is 0. The node has its `publicPort` when this returns.
   */
  open(node: NatEntry, port: number): number;
  /** The node is at another address now: what goes on with the old one is over. */
  moved(node: NatEntry): void;
  /** Stops listening for a node that is no more, and ends what goes on with it. */
  close(node: NatEntry): void;
  /** A view places a node where no view did before, or does not place one: see `disputes`. */
  disputed(): void;
  /** Something of the nodes or their ports may be other than before. */
  learned(): void;
}

/** What a directory starts from. */
export interface NatTableOptions {
  readonly ports: PortAllocator;
  /** The nodes for which there is a port from the start, in the cluster or not. */
  readonly pins: readonly StaticMapping[];
  /** How long the cluster must have forgotten a node until its port is closed. */
  readonly forgetAfterMs: number;
  readonly actions: NatTableActions;
}

/** A node that views place elsewhere than where the proxy reaches it. */
export interface AddressConflict {
  readonly node: NatEntry;
  readonly address: HostPort;
}

/** A node that has a port, or one kept for it, and that views have not listed for long. */
export interface Suspect {
  /** The node id. */
  readonly id: string;
  readonly address: HostPort;
}

/** An address that several nodes announce says nothing about which of them is meant. */
const SHARED = Symbol("shared");

/**
 * Which node has which port, and which node is meant by whatever names one. A node is its id;
 * addresses are aliases, of which it may have many: by IP and by name, for TCP and for TLS, and
 * old ones that other nodes still tell of.
 *
 * Nodes disagree for seconds about what happens to their cluster, and one that was left out of it
 * may disagree for ever. So what a single view tells can add to what is known; that a node moved
 * is for somebody to verify, and so is that it is gone, once views have said so for long.
 */
export class NatTable {
  readonly #options: NatTableOptions;
  readonly #nodes: Row[] = [];
  readonly #byId = new Map<string, Row>();
  readonly #byAddress = new Map<string, Row | typeof SHARED>();
  /** The nodes that the last view places elsewhere. */
  readonly #conflicting = new Set<Row>();
  /** The nodes that have a port and that views do not list, by id. */
  readonly #missing = new Map<string, Absence>();
  /** By id, and by each address. */
  #withoutPort = new Map<string, NoPublicPortError>();
  /** Why the nodes of the last view have no port that cannot have one, by id. */
  #portless = new Map<string, NoPublicPortError>();
  /** Views that differ for good list a node by turns. */
  readonly #throttle = new LogThrottle();
  #view: ClusterView | undefined;

  constructor(options: NatTableOptions) {
    this.#options = options;
  }

  /** Every node that has a port, in the order of ports given out. */
  get nodes(): readonly NatEntry[] {
    return this.#nodes;
  }

  /** The view that was learned last. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /**
   * Why a node of that view has no port although it could have one; it was logged, too. Undefined
   * if all have one.
   */
  get noPortError(): NoPublicPortError | undefined {
    return this.#withoutPort.values().next().value;
  }

  /** Why a mentioned node has no port, if it was in that view. */
  whyNoPort(ref: NodeRef): NoPublicPortError | undefined {
    const key = ref.id ?? aliasOf(ref);
    return this.#withoutPort.get(key) ?? this.#portless.get(key);
  }

  /** Whether the last view names a node by its id only, and no view before told its address. */
  get hasUnplaced(): boolean {
    return this.#view?.nodes.some(({ id, host }) => host === "" && this.#portless.has(id)) ?? false;
  }

  /**
   * Takes over what a view tells: new nodes get ports, in the order of their private addresses,
   * and nodes that are missing for long become suspects.
   *
   * @param strict whether a port that cannot be listened on is an error, and not passed over
   * @throws what `open` throws, if `strict`
   */
  applyView(view: ClusterView, strict = false): void {
    // A view that was long on its way can still tell of new nodes.
    const isNew = this.#view === undefined || view.takenAtMs >= this.#view.takenAtMs;
    if (isNew) {
      this.#view = view;
      this.#noteMissing(view);
    }
    const unmapped = new Map<string, NoPublicPortError>();
    const claims = new Map<string, Row | typeof SHARED>();
    for (const { node, address } of placedNodes(view)) {
      try {
        const known = this.#byId.get(node.id);
        if (known !== undefined && !isNew) continue;
        const entry = known ?? this.#addEntry(node, address, view, strict);
        this.#update(entry, node, address, view.tlsPorts.get(node.id));
        for (const alias of [address, ...entry.names].map(aliasOf)) {
          const claimed = claims.get(alias);
          claims.set(alias, claimed === undefined || claimed === entry ? entry : SHARED);
        }
      } catch (error) {
        if (!(error instanceof NoPublicPortError)) throw error;
        if (!this.#withoutPort.has(node.id)) this.#report("error", node, error);
        unmapped.set(node.id, error);
        for (const name of namesOf(node, view.tlsPorts.get(node.id))) {
          unmapped.set(aliasOf(name), error);
        }
      }
    }
    for (const [alias, entry] of claims) this.#byAddress.set(alias, entry);
    if (isNew) {
      this.#withoutPort = unmapped;
      this.#notePortless(view);
      this.#suspectMissing(view);
    }
    this.#options.actions.learned();
  }

  /**
   * Listens for the nodes whose port is pinned by address, in the cluster or not: so they can be
   * brought into it from outside.
   *
   * @throws what `open` throws
   */
  openStaticMappings(): void {
    for (const { node: address, port } of this.#options.pins) {
      if (typeof address === "string") continue;
      const entry = newEntry("", address);
      entry.pin = address;
      entry.publicPort = this.#options.actions.open(entry, port);
      this.#nodes.push(entry);
      this.#byAddress.set(aliasOf(address), entry);
    }
    this.#options.actions.learned();
  }

  /** The nodes with a pinned port of which nobody has told the id. */
  get unidentified(): readonly NatEntry[] {
    return this.#nodes.filter(({ id }) => id === "");
  }

  /** Notes the id that a nameless node has told. */
  assignId(node: NatEntry, id: string): void {
    const entry = this.#nodes.find((known) => known === node);
    if (entry === undefined || entry.id !== "") return;
    const other = this.#byId.get(id);
    if (other === undefined) this.#identify(entry, id);
    else {
      // Clients know the other port by now, so the pinned one is a second door.
      log.warning("Node {id} has port {port} until the next start, although {pinned} is pinned", {
        id,
        port: other.publicPort,
        pinned: entry.publicPort,
      });
      entry.id = id;
    }
    this.#options.actions.learned();
  }

  /**
   * Whether a view is of this cluster, and not of one that has taken over an address or a node,
   * nor of a node that was left alone: it must know most nodes, and another than itself, unless
   * the cluster has shrunk to that.
   */
  belongsToCluster(view: ClusterView): boolean {
    const count = this.#byId.size;
    const known = view.nodes.filter(({ id }) => this.#byId.has(id));
    const others = known.filter(({ id }) => id !== view.answeredBy.id);
    const alone = known.length === 1 && others.length === 0 && (count === 1 ||
      (view.nodes.length === 1 && isReady(view)));
    return count === 0 || alone ||
      (others.length > 0 && known.length > Math.min(view.nodes.length, count) / 2);
  }

  /**
   * Whether a view that is not recognized may be of a cluster that was set up in the place of
   * this one: at its addresses, or when nothing was heard of it for so long that all its nodes
   * would be forgotten.
   */
  looksReplaced(view: ClusterView): boolean {
    const heardAtMs = this.#view?.takenAtMs ?? -Infinity;
    return view.takenAtMs - heardAtMs > this.#options.forgetAfterMs ||
      placedNodes(view).some(({ address }) =>
        this.#nodes.some((entry) => isSameAddress(entry.address, address))
      );
  }

  /** The nodes that the cluster has forgotten as far as views tell, each to be verified. */
  get suspects(): Suspect[] {
    return [...this.#missing].filter(([, { isSuspect }]) => isSuspect).map(([id]) => ({
      id,
      address: this.#byId.get(id)?.address ?? this.#options.ports.addressOf(id)!,
    }));
  }

  /** Notes that a suspect is there, whoever does not list it: it has as long again. */
  keep({ id }: Suspect): void {
    this.#missing.delete(id);
  }

  /** Forgets a suspect, unless a view has listed it meanwhile. */
  forget({ id }: Suspect): void {
    if (!this.#missing.get(id)?.isSuspect) return;
    this.#missing.delete(id);
    this.#forget(id);
    this.#options.actions.learned();
  }

  /** Where a view, and no later one, places nodes elsewhere than where the proxy reaches them. */
  get addressConflicts(): AddressConflict[] {
    return [...this.#conflicting].map((node) => ({ node, address: node.claimed! }));
  }

  /**
   * Notes that a node is at another address.
   *
   * @param spelling whether it is the same place under another name
   */
  move({ id }: NatEntry, address: HostPort, spelling = false): void {
    const entry = this.#byId.get(id);
    if (entry === undefined || isSameAddress(entry.address, address)) return;
    if (spelling) {
      this.#place(entry, address);
      this.#options.actions.learned();
      return;
    }
    log.info("Node {id} has moved from {old} to {new}", {
      id,
      old: formatHostPort(entry.address),
      new: formatHostPort(address),
    });
    this.serveAt(entry, address);
  }

  /** Has a node reached at another address; what goes on with it at the old one is over. */
  serveAt({ id }: NatEntry, address: HostPort): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#place(entry, address);
    this.#options.actions.moved(entry);
    this.#options.actions.learned();
  }

  /** Notes that a node is known by one more address. */
  addAlias({ id }: NatEntry, address: HostPort): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byAddress.set(aliasOf(address), entry);
    this.#options.actions.learned();
  }

  /** Every alias, and whose it is; of several nodes' it is nobody's. */
  *aliases(): Generator<[alias: string, node: NatEntry | undefined]> {
    for (const [alias, entry] of this.#byAddress) {
      yield [alias, entry === SHARED ? undefined : entry];
    }
  }

  /** Whether an address is a private one: that of a node, or of several. */
  isKnown(address: HostPort): boolean {
    return this.#byAddress.has(aliasOf(address));
  }

  /** Whether several nodes announce an address. */
  isShared(address: HostPort): boolean {
    return this.#byAddress.get(aliasOf(address)) === SHARED;
  }

  /** The node that clients reach on a public port. */
  atPort(publicPort: number): NatEntry | undefined {
    return this.#nodes.find((node) => node.publicPort === publicPort);
  }

  /** The node of an id. */
  withId(id: string): NatEntry | undefined {
    return this.#byId.get(id);
  }

  /**
   * The public port of a mentioned node, if it is known. A redirect that does not name its node
   * by an address is never known: slots move.
   */
  portOf(ref: NodeRef): number | undefined {
    if (ref.id !== undefined) return this.#byId.get(ref.id)?.publicPort;
    const entry = isAddress(ref) ? this.#byAddress.get(aliasOf(ref)) : undefined;
    return entry === SHARED ? undefined : entry?.publicPort;
  }

  #addEntry(node: ClusterNode, address: HostPort, view: ClusterView, strict: boolean): Row {
    const names = namesOf(node, view.tlsPorts.get(node.id));
    const awaited = this.#nodes.find((entry) =>
      entry.id === "" && [address, ...names].some((name) => isSameAddress(name, entry.address))
    );
    if (awaited !== undefined) {
      this.#identify(awaited, node.id);
      return awaited;
    }
    const pinned = this.#options.ports.staticPort(node.id);
    const heir = pinned === undefined ? this.#adoptPort(node, address, view) : undefined;
    if (heir !== undefined) return heir;
    const entry = newEntry(node.id, address);
    entry.publicPort = pinned === undefined
      ? this.#open(entry, view, strict)
      : this.#listen(entry, pinned, strict);
    this.#nodes.push(entry);
    this.#byId.set(entry.id, entry);
    this.#options.ports.assign(entry.id, entry.publicPort, address);
    return entry;
  }

  #place(entry: Row, address: HostPort): void {
    entry.address = address;
    entry.claimed = undefined;
    this.#conflicting.delete(entry);
    this.#options.ports.assign(entry.id, entry.publicPort, address);
  }

  #identify(entry: Row, id: string): void {
    entry.id = id;
    this.#byId.set(id, entry);
    this.#options.ports.assign(id, entry.publicPort, entry.address);
  }

  /**
   * A node that was set up anew has another id, but where the old one was there is now this one:
   * it takes over the port, which leads to it in any case.
   */
  #adoptPort(node: ClusterNode, address: HostPort, view: ClusterView): Row | undefined {
    const { ports } = this.#options;
    for (const id of ports.holders) {
      const entry = this.#byId.get(id);
      const places = [entry?.address ?? ports.addressOf(id), entry?.pin];
      if (!places.some((known) => known !== undefined && isSameAddress(known, address))) continue;
      // Of one that is only somewhere else the port goes with it, and so does a pinned one.
      if (view.nodes.some((other) => other.id === id) || ports.staticPort(id) !== undefined) {
        continue;
      }
      ports.transfer(id, node.id);
      this.#missing.delete(id);
      if (entry === undefined) return undefined;
      log.info("Node {id} is set up anew at {address}, as {newId}", {
        id,
        address: formatHostPort(address),
        newId: node.id,
      });
      this.#byId.delete(id);
      this.#identify(entry, node.id);
      return entry;
    }
    return undefined;
  }

  #update(entry: Row, node: ClusterNode, address: HostPort, tlsPort: number | undefined): void {
    entry.names = namesOf(node, tlsPort);
    entry.role = node.flags.has("slave") ? "replica" : "primary";
    entry.busPort = node.busPort;
    // Of a node that is out of touch others tell where it was.
    if (!isHealthy(node) || isSameAddress(entry.address, address)) {
      this.#conflicting.delete(entry);
      return;
    }
    this.#conflicting.add(entry);
    const news = entry.claimed === undefined || !isSameAddress(entry.claimed, address);
    entry.claimed = address;
    if (news) this.#options.actions.disputed();
  }

  /**
   * Only a node that has a say in a working cluster can tell that another is not in it, and none
   * can tell whether itself is.
   */
  #noteMissing(view: ClusterView): void {
    const listed = new Set(view.nodes.map(({ id }) => id));
    for (const id of this.#options.ports.holders) {
      if (id === view.answeredBy.id) continue;
      if (listed.has(id)) this.#missing.delete(id);
      else if (view.state === "ok" && !this.#missing.has(id)) {
        const { takenAtMs: sinceMs, answeredBy } = view;
        this.#missing.set(id, { sinceMs, witness: answeredBy.id, isSuspect: false });
      }
    }
  }

  /** Suspects the nodes that are missing for long, if more than one node says so. */
  #suspectMissing(view: ClusterView): void {
    if (view.state !== "ok") return;
    for (const absence of this.#missing.values()) {
      const isLong = view.takenAtMs - absence.sinceMs >= this.#options.forgetAfterMs;
      const isOneWord = absence.witness === view.answeredBy.id && view.nodes.length > 1;
      if (isLong && !isOneWord) absence.isSuspect = true;
    }
  }

  #forget(id: string): void {
    const { ports, actions } = this.#options;
    const entry = this.#byId.get(id);
    if (entry?.pin !== undefined) {
      // Its port stays open, for whoever comes to that address.
      ports.drop(id);
      this.#byId.delete(id);
      entry.id = "";
      entry.address = entry.pin;
      return;
    }
    ports.release(id);
    if (entry === undefined) return;
    log.info("Node {id} at {address} is forgotten; its port {port} is closed", {
      id,
      address: formatHostPort(entry.address),
      port: entry.publicPort,
    });
    this.#byId.delete(id);
    this.#nodes.splice(this.#nodes.indexOf(entry), 1);
    this.#conflicting.delete(entry);
    for (const [alias, holder] of this.#byAddress) {
      if (holder === entry) this.#byAddress.delete(alias);
    }
    actions.close(entry);
  }

  /** Notes, and logs once, which new nodes of a view have nothing that a port could lead to. */
  #notePortless(view: ClusterView): void {
    const portless = new Map<string, NoPublicPortError>();
    for (const node of view.nodes) {
      const isPlaced = !node.flags.has("noaddr") && dialAddress(node, view) !== null;
      if (isPlaced || node.flags.has("handshake") || this.#byId.has(node.id)) continue;
      const error = this.#portless.get(node.id) ?? new NoPublicPortError(whyPortless(node));
      portless.set(node.id, error);
      if (this.#portless.has(node.id)) continue;
      this.#report("warning", node, error);
      if (node.host === "") this.#options.actions.disputed();
    }
    this.#portless = portless;
  }

  #report(level: "warning" | "error", { id }: ClusterNode, { message }: NoPublicPortError): void {
    this.#throttle.log(level, { topic: id, cause: message }, ["{reason}", { reason: message }]);
  }

  #open(entry: Row, view: ClusterView, strict: boolean): number {
    const { ports } = this.#options;
    this.#makeRoom(entry, view);
    for (const port of ports.candidates(entry.id)) {
      // Where any port will do, it need not be the one of last time.
      const firm = strict && !(ports.takesAny && port !== 0);
      try {
        return this.#listen(entry, port, firm);
      } catch (error) {
        // Without a cause it is not this port that is refused.
        const refused = error instanceof NoPublicPortError && error.cause !== undefined;
        if (firm || !refused) throw error;
        log.warning("{reason}, trying the next port", { reason: error.message });
      }
    }
    throw new NoPublicPortError(
      `No port is left for node ${formatHostPort(entry.address)}: ` +
        `raise --max-nodes above ${ports.count}`,
    );
  }

  /** Where the range is full, a saved port of a node that is not there is for one that is. */
  #makeRoom({ id }: Row, view: ClusterView): void {
    const { ports } = this.#options;
    for (const holder of ports.holders) {
      if (!ports.candidates(id).next().done) return;
      if (this.#byId.has(holder) || view.nodes.some((node) => node.id === holder)) continue;
      log.warning("The port saved for node {id} goes to another: no other is left", { id: holder });
      ports.release(holder);
      this.#missing.delete(holder);
    }
  }

  #listen(entry: Row, port: number, strict: boolean): number {
    try {
      return this.#options.actions.open(entry, port);
    } catch (error) {
      if (strict || error instanceof NoPublicPortError) throw error;
      throw new NoPublicPortError(error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  }
}

/** A node as the directory keeps it. */
type Row = { -readonly [Field in keyof NatEntry]: NatEntry[Field] } & {
  /** Where a view placed it that did so elsewhere. */
  claimed: HostPort | undefined;
  /** The address that its port is pinned to. */
  pin: HostPort | undefined;
};

/** A node that has a port is in no view. */
interface Absence {
  readonly sinceMs: number;
  /** The id of the node whose view was the first. */
  readonly witness: string;
  /** It has lasted, and more than one node says so. */
  isSuspect: boolean;
}

function newEntry(id: string, address: HostPort): Row {
  return {
    id,
    address,
    names: [],
    role: "primary",
    busPort: undefined,
    publicPort: 0,
    claimed: undefined,
    pin: undefined,
  };
}

/** The nodes of a view that can be reached, in the order of their addresses. */
function placedNodes(view: ClusterView): { node: ClusterNode; address: HostPort }[] {
  const placed: { node: ClusterNode; address: HostPort }[] = [];
  for (const node of view.nodes) {
    // The id of a node in handshake is made up; the true one is to come.
    if (node.flags.has("handshake") || node.flags.has("noaddr")) continue;
    const address = dialAddress(node, view);
    if (address !== null) placed.push({ node, address });
  }
  return placed.sort((a, b) => compareAddresses(a.address, b.address));
}

/** Since 7.2 a node without `port` shows 0; before, it shows its TLS port. */
function whyPortless({ id, host }: ClusterNode): string {
  return host === ""
    ? `Node ${id} has no address in the cluster (noaddr), so clients are shown port 0 for it ` +
      "until a node tells where it is"
    : `Node ${id} at ${host} has no plain-text port, so clients are shown port 0 for ` +
      "it; set `port` in its configuration";
}

/** Numbers within hosts compare as numbers, so that 10.0.0.9 comes before 10.0.0.10. */
function compareAddresses(a: HostPort, b: HostPort): number {
  return HOST_ORDER.compare(a.host, b.host) || a.port - b.port;
}

const HOST_ORDER = new Intl.Collator("en", { numeric: true });

function namesOf(node: ClusterNode, tlsPort: number | undefined): HostPort[] {
  const names: HostPort[] = [];
  for (const host of [node.host, node.hostname]) {
    if (host === "") continue;
    for (const port of [node.port, tlsPort]) if (port) names.push({ host, port });
  }
  return names;
}
