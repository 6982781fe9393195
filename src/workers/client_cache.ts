import type { NatEntry } from "../nat/nat_table.ts";
import type { OtherClients } from "../rewrite/address_mapper.ts";
import type { ClientCounts } from "../proxy/counters.ts";

/** So many addresses of clients take about a megabyte. */
const MOST_REMEMBERED = 10_000;

/**
 * Remembers what other threads have said about their clients for as long as it surely holds: that
 * an address is a client's, until any client leaves; that it is none's, until any client comes.
 */
export class ClientCache implements OtherClients {
  readonly #asked: Pick<OtherClients, "clientsAt" | "upstreamOf">;
  readonly #counts: ClientCounts;
  /** By public port and upstream address. */
  readonly #clients = new Map<string, string>();
  /** The addresses that are no client's. */
  readonly #strangers = new Set<string>();
  #arrivals = 0;
  #departures = 0;

  constructor(asked: Pick<OtherClients, "clientsAt" | "upstreamOf">, counts: ClientCounts) {
    this.#asked = asked;
    this.#counts = counts;
  }

  clientAt(node: NatEntry, upstream: string): string | null | undefined {
    this.#forget();
    const key = keyOf(node, upstream);
    return this.#clients.get(key) ?? (this.#strangers.has(key) ? null : undefined);
  }

  async clientsAt(
    node: NatEntry,
    upstreams: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const [arrivals, departures] = this.#forget();
    const found = await this.#asked.clientsAt(node, upstreams);
    this.#forget();
    for (const upstream of upstreams) {
      const key = keyOf(node, upstream);
      const client = found.get(upstream);
      if (client === undefined) {
        if (arrivals === this.#arrivals) makeRoom(this.#strangers).add(key);
      } else if (departures === this.#departures) makeRoom(this.#clients).set(key, client);
    }
    return found;
  }

  upstreamOf(node: NatEntry, client: string): Promise<string | undefined> {
    return this.#asked.upstreamOf(node, client);
  }

  /** Forgets what may not hold any more, and returns what tells that of the rest later. */
  #forget(): [arrivals: number, departures: number] {
    const [arrivals, departures] = [this.#counts.arrivals.value, this.#counts.departures.value];
    if (arrivals !== this.#arrivals) this.#strangers.clear();
    if (departures !== this.#departures) this.#clients.clear();
    this.#arrivals = arrivals;
    this.#departures = departures;
    return [arrivals, departures];
  }
}

/** Forgets all if there is no room for one more: what is asked for often is soon known again. */
function makeRoom<Memory extends { readonly size: number; clear(): void }>(memory: Memory): Memory {
  if (memory.size === MOST_REMEMBERED) memory.clear();
  return memory;
}

function keyOf({ publicPort }: NatEntry, upstream: string): string {
  return `${publicPort} ${upstream}`;
}
