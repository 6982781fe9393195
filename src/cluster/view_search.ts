import { formatHostPort, type HostPort } from "../platform/address.ts";
import { withTimeout } from "../platform/timeout.ts";
import { NodeConnectionError } from "./node_connection_error.ts";
import { type ClusterView, failedAddresses, isBetter } from "./view.ts";

/** Which views a search accepts, and which one ends it. */
export interface SearchOptions {
  /** Whether a view is good enough to end the search. If none is, the best view is the result. */
  readonly isSufficient?: (view: ClusterView) => boolean;
  /** Whether a view shows the right cluster: a former address may belong to another one now. */
  readonly belongs?: (view: ClusterView) => boolean;
  /** Whether to accept another cluster's view from a seed, if no node has a view that belongs. */
  readonly replaces?: (view: ClusterView) => boolean;
}

/** The addresses at which a search starts. */
export interface SearchAddresses {
  /** Queried before the seeds. */
  readonly known: readonly HostPort[];
  readonly seeds: readonly HostPort[];
}

/** Addresses to query instead: those of a name, or the nodes that a discovery service lists. */
export interface Referral {
  readonly addresses: readonly HostPort[];
  /** The error to report if none of the addresses answers. */
  readonly reason?: NodeConnectionError;
}

/** Queries one address. It throws if no node answers. */
export type QueryAddress = (address: HostPort, isSeed: boolean) => Promise<ClusterView | Referral>;

/**
 * A node that has not answered after this time may hang, so the next one is queried, too. Distant
 * nodes answer within it; RFC 8305 recommends it between attempts to the addresses of a host.
 */
const HEAD_START_MS = 250;

/** How long to wait for a better view once there is one and no further node to query. */
const BETTER_VIEW_WAIT_MS = 1000;

/**
 * One search for the best view of a cluster. It queries one address after the other, seeds last,
 * until a view `isSufficient`. A node that does not answer soon does not delay the next one. Nodes
 * that a view reports as failed are skipped.
 */
export class ViewSearch {
  /** Why addresses have given no view. */
  readonly errors: unknown[] = [];
  readonly #query: QueryAddress;
  readonly #isSufficient: (view: ClusterView) => boolean;
  readonly #belongs: (view: ClusterView) => boolean;
  readonly #replaces: (view: ClusterView) => boolean;
  /** The addresses to query next. */
  readonly #queue: HostPort[];
  /** The addresses of seeds, as text. */
  readonly #seeds: Set<string>;
  /** The addresses that were queried, or that are skipped, as text. */
  readonly #done = new Set<string>();
  /** The queries in progress. */
  readonly #pending = new Set<Promise<void>>();
  /** The best view that belongs. */
  #found: ClusterView | undefined;
  /** The first view of another cluster that replaces this one. */
  #replacement: ClusterView | undefined;

  constructor({ known, seeds }: SearchAddresses, query: QueryAddress, options: SearchOptions) {
    this.#queue = [...known, ...seeds];
    this.#seeds = new Set(seeds.map(formatHostPort));
    this.#query = query;
    this.#isSufficient = options.isSufficient ?? (() => true);
    this.#belongs = options.belongs ?? (() => true);
    this.#replaces = options.replaces ?? this.#belongs;
  }

  /** Returns the best view, or undefined if no node has sent one before `signal` is aborted. */
  async run(signal: AbortSignal): Promise<ClusterView | undefined> {
    while (!signal.aborted && !this.#hasSufficient()) {
      const address = this.#queue.shift();
      if (address !== undefined && !this.#start(address)) continue;
      if (this.#pending.size === 0) break;
      const answer = Promise.race(this.#pending).then(() => true);
      const answered = await withTimeout(answer, this.#waitMs());
      if (answered === undefined && this.#queue.length === 0) break;
    }
    return this.#found ?? this.#replacement;
  }

  #hasSufficient(): boolean {
    return this.#found !== undefined && this.#isSufficient(this.#found);
  }

  /** Starts to query an address; returns false if that is done or skipped. */
  #start(address: HostPort): boolean {
    const text = formatHostPort(address);
    if (this.#done.has(text)) return false;
    this.#done.add(text);
    const query: Promise<void> = this.#queryAddress(address, text)
      .finally(() => this.#pending.delete(query));
    this.#pending.add(query);
    return true;
  }

  /** How long to wait for the queries in progress. */
  #waitMs(): number {
    if (this.#queue.length > 0) return HEAD_START_MS;
    return (this.#found ?? this.#replacement) === undefined ? Infinity : BETTER_VIEW_WAIT_MS;
  }

  async #queryAddress(address: HostPort, text: string): Promise<void> {
    try {
      const answer = await this.#query(address, this.#seeds.has(text));
      if ("addresses" in answer) this.#follow(answer, text);
      else this.#consider(answer, text);
    } catch (error) {
      this.errors.push(error);
    }
  }

  /** Queues the addresses of a referral. Those of a seed are seeds, and come before the next one. */
  #follow({ addresses, reason }: Referral, text: string): void {
    if (this.#seeds.has(text)) {
      for (const address of addresses) this.#seeds.add(formatHostPort(address));
    }
    this.#queue.unshift(...addresses);
    if (reason !== undefined) this.errors.push(reason);
  }

  #consider(view: ClusterView, text: string): void {
    if (this.#belongs(view)) {
      if (this.#found === undefined || !isBetter(this.#found, view)) this.#found = view;
      for (const failed of failedAddresses(view)) this.#done.add(formatHostPort(failed));
    } else if (this.#seeds.has(text) && this.#replaces(view)) this.#replacement ??= view;
    else this.errors.push(new NodeConnectionError(`Node ${text} is in another cluster now`));
  }
}
