import { splitAddress } from "../platform/address.ts";
import type { Directory, MappedNode, Mention } from "../nat/nat_table.ts";
import type { Locator } from "../nat/node_resolver.ts";
import { decodeFrame, encodeFrame } from "../resp/frame.ts";
import type { Naming, Rewriter } from "./address_map.ts";
import type { ClientAddresses } from "../proxy/client_registry.ts";
import type { Resolver } from "../platform/dns_cache.ts";

/** What is known of both sides of the proxy. */
export interface Whereabouts {
  /** The host that every node has on the public side. */
  readonly publicHost: string;
  readonly directory: Pick<Directory, "portOf" | "atPort" | "isKnown">;
  readonly locator: Pick<Locator, "locate">;
  readonly clients: ClientAddresses;
  /** Those of the clients that other threads serve, if there are any. */
  readonly others: OtherClients | undefined;
  readonly resolver: Resolver;
}

/** The clients that other threads serve, about which they have to be asked. */
export interface OtherClients {
  /**
   * The address of such a client by its upstream address, as far as they were asked: null if it is
   * none's, undefined if they have to be asked.
   */
  clientAt(node: MappedNode, upstream: string): string | null | undefined;
  /** Those among some upstream addresses that are of such clients, with the clients' own. */
  clientsAt(node: MappedNode, upstreams: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The upstream address of such a client. */
  upstreamOf(node: MappedNode, client: string): Promise<string | undefined>;
}

/** Where a frame comes from. */
export interface FrameOrigin {
  readonly from: MappedNode;
  /** When it had come, in milliseconds of the machine's monotonic clock. */
  readonly sinceMs: number;
  readonly whereabouts: Whereabouts;
}

/**
 * Rewrites a frame that `from` sent, after finding out about nodes it names for the first time.
 *
 * @throws {UnmappedError} when clients are sent to one of them that has no port
 */
export async function translate(
  frame: Uint8Array,
  rewrite: Rewriter,
  origin: FrameOrigin,
): Promise<Uint8Array> {
  const { from, sinceMs, whereabouts } = origin;
  const naming = new FrameNaming(from, whereabouts);
  const translated = rewriteKnown(frame, rewrite, naming);
  if (translated !== undefined) return translated;
  const { strangers, unheard } = naming;
  for (const [key, mention] of strangers) {
    naming.located.set(key, await whereabouts.locator.locate(mention, from, sinceMs));
  }
  if (unheard.size > 0) naming.heard = await whereabouts.others!.clientsAt(from, [...unheard]);
  return encodeFrame(rewrite(decodeFrame(frame), naming));
}

/**
 * Rewrites a frame; undefined if it names strangers. What it is taken apart into takes many times
 * its memory, and is gone before anything is waited for: so there is one such at a time.
 */
function rewriteKnown(
  frame: Uint8Array,
  rewrite: Rewriter,
  naming: FrameNaming,
): Uint8Array | undefined {
  const value = rewrite(decodeFrame(frame), naming);
  const isKnown = naming.strangers.size === 0 && naming.unheard.size === 0;
  return isKnown ? encodeFrame(value) : undefined;
}

/** What is known while one frame is rewritten, and what it turns out not to be. */
class FrameNaming implements Naming {
  /** The mentions that could not be answered. */
  readonly strangers = new Map<string, Mention>();
  /** What was found out about them. */
  readonly located = new Map<string, number | undefined>();
  /** The addresses that may be those of other threads' clients. */
  readonly unheard = new Set<string>();
  /** What the other threads said to them. */
  heard: ReadonlyMap<string, string> | undefined;
  readonly #from: MappedNode;
  readonly #whereabouts: Whereabouts;

  constructor(from: MappedNode, whereabouts: Whereabouts) {
    this.#from = from;
    this.#whereabouts = whereabouts;
  }

  get host(): string {
    return this.#whereabouts.publicHost;
  }

  get ownId(): string {
    return this.#from.id;
  }

  get ownPort(): number {
    return this.#from.publicPort;
  }

  portOf(mention: Mention): number | undefined {
    const known = this.#whereabouts.directory.portOf(mention);
    const port = known ?? (mention.own ? this.ownPort : undefined);
    if (port !== undefined) return port;
    const key = JSON.stringify(mention);
    if (!this.located.has(key)) this.strangers.set(key, mention);
    return this.located.get(key);
  }

  clientAt(upstream: string): string | undefined {
    const { clients, others } = this.#whereabouts;
    const own = clients.clientAt(this.#from, upstream) ?? this.heard?.get(upstream);
    // The words of requests are asked for, too, and most are no addresses.
    if (own !== undefined || others === undefined || splitAddress(upstream) === undefined) {
      return own;
    }
    const other = others.clientAt(this.#from, upstream);
    if (other === undefined) this.unheard.add(upstream);
    return other ?? undefined;
  }
}
