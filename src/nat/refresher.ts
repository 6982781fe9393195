import { formatHostPort } from "../platform/address.ts";
import { AddressCheck } from "./address_check.ts";
import type { AddressConflict, NatTable, Suspect } from "./nat_table.ts";
import type { ClusterDiscovery, QueryOptions } from "../cluster/discovery.ts";
import { dialAddress, isHealthy, isReady } from "../cluster/view.ts";

/**
 * Between two looks at the cluster: what makes one necessary, such as a node that is gone, is
 * noticed by each of its clients.
 */
const MIN_PAUSE_MS = 1000;

/**
 * How many nodes are asked where another is. That its address is not known is a matter of one
 * view as a rule, and a node that is gone for good is asked for again and again.
 */
const MOST_ASKED = 16;

/** Keeps a directory true to its cluster: looks from time to time, and when there is a reason. */
export class TopologyRefresher {
  readonly #natTable: NatTable;
  readonly #discovery: ClusterDiscovery;
  readonly #intervalMs: number;
  readonly #addressCheck: AddressCheck;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #hinted = false;
  /** What is being asked besides. */
  #inquiries: Promise<void> | undefined;
  /** Ends the pause between two looks. */
  #wake = () => {};

  /** @param intervalMs between two looks; Infinity for none without a reason */
  constructor(
    natTable: NatTable,
    discovery: ClusterDiscovery,
    intervalMs: number,
    addressCheck = new AddressCheck(natTable, discovery),
  ) {
    this.#natTable = natTable;
    this.#discovery = discovery;
    this.#intervalMs = intervalMs;
    this.#addressCheck = addressCheck;
  }

  /** Begins to watch, after a first pause. */
  start(): void {
    this.#running = this.#run();
  }

  /** Something says that what is known of the cluster is old; the watch will look soon. */
  requestRefresh(): void {
    this.#hinted = true;
    this.#wake();
  }

  /** Ends the watch, and is done when it has ended; closing the topology first makes it quick. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
    await this.#inquiries;
  }

  async #run(): Promise<void> {
    const minMs = Math.min(MIN_PAUSE_MS, this.#intervalMs);
    for (;;) {
      await this.#pause(minMs, () => this.#stopped);
      await this.#pause(this.#intervalMs - minMs, () => this.#stopped || this.#hinted);
      if (this.#stopped) return;
      this.#hinted = false;
      await this.#look();
    }
  }

  /** Waits for so long, or until something wakes the watch that ends its pause. */
  async #pause(durationMs: number, isOver: () => boolean): Promise<void> {
    if (isOver() || durationMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = () => {
      if (isOver()) resolve();
    };
    const timer = durationMs === Infinity ? undefined : setTimeout(resolve, durationMs);
    await promise;
    clearTimeout(timer);
    this.#wake = () => {};
  }

  async #look(): Promise<void> {
    try {
      const view = await this.#discovery.queryAny(
        queryOptionsFor(this.#natTable, { wanted: isReady }),
      );
      if (!this.#stopped) this.#natTable.applyView(view);
    } catch (error) {
      // It was said that nobody answers, and clients may still be served.
      if (!(error instanceof AggregateError)) throw error;
    }
    // Nodes that do not answer take seconds for that, which the next look need not wait for.
    this.#inquiries ??= this.#inquire().finally(() => this.#inquiries = undefined);
  }

  async #inquire(): Promise<void> {
    await Promise.all([
      ...this.#natTable.addressConflicts.map((dispute) => this.#settle(dispute)),
      ...this.#natTable.suspects.map((suspect) => this.#verify(suspect)),
      assignIds(this.#natTable, this.#discovery),
      resolveAddresses(this.#natTable, this.#discovery),
      this.#addressCheck.run(),
    ]);
  }

  /**
   * Finds out whether a node is gone that views do not list. One that answers where it was, and is
   * in a cluster with others of this one, is served whoever else does not know it.
   */
  async #verify(suspect: Suspect): Promise<void> {
    const view = await this.#discovery.queryNode(suspect.address);
    if (this.#stopped) return;
    const isMember = view?.answeredBy.id === suspect.id && view.nodes.length > 1 &&
      this.#natTable.belongsToCluster(view);
    if (isMember) this.#natTable.keep(suspect);
    else this.#natTable.forget(suspect);
  }

  /**
   * Finds out whether a node has moved. While it answers at its old address, what counts is the
   * address that it announces there. One that came back at another address does not know that
   * itself; there it has moved if it answers at the new one only.
   */
  async #settle({ node, address }: AddressConflict): Promise<void> {
    const isOwn = await this.#discovery.isOwn(address);
    if (isOwn === undefined) return;
    if (isOwn) {
      this.#addressCheck.reportOwn(node, address);
      return;
    }
    const [here, there] = await Promise.all([
      this.#discovery.queryNode(node.address),
      this.#discovery.queryNode(address),
    ]);
    if (there?.answeredBy.id !== node.id || this.#stopped) return;
    if (here?.answeredBy.id !== node.id) this.#natTable.move(node, address);
    else if (formatHostPort(here.answeredAt) === formatHostPort(there.answeredAt)) {
      this.#natTable.move(node, address, true);
    } else {
      const { host, hostname, port } = here.answeredBy;
      const announced = formatHostPort({ host: host || hostname, port });
      if (announced === formatHostPort(address)) this.#natTable.move(node, address);
    }
  }
}

/** A look for the cluster of a directory. */
export function queryOptionsFor(
  natTable: NatTable,
  more: Pick<QueryOptions, "wanted"> = {},
): QueryOptions {
  return {
    known: natTable.nodes.map(({ address }) => address),
    ours: natTable.belongsToCluster.bind(natTable),
    instead: natTable.looksReplaced.bind(natTable),
    ...more,
  };
}

/** Asks the nodes with a pinned port who they are that are not known to be in the cluster. */
export async function assignIds(natTable: NatTable, discovery: ClusterDiscovery): Promise<void> {
  await Promise.all(natTable.unidentified.map(async (node) => {
    const view = await discovery.queryNode(node.address);
    if (view !== undefined) natTable.assignId(node, view.answeredBy.id);
  }));
}

/** Asks other nodes where those are that the last view names by their ids only. */
export async function resolveAddresses(
  natTable: NatTable,
  discovery: ClusterDiscovery,
): Promise<void> {
  const { view } = natTable;
  if (view === undefined || !natTable.hasUnplaced) return;
  const others = view.nodes.filter((node) => isHealthy(node) && node.id !== view.answeredBy.id)
    .map((node) => dialAddress(node, view)).filter((address) => address !== null);
  await Promise.all(
    others.slice(0, MOST_ASKED).map(async (address) => {
      const seen = await discovery.queryNode(address);
      if (seen !== undefined && natTable.belongsToCluster(seen)) natTable.applyView(seen);
    }),
  );
}
