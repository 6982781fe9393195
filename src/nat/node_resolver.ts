import { formatHostPort } from "../platform/address.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { NodeConnectionError } from "../cluster/node_connection_error.ts";
import { isAddress, type NodeRef } from "../cluster/node_ref.ts";
import { announcedAddresses, type ClusterView, ownerOf } from "../cluster/view.ts";
import type { NatEntry } from "./nat_table.ts";
import { NoPublicPortError } from "./no_public_port_error.ts";
import { type NatContext, queryOptionsFor } from "./queries.ts";

/** Between two queries for doubtful references: a script can make up any number of redirects. */
const DOUBTFUL_INTERVAL_MS = 100;

/**
 * How long a view suffices to report that a node has no port. While the port range is too small,
 * any request may be redirected to such a node.
 */
const NO_PORT_INTERVAL_MS = 1000;

/** Finds the ports of nodes that frames refer to and that the table does not have. */
export class NodeResolver {
  readonly #context: NatContext;
  /** When the next query for a doubtful reference may start. */
  #nextDoubtfulMs = -Infinity;
  /** The last query of each node, for which the next one waits. */
  readonly #queues = new WeakMap<NatEntry, Promise<unknown>>();
  /**
   * The last query that each node did not answer, with the error if it refused the proxy's user.
   */
  readonly #failures = new WeakMap<
    NatEntry,
    { atMs: number; denial: NodeConnectionError | undefined }
  >();
  readonly #throttle = new LogThrottle();

  constructor(context: NatContext) {
    this.#context = context;
  }

  /**
   * Finds the `listenPort` of a node: queries the node that sent the reference and, as a last
   * resort, the address itself. Only nodes get ports; a port for any other address would let
   * clients reach every host in the private network. Returns 0 for a node without a port, as
   * servers report an unreachable node, and undefined for a doubtful reference to no node.
   *
   * @param sinceMs when the reference arrived; a view taken later is recent enough
   * @throws {NoPublicPortError} if a redirect leads to a node that has no port
   */
  async resolve(ref: NodeRef, from: NatEntry, sinceMs: number): Promise<number | undefined> {
    try {
      return await this.#find(ref, from, sinceMs);
    } catch (error) {
      if (ref.redirects || !(error instanceof NoPublicPortError)) throw error;
      // The table has logged the reasons that it knows.
      if (this.#context.natTable.whyNoPort(ref) === undefined) this.#report(error);
      return 0;
    }
  }

  #report({ message }: NoPublicPortError): void {
    this.#throttle.log("warning", { topic: "ports", cause: message }, [
      "Replied port 0 for a node: {reason}",
      { reason: message },
    ]);
  }

  /** @throws {NoPublicPortError} if the node has no port, or cannot be found */
  async #find(ref: NodeRef, from: NatEntry, sinceMs: number): Promise<number | undefined> {
    const previous = this.#queues.get(from) ?? Promise.resolve();
    const resolving = previous.then(() => this.#resolveByView(ref, from, sinceMs));
    this.#queues.set(from, resolving.catch(() => {}));
    const found = await resolving;
    if (found !== undefined || ref.doubtful) return found;
    this.#throwIfNoPort(ref);
    const identified = await this.#identify(ref);
    // Clients do not connect to addresses of replication links, so these may stay unknown.
    if (identified !== undefined || ref.relation !== undefined) return identified;
    const unknown = "No node of the cluster is known " +
      (ref.id === undefined ? "" : `as ${ref.id} `) + `at ${formatHostPort(ref)}` +
      (ref.slot === undefined ? "" : `, for slot ${ref.slot}`);
    const denial = this.#failures.get(from)?.denial;
    throw new NoPublicPortError(
      denial === undefined ? unknown : `The proxy cannot query the cluster: ${denial.message}`,
    );
  }

  async #resolveByView(
    ref: NodeRef,
    from: NatEntry,
    sinceMs: number,
  ): Promise<number | undefined> {
    const { natTable, sharedPorts } = this.#context;
    await sharedPorts?.claimed();
    // The previous query of the queue may have found the node, or may have been the same.
    const known = natTable.portOf(ref) ?? this.#redirectTarget(ref, from, sinceMs)?.listenPort;
    if (known !== undefined) return known;
    const { view } = natTable;
    if (view !== undefined && performance.now() - view.takenAtMs < NO_PORT_INTERVAL_MS) {
      this.#throwIfNoPort(ref);
    }
    const failedAtMs = this.#failures.get(from)?.atMs ?? -Infinity;
    if (!this.#hasViewOf(from, sinceMs) && failedAtMs < sinceMs) {
      if (ref.doubtful) await this.#paceDoubtful();
      const view = await this.#applyViewOf(from);
      await sharedPorts?.claimed();
      // A node that is not in the cluster, or not yet, still knows itself. But if it lists the node
      // that should have answered, it is another node.
      const isItself = view !== undefined && view.answeredBy.id === ref.id &&
        !view.nodes.some(({ id }) => id === from.id);
      if (isItself) return from.listenPort;
    }
    return natTable.portOf(ref) ??
      this.#redirectTarget(ref, from, sinceMs)?.listenPort ??
      this.#ownerElsewhere(ref, from)?.listenPort ??
      this.#replicationPeer(ref, from)?.listenPort;
  }

  /** Throws for a node that is known to have no port, which no further query would change. */
  #throwIfNoPort(ref: NodeRef): void {
    const { natTable } = this.#context;
    const owner = natTable.view !== undefined && this.#hasSlotOnly(ref) && !ref.asking
      ? ownerOf(natTable.view, ref.slot)
      : undefined;
    const reason = natTable.whyNoPort(owner === undefined ? ref : owner);
    if (reason !== undefined) throw reason;
  }

  /** Spaces the queries for doubtful references. */
  async #paceDoubtful(): Promise<void> {
    const nowMs = performance.now();
    const atMs = Math.max(nowMs, this.#nextDoubtfulMs);
    this.#nextDoubtfulMs = atMs + DOUBTFUL_INTERVAL_MS;
    if (atMs > nowMs) await new Promise((resolve) => setTimeout(resolve, atMs - nowMs));
  }

  /** Applies the view of a node, or else of any other; returns the node's view if it answers. */
  async #applyViewOf(from: NatEntry): Promise<ClusterView | undefined> {
    const { natTable, discovery, apply } = this.#context;
    const atMs = performance.now();
    let view: ClusterView | undefined;
    let denial: NodeConnectionError | undefined;
    try {
      view = await discovery.queryNodeOrThrow(from.address);
    } catch (error) {
      if (!(error instanceof NodeConnectionError)) throw error;
      if (error.isDenied) denial = error;
    }
    if (view !== undefined && natTable.belongsToCluster(view)) {
      this.#failures.delete(from);
      apply(natTable.applyView(view));
      return view;
    }
    this.#failures.set(from, { atMs, denial });
    try {
      apply(natTable.applyView(await discovery.queryAny(queryOptionsFor(natTable))));
    } catch (error) {
      // The discovery has logged that no node answers; the table stays as it is.
      if (!(error instanceof AggregateError)) throw error;
    }
    return view;
  }

  /** The primary of `from`, or its replica: the only one, or the only one with the port. */
  #replicationPeer({ relation, port }: NodeRef, from: NatEntry): NatEntry | undefined {
    const { natTable } = this.#context;
    const { view } = natTable;
    if (relation === undefined || view === undefined) return undefined;
    const own = view.nodes.find((node) => node.id === from.id);
    const peers = view.nodes.filter((node) =>
      relation === "primary" ? node.id === own?.primaryId : node.primaryId === from.id
    );
    const withPort = peers.filter((node) =>
      announcedAddresses(node, view).some((address) => address.port === port)
    );
    const [one, ...more] = withPort.length > 0 ? withPort : peers;
    return one === undefined || more.length > 0 ? undefined : natTable.withId(one.id);
  }

  /**
   * Queries an address that the cluster does not announce, as in ROLE behind another NAT. The
   * answer is accepted only if it is a known node: an unknown server can claim to be anything.
   */
  async #identify(ref: NodeRef): Promise<number | undefined> {
    const { natTable, discovery, apply } = this.#context;
    // An unknown id stays unknown, and at a shared address any of several nodes answers.
    if (ref.id !== undefined || !isAddress(ref) || natTable.isShared(ref)) return undefined;
    const view = await discovery.queryNode(ref);
    const node = view && natTable.withId(view.answeredBy.id);
    if (node !== undefined) apply(natTable.addAlias(node, ref));
    return node?.listenPort;
  }

  /** Whether the latest view is one of `from`, taken since a time. */
  #hasViewOf(from: NatEntry, sinceMs: number): boolean {
    const { view } = this.#context.natTable;
    return view !== undefined && view.answeredBy.id === from.id && view.takenAtMs >= sinceMs;
  }

  /**
   * The target of a redirect that has a slot and no usable address. Nodes disagree while slots
   * move, so only the view of `from` counts, and only the node that migrates a slot lists its
   * target. At the time of the query, the slot may have arrived there or be back at `from`. Then
   * the owner is the target.
   */
  #redirectTarget(ref: NodeRef, from: NatEntry, sinceMs: number): NatEntry | undefined {
    const { natTable } = this.#context;
    const { view } = natTable;
    if (view === undefined || !this.#hasSlotOnly(ref) || !this.#hasViewOf(from, sinceMs)) {
      return undefined;
    }
    const { slot, asking = false } = ref;
    const migrating = asking ? view.answeredBy.migrating.get(slot) : undefined;
    return natTable.withId(migrating ?? ownerOf(view, slot)?.id ?? "");
  }

  /** The owner of a redirect's slot in the latest view, of any node: `from` may not answer. */
  #ownerElsewhere(ref: NodeRef, from: NatEntry): NatEntry | undefined {
    const { natTable } = this.#context;
    if (natTable.view === undefined || !this.#hasSlotOnly(ref) || ref.asking) return undefined;
    const owner = ownerOf(natTable.view, ref.slot)?.id;
    return owner === undefined || owner === from.id ? undefined : natTable.withId(owner);
  }

  /** Whether only the slot of a redirect identifies its target. */
  #hasSlotOnly(ref: NodeRef): ref is NodeRef & { slot: number } {
    if (ref.slot === undefined) return false;
    return !isAddress(ref) || this.#context.natTable.isShared(ref);
  }
}
