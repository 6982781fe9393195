import type { NodeRef } from "../cluster/node_ref.ts";
import { decodeFrame, encodeFrame } from "../resp/frame.ts";
import type { PublicAddresses, Rewriter } from "./public_addresses.ts";

/** Looks up public addresses for the frames of one node. */
export interface AddressLookup {
  /** The host that clients get for every node. */
  readonly publicHost: string;
  /** The node that sends the frames. */
  readonly node: { readonly id: string; readonly publicPort: number };
  /** The public port of a node; undefined if `resolvePort` has to find out. */
  portOf(ref: NodeRef): number | undefined;
  /**
   * Queries the cluster for the public port of a node; 0 if it has none.
   *
   * @param sinceMs when the frame arrived: an older view of the cluster does not count
   * @throws {Error} if clients are sent to the node, and it has no port
   */
  resolvePort(ref: NodeRef, sinceMs: number): Promise<number | undefined>;
  /**
   * The address of a client by that of its upstream connection; null if there is no such client,
   * undefined if `fetchClients` has to find out.
   */
  clientAt(upstream: string): string | null | undefined;
  /** Finds the clients of some upstream addresses; the result has no entry for the others. */
  fetchClients(upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/**
 * Rewrites a frame of a node. Nodes and clients that are not known yet are looked up first.
 *
 * @param sinceMs when the frame arrived, by the monotonic clock
 * @throws what `AddressLookup.resolvePort` throws
 */
export async function rewriteFrame(
  frame: Uint8Array,
  rewrite: Rewriter,
  lookup: AddressLookup,
  sinceMs: number,
): Promise<Uint8Array> {
  const addresses = new FrameAddressMapper(lookup);
  const rewritten = rewriteKnown(frame, rewrite, addresses);
  if (rewritten !== undefined) return rewritten;
  const { unknownNodes, unknownClients } = addresses;
  for (const [key, ref] of unknownNodes) {
    addresses.resolvedPorts.set(key, await lookup.resolvePort(ref, sinceMs));
  }
  if (unknownClients.size > 0) {
    addresses.fetchedClients = await lookup.fetchClients([...unknownClients]);
  }
  return encodeFrame(rewrite(decodeFrame(frame), addresses));
}

/**
 * Rewrites a frame; undefined if it refers to unknown nodes or clients. A decoded frame takes many
 * times the memory of its bytes. It is released before the first await, so there is only one at a
 * time.
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

/** Maps the addresses in one frame, and collects those that it does not know. */
class FrameAddressMapper implements PublicAddresses {
  /** The references without a known port, by their JSON. */
  readonly unknownNodes = new Map<string, NodeRef>();
  /** The ports that were found for them. */
  readonly resolvedPorts = new Map<string, number | undefined>();
  /** The upstream addresses whose clients have to be fetched. */
  readonly unknownClients = new Set<string>();
  /** The clients that were found for them. */
  fetchedClients: ReadonlyMap<string, string> | undefined;
  readonly #lookup: AddressLookup;

  constructor(lookup: AddressLookup) {
    this.#lookup = lookup;
  }

  get host(): string {
    return this.#lookup.publicHost;
  }

  get ownId(): string {
    return this.#lookup.node.id;
  }

  get ownPort(): number {
    return this.#lookup.node.publicPort;
  }

  portOf(ref: NodeRef): number | undefined {
    const port = this.#lookup.portOf(ref) ?? (ref.own ? this.ownPort : undefined);
    if (port !== undefined) return port;
    const key = JSON.stringify(ref);
    if (!this.resolvedPorts.has(key)) this.unknownNodes.set(key, ref);
    return this.resolvedPorts.get(key);
  }

  clientAt(upstream: string): string | undefined {
    const client = this.fetchedClients?.get(upstream) ?? this.#lookup.clientAt(upstream);
    if (client === undefined) this.unknownClients.add(upstream);
    return client ?? undefined;
  }
}
