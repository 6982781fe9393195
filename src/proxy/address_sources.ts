import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { NodeResolver } from "../nat/node_resolver.ts";
import type { PublicView } from "../nat/public_view.ts";
import type { DnsCache } from "../platform/dns_cache.ts";

/** Everything from which sessions look up addresses. */
export interface AddressSources {
  /** What the clients are shown. */
  readonly view: PublicView;
  readonly natTable: Pick<NatTable, "portOf" | "atPort" | "isPrivate" | "hasHostnames">;
  readonly nodeResolver: Pick<NodeResolver, "resolve">;
  /** See `FrontendsContext.readPublicPorts`. */
  readonly readPublicPorts: () => Promise<void>;
  readonly clients: ClientAddresses;
  readonly resolver: Pick<DnsCache, "resolve">;
}

/**
 * The addresses of the proxy's clients, as text in the form of CLIENT LIST: the client's own, and
 * that of its upstream connection, which its node takes for the client's.
 */
export interface ClientAddresses {
  /**
   * The client's own address; null if no client has this upstream address, undefined if
   * `fetchClients` has to query other threads for it.
   */
  clientAt(node: NatEntry, upstream: string): string | null | undefined;
  /** Finds the clients of some upstream addresses; the result has no entry for the others. */
  fetchClients(node: NatEntry, upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The upstream address of a client, if there is such a client. */
  upstreamOf(node: NatEntry, client: string): string | undefined | Promise<string | undefined>;
}
