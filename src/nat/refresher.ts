import { formatHostPort } from "../platform/address.ts";
import { isReady } from "../cluster/view.ts";
import type { AddressCheck } from "./address_check.ts";
import type { MissingNode } from "./missing_nodes.ts";
import type { AddressConflict } from "./nat_table.ts";
import { assignIds, type NatContext, queryOptionsFor, resolveAddresses } from "./queries.ts";

/** At least between two refreshes, because each client of a node that is gone requests one. */
const MIN_PAUSE_MS = 1000;

/** How a `TopologyRefresher` refreshes. */
export interface TopologyRefresherOptions {
  /** The time between two refreshes; Infinity to refresh on request only. */
  readonly intervalMs: number;
  readonly addressCheck: AddressCheck;
}

/** Keeps the NAT table up to date: queries the cluster at intervals, and on request. */
export class TopologyRefresher {
  readonly #context: NatContext;
  readonly #intervalMs: number;
  readonly #addressCheck: AddressCheck;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isRequested = false;
  /** The verification that is in progress. */
  #verifying: Promise<void> | undefined;
  /** Ends the pause between two refreshes, if its condition holds. */
  #wake = () => {};

  constructor(context: NatContext, { intervalMs, addressCheck }: TopologyRefresherOptions) {
    this.#context = context;
    this.#intervalMs = intervalMs;
    this.#addressCheck = addressCheck;
  }

  /** Starts to refresh, after a first pause. */
  start(): void {
    this.#running = this.#run();
  }

  /** Requests a refresh soon, because the table may be outdated. */
  requestRefresh(): void {
    this.#isRequested = true;
    this.#wake();
  }

  /** Stops, and resolves when no query is in progress; close the discovery first to end queries. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
    await this.#verifying;
  }

  async #run(): Promise<void> {
    const minMs = Math.min(MIN_PAUSE_MS, this.#intervalMs);
    for (;;) {
      await this.#pause(minMs, () => this.#isStopped);
      await this.#pause(this.#intervalMs - minMs, () => this.#isStopped || this.#isRequested);
      if (this.#isStopped) return;
      this.#isRequested = false;
      await this.#refresh();
    }
  }

  /** Waits for a time, or until `#wake` is called while `isOver` holds. */
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

  async #refresh(): Promise<void> {
    const { natTable, discovery, apply } = this.#context;
    try {
      const view = await discovery.queryAny(queryOptionsFor(natTable, { isSufficient: isReady }));
      if (!this.#isStopped) apply(natTable.applyView(view));
    } catch (error) {
      // The discovery has logged that no node answers; clients may still be served.
      if (!(error instanceof AggregateError)) throw error;
    }
    // The next refresh does not wait: a node that does not answer takes seconds.
    this.#verifying ??= this.#verify().finally(() => this.#verifying = undefined);
  }

  async #verify(): Promise<void> {
    const { natTable } = this.#context;
    await Promise.all([
      ...natTable.addressConflicts.map((conflict) => this.#verifyMove(conflict)),
      ...natTable.longMissing.map((missing) => this.#verifyMissing(missing)),
      assignIds(this.#context),
      resolveAddresses(this.#context),
      this.#addressCheck.run(),
    ]);
  }

  /**
   * Verifies that a node is gone. A node that answers at its address, and lists others of this
   * cluster, stays, even if these do not list it.
   */
  async #verifyMissing(missing: MissingNode): Promise<void> {
    const { natTable, discovery, apply } = this.#context;
    const view = missing.address && await discovery.queryNode(missing.address);
    if (this.#isStopped) return;
    const isMember = view?.answeredBy.id === missing.id && view.nodes.length > 1 &&
      natTable.belongsToCluster(view);
    if (isMember) natTable.keep(missing);
    else apply(natTable.forget(missing));
  }

  /**
   * Verifies that a node has moved. While it answers at its old address, it has moved only if it
   * announces the new one there. A node that restarts at another address may not know that; it has
   * moved if it answers at the new address only.
   */
  async #verifyMove({ node, reportedAddress: address }: AddressConflict): Promise<void> {
    const { natTable, discovery, apply } = this.#context;
    const isOwn = await discovery.isOwn(address);
    if (isOwn === undefined) return;
    if (isOwn) {
      this.#addressCheck.reportOwn(node, address);
      return;
    }
    const [here, there] = await Promise.all([
      discovery.queryNode(node.address),
      discovery.queryNode(address),
    ]);
    if (there?.answeredBy.id !== node.id || this.#isStopped) return;
    if (here?.answeredBy.id !== node.id) apply(natTable.move(node, address));
    else if (formatHostPort(here.answeredAt) === formatHostPort(there.answeredAt)) {
      apply(natTable.move(node, address, true));
    } else {
      const { host, hostname, port } = here.answeredBy;
      const announced = formatHostPort({ host: host || hostname, port });
      if (announced === formatHostPort(address)) apply(natTable.move(node, address));
    }
  }
}
