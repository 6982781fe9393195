import { formatHostPort, type HostPort } from "../address.ts";
import { log } from "../log.ts";
import { type ClusterNode } from "./node.ts";
import { dialAddress, ownerOf, type Topology, type View } from "./topology.ts";

/** A node as a frame names it: by what it has of an id, an address, and a slot. */
export interface Mention {
  /** The node id, where the frame gives one that lasts. */
  readonly id?: string;
  /** An IP address or a host name; "" or `?` where the node does not know it. */
  readonly host: string;
  readonly port: number;
  /** The slot of a redirect, which names a node even when its host does not. */
  readonly slot?: number;
  /** The redirect is an ASK: the slot's owner is not meant, but the node it migrates to. */
  readonly asking?: boolean;
  /**
   * The text may be a script's own and no redirect at all, so that an address that belongs to
   * no node means none.
   */
  readonly doubtful?: boolean;
}

/** A node of the cluster that has a port on the public side. */
export interface MappedNode {
  /** The node id; undefined for an address that no known node has. */
  readonly id: string | undefined;
  /** Where the proxy reaches the node. */
  readonly address: HostPort;
  /** The port on which clients reach it through the proxy. */
  readonly publicPort: number;
}

/** A mention of a node that cannot be given a place on the public side. */
export class UnmappedError extends Error {
  override readonly name = "UnmappedError";
}

/** What a directory starts from. */
export interface DirectoryOptions {
  readonly topology: Topology;
  /** The first of the ports to give out, or 0 for whichever are free. */
  readonly firstPort: number;
  /** How many ports there are to give out. */
  readonly maxNodes: number;
  /**
   * Starts to listen for a node and returns the port, which differs from the given one only if
   * that is 0.
   *
   * @throws {Deno.errors.AddrInUse} if the port is taken
   */
  readonly open: (node: MappedNode, port: number) => number;
}

/** A script can make up any number of redirects, each of which might be a real one. */
const DOUBT_INTERVAL_MS = 100;

/** An address that several nodes announce says nothing about which of them is meant. */
const SHARED = Symbol("shared");

/**
 * Which node has which port, and which node is meant by whatever names one. A node is its id;
 * addresses are aliases, of which it may have many: by IP and by name, for TCP and for TLS, and
 * old ones that other nodes still tell of.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #nodes: Entry[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #byAddress = new Map<string, Entry | typeof SHARED>();
  #view: View | undefined;
  #lastDoubtMs = -Infinity;
  /** Settled when whoever is finding out about a node is done. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** Every node that has a port, in the order of ports given out. */
  get nodes(): readonly MappedNode[] {
    return this.#nodes;
  }

  /**
   * Takes over what a view tells: new nodes get ports, in the order of their private addresses;
   * known ones may have new addresses.
   *
   * @throws {Deno.errors.AddrInUse} if `strict` and a port is taken; otherwise the next is tried
   */
  learn(view: View, strict = false): void {
    this.#view = view;
    const claims = new Map<string, Entry | typeof SHARED>();
    for (const { node, address } of placedNodes(view)) {
      let entry = this.#byId.get(node.id) ?? this.#adopt(node.id, address);
      if (entry === undefined) {
        try {
          entry = this.#admit(node.id, address, strict);
        } catch (error) {
          if (!(error instanceof UnmappedError)) throw error;
          log.error("{message}", { message: error.message });
          continue;
        }
      }
      entry.address = address;
      for (const alias of aliasesOf(node, address, view.tlsPorts.get(node.id))) {
        const claimed = claims.get(alias);
        claims.set(alias, claimed === undefined || claimed === entry ? entry : SHARED);
      }
    }
    for (const [alias, entry] of claims) this.#byAddress.set(alias, entry);
  }

  /**
   * The public port of a node that `from` mentions, if it is known. A redirect that does not
   * name its node by an address is never known: slots move.
   */
  portOf(mention: Mention): number | undefined {
    if (mention.id !== undefined) return this.#byId.get(mention.id)?.publicPort;
    const entry = isAddress(mention) ? this.#byAddress.get(aliasOf(mention)) : undefined;
    return entry === SHARED ? undefined : entry?.publicPort;
  }

  /**
   * Finds out the public port of a node that is not known: looks at the cluster through the eyes
   * of the node that mentions it, asks at the address itself, and at last listens for the bare
   * address. Undefined for a doubtful mention that is none.
   *
   * @throws {UnmappedError} when there is no port left to give, or nothing to go by
   */
  async locate(mention: Mention, from: MappedNode): Promise<number | undefined> {
    const sinceMs = performance.now();
    if (mention.doubtful) {
      const waitMs = this.#lastDoubtMs + DOUBT_INTERVAL_MS - sinceMs;
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    const located = this.#turn.then(() => this.#locate(mention, from, sinceMs));
    this.#turn = located.catch(() => {});
    return await located;
  }

  async #locate(
    mention: Mention,
    from: MappedNode,
    sinceMs: number,
  ): Promise<number | undefined> {
    // Whoever was before may have found it, or may have looked where this would.
    const known = this.portOf(mention) ?? this.#redirectTarget(mention, from, sinceMs)?.publicPort;
    if (known !== undefined) return known;
    if (!this.#hasLooked(from, sinceMs)) {
      if (mention.doubtful) this.#lastDoubtMs = performance.now();
      try {
        this.learn(await this.#options.topology.look(from.address));
      } catch (error) {
        if (!(error instanceof AggregateError)) throw error;
        log.warning("No node answers, so what is known of the cluster may be old");
      }
    }
    const learned = this.portOf(mention) ??
      this.#redirectTarget(mention, from, -Infinity)?.publicPort;
    if (learned !== undefined || mention.doubtful) return learned;
    if (!isAddress(mention)) {
      throw new UnmappedError("A node was named by neither an id nor an address that is known");
    }
    const id = await this.#options.topology.identify(mention) ?? mention.id;
    const entry = (id === undefined ? undefined : this.#byId.get(id)) ??
      this.#admit(id, { host: mention.host, port: mention.port }, false);
    this.#byAddress.set(aliasOf(mention), entry);
    return entry.publicPort;
  }

  /** Whether the cluster was seen through the eyes of a node since then. */
  #hasLooked(from: MappedNode, sinceMs: number): boolean {
    const view = this.#view;
    return view !== undefined && view.answeredBy.id === from.id && view.takenAtMs >= sinceMs;
  }

  /**
   * The node that a redirect means by its slot and not by its address. Nodes disagree while
   * slots move, so `from` must have told since then, or not have answered at all. Of a slot on
   * its way only the node that gives it away tells to whom.
   */
  #redirectTarget(mention: Mention, from: MappedNode, sinceMs: number): MappedNode | undefined {
    const view = this.#view;
    const { slot } = mention;
    if (slot === undefined || view === undefined) return undefined;
    if (isAddress(mention) && this.#byAddress.get(aliasOf(mention)) !== SHARED) return undefined;
    if (!this.#hasLooked(from, sinceMs) && (mention.asking || sinceMs > -Infinity)) {
      return undefined;
    }
    const id = mention.asking ? view.answeredBy.migrating.get(slot) : ownerOf(view, slot)?.id;
    return id === undefined || id === from.id ? undefined : this.#byId.get(id);
  }

  /** A port may have been given to an address before the node there was known by its id. */
  #adopt(id: string, address: HostPort): Entry | undefined {
    const entry = this.#byAddress.get(aliasOf(address));
    if (entry === undefined || entry === SHARED || entry.id !== undefined) return undefined;
    entry.id = id;
    this.#byId.set(id, entry);
    return entry;
  }

  #admit(id: string | undefined, address: HostPort, strict: boolean): Entry {
    const entry: Entry = { id, address, publicPort: 0 };
    entry.publicPort = this.#open(entry, strict);
    this.#nodes.push(entry);
    this.#byAddress.set(aliasOf(address), entry);
    if (id !== undefined) this.#byId.set(id, entry);
    return entry;
  }

  #open(entry: Entry, strict: boolean): number {
    const { firstPort, maxNodes, open } = this.#options;
    const full = `No port is left for node ${formatHostPort(entry.address)}: raise --max-nodes`;
    if (firstPort === 0) {
      if (this.#nodes.length === maxNodes) throw new UnmappedError(`${full} above ${maxNodes}`);
      return open(entry, 0);
    }
    const taken = new Set(this.#nodes.map((node) => node.publicPort));
    for (let port = firstPort; port < firstPort + maxNodes; port++) {
      if (taken.has(port)) continue;
      try {
        return open(entry, port);
      } catch (error) {
        if (strict || !(error instanceof Deno.errors.AddrInUse)) throw error;
        log.warning("Port {port} is taken by another program, trying the next", { port });
      }
    }
    throw new UnmappedError(`${full} above ${maxNodes}`);
  }
}

interface Entry extends MappedNode {
  id: string | undefined;
  address: HostPort;
  publicPort: number;
}

/** The nodes of a view that can be reached, in the order of their addresses. */
function placedNodes(view: View): { node: ClusterNode; address: HostPort }[] {
  const placed: { node: ClusterNode; address: HostPort }[] = [];
  for (const node of view.nodes) {
    // The id of a node in handshake is made up; the true one is to come.
    if (node.flags.has("handshake") || node.flags.has("noaddr")) continue;
    const address = dialAddress(node, view);
    if (address !== null) placed.push({ node, address });
  }
  return placed.sort((a, b) => compareAddresses(a.address, b.address));
}

/** Numbers within hosts compare as numbers, so that 10.0.0.9 comes before 10.0.0.10. */
function compareAddresses(a: HostPort, b: HostPort): number {
  return HOST_ORDER.compare(a.host, b.host) || a.port - b.port;
}

const HOST_ORDER = new Intl.Collator("en", { numeric: true });

function aliasesOf(node: ClusterNode, address: HostPort, tlsPort: number | undefined): string[] {
  const aliases = [aliasOf(address)];
  for (const host of [node.host, node.hostname]) {
    if (host === "") continue;
    for (const port of [node.port, tlsPort]) if (port) aliases.push(aliasOf({ host, port }));
  }
  return aliases;
}

function aliasOf({ host, port }: HostPort): string {
  return `${host.toLowerCase()} ${port}`;
}

/** In place of a host that it does not know, a node puts "", or `?` where clients want names. */
function isAddress({ host, port }: Mention): boolean {
  return host !== "" && host !== "?" && port > 0;
}
