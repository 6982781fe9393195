import { formatHostPort } from "../platform/address.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { isAddress, type NodeRef } from "../cluster/node_ref.ts";
import { type NatEntry, type NatTable, NoPublicPortError } from "./nat_table.ts";
import { NodeConnectionError } from "../cluster/node_connection.ts";
import type { ClusterDiscovery } from "../cluster/discovery.ts";
import { type ClusterView, ownerOf } from "../cluster/view.ts";
import { queryOptionsFor } from "./refresher.ts";

/** A script can make up any number of redirects, each of which might be a real one. */
const DOUBT_INTERVAL_MS = 100;

/** While a range is too small, redirects to what is not in it come as fast as requests. */
const UNMAPPED_INTERVAL_MS = 1000;

/** Finds out about nodes that are mentioned and that the directory does not know. */
export class NodeResolver {
  readonly #natTable: NatTable;
  readonly #discovery: ClusterDiscovery;
  /** When the next doubtful mention may be looked into. */
  #nextDoubtMs = -Infinity;
  /** Settled when whoever is looking through the eyes of a node is done. */
  readonly #queues = new WeakMap<NatEntry, Promise<unknown>>();
  /** When a node was last asked that did not answer, and who refused the proxy's user then. */
  readonly #missed = new WeakMap<
    NatEntry,
    { atMs: number; denial: NodeConnectionError | undefined }
  >();
  readonly #throttle = new LogThrottle();

  constructor(natTable: NatTable, discovery: ClusterDiscovery) {
    this.#natTable = natTable;
    this.#discovery = discovery;
  }

  /**
   * Finds out the public port of a node: looks at the cluster through the eyes of the node that
   * mentions it, and at last asks at the address itself. Only a node gets a port: whoever could
   * have a bare address listened for would have a way to everywhere. A node that has no port is
   * unreachable and has port 0, as servers show such nodes. Undefined for a doubtful mention that
   * is no node's.
   *
   * @param sinceMs when the mention came: what was seen of the cluster since then will do
   * @throws {NoPublicPortError} when a redirect leads to a node that has no port
   */
  async resolve(ref: NodeRef, from: NatEntry, sinceMs: number): Promise<number | undefined> {
    try {
      return await this.#find(ref, from, sinceMs);
    } catch (error) {
      if (ref.redirects || !(error instanceof NoPublicPortError)) throw error;
      // Else the directory has said it.
      if (this.#natTable.whyNoPort(ref) === undefined) this.#report(error);
      return 0;
    }
  }

  #report({ message }: NoPublicPortError): void {
    const text = "Clients are shown port 0 for a node: {reason}";
    this.#throttle.log("warning", { topic: "ports", cause: message }, [text, { reason: message }]);
  }

  /** @throws {NoPublicPortError} when there is no port left to give, or nothing to go by */
  async #find(ref: NodeRef, from: NatEntry, sinceMs: number): Promise<number | undefined> {
    const turn = this.#queues.get(from) ?? Promise.resolve();
    const looked = turn.then(() => this.#resolveByView(ref, from, sinceMs));
    this.#queues.set(from, looked.catch(() => {}));
    const found = await looked;
    if (found !== undefined || ref.doubtful) return found;
    this.#checkMapped(ref);
    const identified = await this.#identify(ref);
    // Nobody connects to what replication tells, so that it may as well be left open.
    if (identified !== undefined || ref.relation !== undefined) return identified;
    const unknown = "No node of the cluster is known " +
      (ref.id === undefined ? "" : `as ${ref.id} `) + `at ${formatHostPort(ref)}` +
      (ref.slot === undefined ? "" : `, for slot ${ref.slot}`);
    const denial = this.#missed.get(from)?.denial;
    throw new NoPublicPortError(
      denial === undefined ? unknown : `The proxy cannot ask the cluster: ${denial.message}`,
    );
  }

  async #resolveByView(
    ref: NodeRef,
    from: NatEntry,
    sinceMs: number,
  ): Promise<number | undefined> {
    // Whoever was before may have found it, or may have looked where this would.
    const known = this.#natTable.portOf(ref) ??
      this.#redirectTarget(ref, from, sinceMs)?.publicPort;
    if (known !== undefined) return known;
    const { view } = this.#natTable;
    if (view !== undefined && performance.now() - view.takenAtMs < UNMAPPED_INTERVAL_MS) {
      this.#checkMapped(ref);
    }
    const missedAtMs = this.#missed.get(from)?.atMs ?? -Infinity;
    if (!this.#hasLooked(from, sinceMs) && missedAtMs < sinceMs) {
      if (ref.doubtful) await this.#paceDoubt();
      const view = await this.#applyViewOf(from);
      // A node that is not of the cluster, or not yet, knows itself at least; but where it knows
      // the one that was meant to be asked, it is another.
      const isItself = view !== undefined && view.answeredBy.id === ref.id &&
        !view.nodes.some(({ id }) => id === from.id);
      if (isItself) return from.publicPort;
    }
    return this.#natTable.portOf(ref) ??
      this.#redirectTarget(ref, from, sinceMs)?.publicPort ??
      this.#ownerElsewhere(ref, from)?.publicPort ??
      this.#relative(ref, from)?.publicPort;
  }

  /** Nodes without a port are named by all the others, to every client. */
  #checkMapped(ref: NodeRef): void {
    const { view } = this.#natTable;
    const owner = view !== undefined && this.#isBare(ref) && !ref.asking
      ? ownerOf(view, ref.slot)
      : undefined;
    const reason = this.#natTable.whyNoPort(owner === undefined ? ref : owner);
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
  async #applyViewOf(from: NatEntry): Promise<ClusterView | undefined> {
    const natTable = this.#natTable;
    const atMs = performance.now();
    let view: ClusterView | undefined;
    let denial: NodeConnectionError | undefined;
    try {
      view = await this.#discovery.ask(from.address);
    } catch (error) {
      if (!(error instanceof NodeConnectionError)) throw error;
      if (error.denied) denial = error;
    }
    if (view !== undefined && natTable.belongsToCluster(view)) {
      this.#missed.delete(from);
      natTable.applyView(view);
      return view;
    }
    this.#missed.set(from, { atMs, denial });
    try {
      natTable.applyView(await this.#discovery.queryAny(queryOptionsFor(natTable)));
    } catch (error) {
      // It was said that nobody answers. What is known will have to do.
      if (!(error instanceof AggregateError)) throw error;
    }
    return view;
  }

  /** The primary of `from`, or its replica if it has one, or one with such a port. */
  #relative({ relation, port }: NodeRef, from: NatEntry): NatEntry | undefined {
    const { view } = this.#natTable;
    if (relation === undefined || view === undefined) return undefined;
    const own = view.nodes.find((node) => node.id === from.id);
    const relatives = view.nodes.filter((node) =>
      relation === "primary" ? node.id === own?.primaryId : node.primaryId === from.id
    );
    const alike = relatives.filter((node) =>
      node.port === port || view.tlsPorts.get(node.id) === port
    );
    const [one, ...more] = alike.length > 0 ? alike : relatives;
    return one === undefined || more.length > 0 ? undefined : this.#natTable.withId(one.id);
  }

  /**
   * Asks at an address that no node of the cluster is known by, as in ROLE behind another NAT. A
   * node that is not known either stays so: whoever answers there can say of itself what it likes.
   */
  async #identify(ref: NodeRef): Promise<number | undefined> {
    const natTable = this.#natTable;
    // An id is known or not, whoever is at the address. And whoever answers at an address that
    // several nodes have is any of them.
    if (ref.id !== undefined || !isAddress(ref) || natTable.isShared(ref)) {
      return undefined;
    }
    const view = await this.#discovery.queryNode(ref);
    const node = view && natTable.withId(view.answeredBy.id);
    if (node !== undefined) natTable.addAlias(node, ref);
    return node?.publicPort;
  }

  /** Whether the cluster was seen through the eyes of a node since then. */
  #hasLooked(from: NatEntry, sinceMs: number): boolean {
    const { view } = this.#natTable;
    return view !== undefined && view.answeredBy.id === from.id && view.takenAtMs >= sinceMs;
  }

  /**
   * The node that a redirect means by its slot and not by its address. Nodes disagree while
   * slots move, so it is for `from` to tell, and only the node that gives a slot away tells to
   * whom. By the time it is asked the slot may have arrived, or have come back to `from`: that
   * is then where the client should go.
   */
  #redirectTarget(ref: NodeRef, from: NatEntry, sinceMs: number): NatEntry | undefined {
    const { view } = this.#natTable;
    if (view === undefined || !this.#isBare(ref) || !this.#hasLooked(from, sinceMs)) {
      return undefined;
    }
    const { slot, asking = false } = ref;
    const migrating = asking ? view.answeredBy.migrating.get(slot) : undefined;
    return this.#natTable.withId(migrating ?? ownerOf(view, slot)?.id ?? "");
  }

  /** The node that has the slot of a redirect as far as is known, if `from` cannot be asked. */
  #ownerElsewhere(ref: NodeRef, from: NatEntry): NatEntry | undefined {
    const { view } = this.#natTable;
    if (view === undefined || !this.#isBare(ref) || ref.asking) return undefined;
    const owner = ownerOf(view, ref.slot)?.id;
    return owner === undefined || owner === from.id ? undefined : this.#natTable.withId(owner);
  }

  /** Whether a redirect names its node by nothing but the slot. */
  #isBare(ref: NodeRef): ref is NodeRef & { slot: number } {
    if (ref.slot === undefined) return false;
    return !isAddress(ref) || this.#natTable.isShared(ref);
  }
}
