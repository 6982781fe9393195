import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { NodeRef } from "../cluster/node_ref.ts";
import type { NodeResolver } from "../nat/node_resolver.ts";
import { decodeFrame, encodeFrame } from "../resp/frame.ts";
import type { PublicAddresses, Rewriter } from "./public_addresses.ts";
import type { DnsCache } from "../platform/dns_cache.ts";

/** What is known of both sides of the proxy. */
export interface AddressSources {
  /** The host that every node has on the public side. */
  readonly publicHost: string;
  readonly natTable: Pick<NatTable, "portOf" | "atPort" | "isKnown">;
  readonly nodeResolver: Pick<NodeResolver, "resolve">;
  readonly clients: ClientAddresses;
  readonly resolver: DnsCache;
}

/**
 * The addresses of the proxy's clients, as text in the form of CLIENT LIST: the client's own, and
 * that of its upstream connection, which its node takes for the client's.
 */
export interface ClientAddresses {
  /**
   * The client's own address; null if no client has this upstream address, undefined if only
   * `fetchClients` can find out.
   */
  clientAt(node: NatEntry, upstream: string): string | null | undefined;
  /** Finds the clients of some upstream addresses; the result has no entry for the others. */
  fetchClients(node: NatEntry, upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The upstream address of a client, if there is such a client. */
  upstreamOf(node: NatEntry, client: string): string | undefined | Promise<string | undefined>;
}

/** Where a frame comes from. */
export interface FrameOrigin {
  readonly from: NatEntry;
  /** When it had come, in milliseconds of the machine's monotonic clock. */
  readonly sinceMs: number;
  readonly addressSources: AddressSources;
}

/**
 * Rewrites a frame that `from` sent, after finding out about nodes it names for the first time.
 *
 * @throws {UnmappedError} when clients are sent to one of them that has no port
 */
export async function rewriteFrame(
  frame: Uint8Array,
  rewrite: Rewriter,
  origin: FrameOrigin,
): Promise<Uint8Array> {
  const { from, sinceMs, addressSources } = origin;
  const addresses = new FrameAddressMapper(from, addressSources);
  const translated = rewriteKnown(frame, rewrite, addresses);
  if (translated !== undefined) return translated;
  const { unknownNodes, unknownClients } = addresses;
  for (const [key, ref] of unknownNodes) {
    addresses.resolvedPorts.set(key, await addressSources.nodeResolver.resolve(ref, from, sinceMs));
  }
  if (unknownClients.size > 0) {
    const { clients } = addressSources;
    addresses.fetchedClients = await clients.fetchClients(from, [...unknownClients]);
  }
  return encodeFrame(rewrite(decodeFrame(frame), addresses));
}

/**
 * Rewrites a frame; undefined if it names strangers. What it is taken apart into takes many times
 * its memory, and is gone before anything is waited for: so there is one such at a time.
 */
function rewriteKnown(
  frame: Uint8Array,
  rewrite: Rewriter,
  addresses: FrameAddressMapper,
): Uint8Array | undefined {
  const value = rewrite(decodeFrame(frame), addresses);
  const isKnown = addresses.unknownNodes.size === 0 && addresses.unknownClients.size === 0;
  return isKnown ? encodeFrame(value) : undefined;
}

/** What is known while one frame is rewritten, and what it turns out not to be. */
class FrameAddressMapper implements PublicAddresses {
  /** The mentions that could not be answered. */
  readonly unknownNodes = new Map<string, NodeRef>();
  /** What was found out about them. */
  readonly resolvedPorts = new Map<string, number | undefined>();
  /** The upstream addresses whose clients have to be fetched. */
  readonly unknownClients = new Set<string>();
  /** The clients that were fetched for them. */
  fetchedClients: ReadonlyMap<string, string> | undefined;
  readonly #from: NatEntry;
  readonly #addressSources: AddressSources;

  constructor(from: NatEntry, addressSources: AddressSources) {
    this.#from = from;
    this.#addressSources = addressSources;
  }

  get host(): string {
    return this.#addressSources.publicHost;
  }

  get ownId(): string {
    return this.#from.id;
  }

  get ownPort(): number {
    return this.#from.publicPort;
  }

  portOf(ref: NodeRef): number | undefined {
    const known = this.#addressSources.natTable.portOf(ref);
    const port = known ?? (ref.own ? this.ownPort : undefined);
    if (port !== undefined) return port;
    const key = JSON.stringify(ref);
    if (!this.resolvedPorts.has(key)) this.unknownNodes.set(key, ref);
    return this.resolvedPorts.get(key);
  }

  clientAt(upstream: string): string | undefined {
    const client = this.fetchedClients?.get(upstream) ??
      this.#addressSources.clients.clientAt(this.#from, upstream);
    if (client === undefined) this.unknownClients.add(upstream);
    return client ?? undefined;
  }
}
