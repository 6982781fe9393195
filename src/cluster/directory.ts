import { formatHostPort, type HostPort } from "../address.ts";
import { log } from "../log.ts";
import { type ClusterNode } from "./node.ts";
import { dialAddress, isSound, ownerOf, type Topology, type View } from "./topology.ts";

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
   * What is mentioned may be no node: an address that a script made up, that somebody gave to
   * CLUSTER MEET or MIGRATE, or one without a port. It is never dialled, and may stay unknown.
   */
  readonly doubtful?: boolean;
  /**
   * What the node is to the one that mentions it, in terms of replication, whose addresses are
   * those of its own connections and may be others than the cluster knows.
   */
  readonly relation?: "primary" | "replica";
}

/** A node of the cluster that has a port on the public side. */
export interface MappedNode {
  /** The node id. */
  readonly id: string;
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
   * that is 0. The node has its `publicPort` when this returns, and new addresses as they come.
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
   * @param strict whether a port that cannot be listened on is an error, and not passed over
   * @returns what there is to say of nodes for which there is no port; it is logged, too
   * @throws what `open` throws, if `strict`
   */
  learn(view: View, strict = false): UnmappedError[] {
    const unmapped: UnmappedError[] = [];
    this.#view = view;
    const claims = new Map<string, Entry | typeof SHARED>();
    for (const { node, address } of placedNodes(view)) {
      let entry = this.#byId.get(node.id);
      if (entry === undefined) {
        try {
          entry = this.#admit(node.id, address, strict);
        } catch (error) {
          if (!(error instanceof UnmappedError)) throw error;
          log.error("{message}", { message: error.message });
          unmapped.push(error);
          continue;
        }
      }
      // Of a node that is out of touch others tell where it was.
      if (isSound(node)) entry.address = address;
      for (const alias of aliasesOf(node, address, view.tlsPorts.get(node.id))) {
        const claimed = claims.get(alias);
        claims.set(alias, claimed === undefined || claimed === entry ? entry : SHARED);
      }
    }
    for (const [alias, entry] of claims) this.#byAddress.set(alias, entry);
    return unmapped;
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
   * of the node that mentions it, and at last asks at the address itself. Only a node gets a
   * port: whoever could have a bare address listened for would have a way to everywhere.
   * Undefined for a doubtful mention that is no node's.
   *
   * @param sinceMs when the mention came: what was seen of the cluster since then will do
   * @throws {UnmappedError} when there is no port left to give, or nothing to go by
   */
  async locate(mention: Mention, from: MappedNode, sinceMs: number): Promise<number | undefined> {
    if (mention.doubtful) {
      const waitMs = this.#lastDoubtMs + DOUBT_INTERVAL_MS - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    const looked = this.#turn.then(() => this.#look(mention, from, sinceMs));
    this.#turn = looked.catch(() => {});
    const found = await looked;
    if (found !== undefined || mention.doubtful) return found;
    const identified = await this.#identify(mention);
    // Nobody connects to what replication tells, so that it may as well be left open.
    if (identified !== undefined || mention.relation !== undefined) return identified;
    throw new UnmappedError(`No node can be found by ${Deno.inspect(mention)}`);
  }

  async #look(
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
        log.warning("What is known of the cluster may be old, for no node answers: {reasons}", {
          reasons: error.errors.map((reason) => reason.message).join("; "),
        });
      }
    }
    return this.portOf(mention) ?? this.#redirectTarget(mention, from, -Infinity)?.publicPort ??
      this.#relative(mention, from)?.publicPort;
  }

  /** The primary of `from`, or its replica with such a port if it is the only one. */
  #relative({ relation, port }: Mention, from: MappedNode): MappedNode | undefined {
    const view = this.#view;
    if (relation === undefined || view === undefined) return undefined;
    const own = view.nodes.find((node) => node.id === from.id);
    const relatives = view.nodes.filter((node) =>
      relation === "primary" ? node.id === own?.primaryId : node.primaryId === from.id
    );
    const [one, ...more] = relatives.filter((node) =>
      node.port === port || view.tlsPorts.get(node.id) === port
    );
    return one === undefined || more.length > 0 ? undefined : this.#byId.get(one.id);
  }

  /** Asks at an address that no node of the cluster is known by, as in ROLE behind another NAT. */
  async #identify(mention: Mention): Promise<number | undefined> {
    const alias = aliasOf(mention);
    // Whoever answers at an address that several nodes have is any of them.
    const id = isAddress(mention) && this.#byAddress.get(alias) !== SHARED
      ? await this.#options.topology.identify(mention)
      : undefined;
    if (id === undefined) return undefined;
    const entry = this.#byId.get(id) ??
      this.#admit(id, { host: mention.host, port: mention.port }, false);
    this.#byAddress.set(alias, entry);
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

  #admit(id: string, address: HostPort, strict: boolean): Entry {
    const entry: Entry = { id, address, publicPort: 0 };
    entry.publicPort = this.#open(entry, strict);
    this.#nodes.push(entry);
    this.#byId.set(id, entry);
    return entry;
  }

  #listen(entry: Entry, port: number, strict: boolean): number {
    try {
      return this.#options.open(entry, port);
    } catch (error) {
      if (strict || error instanceof UnmappedError) throw error;
      throw new UnmappedError(error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  }

  #open(entry: Entry, strict: boolean): number {
    const { firstPort, maxNodes } = this.#options;
    const full = `No port is left for node ${formatHostPort(entry.address)}: raise --max-nodes`;
    if (firstPort === 0) {
      if (this.#nodes.length === maxNodes) throw new UnmappedError(`${full} above ${maxNodes}`);
      return this.#listen(entry, 0, strict);
    }
    const taken = new Set(this.#nodes.map((node) => node.publicPort));
    for (let port = firstPort; port < firstPort + maxNodes; port++) {
      if (taken.has(port)) continue;
      try {
        return this.#listen(entry, port, strict);
      } catch (error) {
        // Without a cause it is not this port that is refused.
        const refused = error instanceof UnmappedError && error.cause !== undefined;
        if (strict || !refused) throw error;
        log.warning("{reason}, trying the next port", { reason: error.message });
      }
    }
    throw new UnmappedError(`${full} above ${maxNodes}`);
  }
}

interface Entry extends MappedNode {
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
