import type { NatEntry } from "../nat/nat_table.ts";
import { splitAddress } from "../platform/address.ts";
import type { ClientRegistry } from "../proxy/client_registry.ts";
import type { ClientCounts } from "../proxy/counters.ts";
import type { ClientAddresses } from "../proxy/address_sources.ts";

/** Queries all other threads for their clients. */
export interface OtherClients {
  /** The clients among some upstream addresses, by upstream address. */
  fetchClients(node: NatEntry, upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The upstream address of a client. */
  upstreamOf(node: NatEntry, client: string): Promise<string | undefined>;
}

/** This many addresses of clients take about a megabyte. */
const MAX_CACHED = 10_000;

/**
 * The clients of all threads, as one thread knows them: its own from its registry, the others from
 * queries. Answers are cached for as long as they certainly hold: the client of an upstream address
 * until any client leaves, the absence of one until any client arrives.
 */
export class ClientCache implements ClientAddresses {
  readonly #own: ClientRegistry;
  readonly #others: OtherClients;
  readonly #counts: ClientCounts;
  /** By public port and upstream address. */
  readonly #clients = new Map<string, string>();
  /** The upstream addresses that belong to no client. */
  readonly #absent = new Set<string>();
  #arrivals = 0;
  #departures = 0;

  /** @param own the clients of this thread */
  constructor(own: ClientRegistry, others: OtherClients, counts: ClientCounts) {
    this.#own = own;
    this.#others = others;
    this.#counts = counts;
  }

  /** The client's own address; null if there is no client, undefined if it has to be fetched. */
  clientAt(node: NatEntry, upstream: string): string | null | undefined {
    const own = this.#own.clientAt(node, upstream);
    if (own !== null) return own;
    // Arguments of requests are checked, too, and most of them are not addresses.
    if (splitAddress(upstream) === undefined) return null;
    this.#expire();
    const key = keyOf(node, upstream);
    return this.#clients.get(key) ?? (this.#absent.has(key) ? null : undefined);
  }

  /** Queries the other threads, and caches their answers. */
  async fetchClients(
    node: NatEntry,
    upstreams: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const [arrivals, departures] = this.#expire();
    const found = await this.#others.fetchClients(node, upstreams);
    this.#expire();
    for (const upstream of upstreams) {
      const key = keyOf(node, upstream);
      const client = found.get(upstream);
      if (client === undefined) {
        if (arrivals === this.#arrivals) makeRoom(this.#absent).add(key);
      } else if (departures === this.#departures) makeRoom(this.#clients).set(key, client);
    }
    return found;
  }

  /** The upstream address of a client, which is not cached. */
  upstreamOf(node: NatEntry, client: string): string | Promise<string | undefined> {
    return this.#own.upstreamOf(node, client) ?? this.#others.upstreamOf(node, client);
  }

  /** Drops what may not hold any more, and returns the counts by which the rest can be checked. */
  #expire(): [arrivals: number, departures: number] {
    const [arrivals, departures] = [this.#counts.arrivals.value, this.#counts.departures.value];
    if (arrivals !== this.#arrivals) this.#absent.clear();
    if (departures !== this.#departures) this.#clients.clear();
    this.#arrivals = arrivals;
    this.#departures = departures;
    return [arrivals, departures];
  }
}

/** Clears a full cache: what is used often is soon fetched again. */
function makeRoom<Cache extends { readonly size: number; clear(): void }>(cache: Cache): Cache {
  if (cache.size === MAX_CACHED) cache.clear();
  return cache;
}

function keyOf({ publicPort }: NatEntry, upstream: string): string {
  return `${publicPort} ${upstream}`;
}
