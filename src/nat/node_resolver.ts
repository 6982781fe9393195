import { formatHostPort } from "../platform/address.ts";
import { News } from "../platform/log_throttle.ts";
import {
  type Directory,
  isAddress,
  type MappedNode,
  type Mention,
  UnmappedError,
} from "./nat_table.ts";
import { LinkError } from "../cluster/node_connection.ts";
import { ownerOf, type Topology, type View } from "../cluster/discovery.ts";
import { lookFor } from "./refresher.ts";

/** A script can make up any number of redirects, each of which might be a real one. */
const DOUBT_INTERVAL_MS = 100;

/** While a range is too small, redirects to what is not in it come as fast as requests. */
const UNMAPPED_INTERVAL_MS = 1000;

/** Finds out about nodes that are mentioned and that the directory does not know. */
export class Locator {
  readonly #directory: Directory;
  readonly #topology: Topology;
  /** When the next doubtful mention may be looked into. */
  #nextDoubtMs = -Infinity;
  /** Settled when whoever is looking through the eyes of a node is done. */
  readonly #turns = new WeakMap<MappedNode, Promise<unknown>>();
  /** When a node was last asked that did not answer, and who refused the proxy's user then. */
  readonly #missed = new WeakMap<MappedNode, { atMs: number; denial: LinkError | undefined }>();
  readonly #news = new News();

  constructor(directory: Directory, topology: Topology) {
    this.#directory = directory;
    this.#topology = topology;
  }

  /**
   * Finds out the public port of a node: looks at the cluster through the eyes of the node that
   * mentions it, and at last asks at the address itself. Only a node gets a port: whoever could
   * have a bare address listened for would have a way to everywhere. A node that has no port is
   * unreachable and has port 0, as servers show such nodes. Undefined for a doubtful mention that
   * is no node's.
   *
   * @param sinceMs when the mention came: what was seen of the cluster since then will do
   * @throws {UnmappedError} when a redirect leads to a node that has no port
   */
  async locate(mention: Mention, from: MappedNode, sinceMs: number): Promise<number | undefined> {
    try {
      return await this.#find(mention, from, sinceMs);
    } catch (error) {
      if (mention.redirects || !(error instanceof UnmappedError)) throw error;
      // Else the directory has said it.
      if (this.#directory.whyUnmapped(mention) === undefined) this.#report(error);
      return 0;
    }
  }

  #report({ message }: UnmappedError): void {
    const text = "Clients are shown port 0 for a node: {reason}";
    this.#news.say("warning", { topic: "ports", cause: message }, [text, { reason: message }]);
  }

  /** @throws {UnmappedError} when there is no port left to give, or nothing to go by */
  async #find(mention: Mention, from: MappedNode, sinceMs: number): Promise<number | undefined> {
    const turn = this.#turns.get(from) ?? Promise.resolve();
    const looked = turn.then(() => this.#look(mention, from, sinceMs));
    this.#turns.set(from, looked.catch(() => {}));
    const found = await looked;
    if (found !== undefined || mention.doubtful) return found;
    this.#checkMapped(mention);
    const identified = await this.#identify(mention);
    // Nobody connects to what replication tells, so that it may as well be left open.
    if (identified !== undefined || mention.relation !== undefined) return identified;
    const unknown = "No node of the cluster is known " +
      (mention.id === undefined ? "" : `as ${mention.id} `) + `at ${formatHostPort(mention)}` +
      (mention.slot === undefined ? "" : `, for slot ${mention.slot}`);
    const denial = this.#missed.get(from)?.denial;
    throw new UnmappedError(
      denial === undefined ? unknown : `The proxy cannot ask the cluster: ${denial.message}`,
    );
  }

  async #look(
    mention: Mention,
    from: MappedNode,
    sinceMs: number,
  ): Promise<number | undefined> {
    // Whoever was before may have found it, or may have looked where this would.
    const known = this.#directory.portOf(mention) ??
      this.#redirectTarget(mention, from, sinceMs)?.publicPort;
    if (known !== undefined) return known;
    const { view } = this.#directory;
    if (view !== undefined && performance.now() - view.takenAtMs < UNMAPPED_INTERVAL_MS) {
      this.#checkMapped(mention);
    }
    const missedAtMs = this.#missed.get(from)?.atMs ?? -Infinity;
    if (!this.#hasLooked(from, sinceMs) && missedAtMs < sinceMs) {
      if (mention.doubtful) await this.#paceDoubt();
      const view = await this.#lookThrough(from);
      // A node that is not of the cluster, or not yet, knows itself at least; but where it knows
      // the one that was meant to be asked, it is another.
      const isItself = view !== undefined && view.answeredBy.id === mention.id &&
        !view.nodes.some(({ id }) => id === from.id);
      if (isItself) return from.publicPort;
    }
    return this.#directory.portOf(mention) ??
      this.#redirectTarget(mention, from, sinceMs)?.publicPort ??
      this.#ownerElsewhere(mention, from)?.publicPort ??
      this.#relative(mention, from)?.publicPort;
  }

  /** Nodes without a port are named by all the others, to every client. */
  #checkMapped(mention: Mention): void {
    const { view } = this.#directory;
    const owner = view !== undefined && this.#isBare(mention) && !mention.asking
      ? ownerOf(view, mention.slot)
      : undefined;
    const reason = this.#directory.whyUnmapped(owner === undefined ? mention : owner);
    if (reason !== undefined) throw reason;
  }

  /** Waits until some time has passed since the last doubtful mention was looked into. */
  async #paceDoubt(): Promise<void> {
    const nowMs = performance.now();
    const atMs = Math.max(nowMs, this.#nextDoubtMs);
    this.#nextDoubtMs = atMs + DOUBT_INTERVAL_MS;
    if (atMs > nowMs) await new Promise((resolve) => setTimeout(resolve, atMs - nowMs));
  }

  /** Learns what a node sees, or else any other, and returns the node's view if it answers. */
  async #lookThrough(from: MappedNode): Promise<View | undefined> {
    const directory = this.#directory;
    const atMs = performance.now();
    let view: View | undefined;
    let denial: LinkError | undefined;
    try {
      view = await this.#topology.ask(from.address);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      if (error.denied) denial = error;
    }
    if (view !== undefined && directory.recognizes(view)) {
      this.#missed.delete(from);
      directory.learn(view);
      return view;
    }
    this.#missed.set(from, { atMs, denial });
    try {
      directory.learn(await this.#topology.look(lookFor(directory)));
    } catch (error) {
      // It was said that nobody answers. What is known will have to do.
      if (!(error instanceof AggregateError)) throw error;
    }
    return view;
  }

  /** The primary of `from`, or its replica if it has one, or one with such a port. */
  #relative({ relation, port }: Mention, from: MappedNode): MappedNode | undefined {
    const { view } = this.#directory;
    if (relation === undefined || view === undefined) return undefined;
    const own = view.nodes.find((node) => node.id === from.id);
    const relatives = view.nodes.filter((node) =>
      relation === "primary" ? node.id === own?.primaryId : node.primaryId === from.id
    );
    const alike = relatives.filter((node) =>
      node.port === port || view.tlsPorts.get(node.id) === port
    );
    const [one, ...more] = alike.length > 0 ? alike : relatives;
    return one === undefined || more.length > 0 ? undefined : this.#directory.withId(one.id);
  }

  /**
   * Asks at an address that no node of the cluster is known by, as in ROLE behind another NAT. A
   * node that is not known either stays so: whoever answers there can say of itself what it likes.
   */
  async #identify(mention: Mention): Promise<number | undefined> {
    const directory = this.#directory;
    // An id is known or not, whoever is at the address. And whoever answers at an address that
    // several nodes have is any of them.
    if (mention.id !== undefined || !isAddress(mention) || directory.isShared(mention)) {
      return undefined;
    }
    const view = await this.#topology.visit(mention);
    const node = view && directory.withId(view.answeredBy.id);
    if (node !== undefined) directory.addAlias(node, mention);
    return node?.publicPort;
  }

  /** Whether the cluster was seen through the eyes of a node since then. */
  #hasLooked(from: MappedNode, sinceMs: number): boolean {
    const { view } = this.#directory;
    return view !== undefined && view.answeredBy.id === from.id && view.takenAtMs >= sinceMs;
  }

  /**
   * The node that a redirect means by its slot and not by its address. Nodes disagree while
   * slots move, so it is for `from` to tell, and only the node that gives a slot away tells to
   * whom. By the time it is asked the slot may have arrived, or have come back to `from`: that
   * is then where the client should go.
   */
  #redirectTarget(mention: Mention, from: MappedNode, sinceMs: number): MappedNode | undefined {
    const { view } = this.#directory;
    if (view === undefined || !this.#isBare(mention) || !this.#hasLooked(from, sinceMs)) {
      return undefined;
    }
    const { slot, asking = false } = mention;
    const migrating = asking ? view.answeredBy.migrating.get(slot) : undefined;
    return this.#directory.withId(migrating ?? ownerOf(view, slot)?.id ?? "");
  }

  /** The node that has the slot of a redirect as far as is known, if `from` cannot be asked. */
  #ownerElsewhere(mention: Mention, from: MappedNode): MappedNode | undefined {
    const { view } = this.#directory;
    if (view === undefined || !this.#isBare(mention) || mention.asking) return undefined;
    const owner = ownerOf(view, mention.slot)?.id;
    return owner === undefined || owner === from.id ? undefined : this.#directory.withId(owner);
  }

  /** Whether a redirect names its node by nothing but the slot. */
  #isBare(mention: Mention): mention is Mention & { slot: number } {
    if (mention.slot === undefined) return false;
    return !isAddress(mention) || this.#directory.isShared(mention);
  }
}
