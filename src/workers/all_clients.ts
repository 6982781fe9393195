import type { NatEntry } from "../nat/nat_table.ts";
import { splitAddress } from "../platform/address.ts";
import type { ClientAddresses } from "../proxy/address_sources.ts";
import type { ClientRegistry } from "../proxy/client_registry.ts";

/** Queries all other threads for their clients. */
export interface OtherClients {
  /** The clients among some upstream addresses, by upstream address. */
  fetchClients(node: NatEntry, upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The upstream address of a client. */
  upstreamOf(node: NatEntry, client: string): Promise<string | undefined>;
}

/** The clients of all threads: its own from the registry, those of the others from queries. */
export class AllClients implements ClientAddresses {
  readonly #own: ClientRegistry;
  readonly #others: OtherClients;

  /** @param own the clients of this thread */
  constructor(own: ClientRegistry, others: OtherClients) {
    this.#own = own;
    this.#others = others;
  }

  /** The client's own address; null if there is no client, undefined if it has to be fetched. */
  clientAt(node: NatEntry, upstream: string): string | null | undefined {
    const own = this.#own.clientAt(node, upstream);
    if (own !== null) return own;
    // Arguments of requests are checked, too, and most of them are not addresses.
    return splitAddress(upstream) === undefined ? null : undefined;
  }

  /** Finds clients of the other threads. */
  fetchClients(
    node: NatEntry,
    upstreams: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    return this.#others.fetchClients(node, upstreams);
  }

  /** The upstream address of a client. */
  upstreamOf(node: NatEntry, client: string): string | Promise<string | undefined> {
    return this.#own.upstreamOf(node, client) ?? this.#others.upstreamOf(node, client);
  }
}
