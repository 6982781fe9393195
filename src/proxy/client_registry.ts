import type { NatEntry } from "../nat/nat_table.ts";
import type { ClientCounts } from "./counters.ts";

/**
 * From where the clients of the proxy reached it, and what their nodes take for their addresses:
 * those of the upstream connections. Addresses are texts as CLIENT LIST has them. Two connections
 * to different nodes may have one and the same local address, so each node has its own.
 */
export class ClientRegistry {
  readonly #byNode = new Map<NatEntry, Clients>();
  readonly #counts: ClientCounts | undefined;

  /** @param counts those of all threads, if there are several */
  constructor(counts?: ClientCounts) {
    this.#counts = counts;
  }

  /** Notes a client when its upstream connection is there. */
  add(node: NatEntry, upstream: string, client: string): void {
    let clients = this.#byNode.get(node);
    if (clients === undefined) {
      clients = { byUpstream: new Map(), byClient: new Map() };
      this.#byNode.set(node, clients);
    }
    if (!clients.byUpstream.has(upstream)) this.#count(node, 1);
    clients.byUpstream.set(upstream, client);
    clients.byClient.set(client, upstream);
    this.#counts?.arrivals.add(1);
  }

  /** Forgets a client when its upstream connection is closed. */
  delete(node: NatEntry, upstream: string): void {
    const clients = this.#byNode.get(node);
    const client = clients?.byUpstream.get(upstream);
    if (clients === undefined || client === undefined) return;
    clients.byUpstream.delete(upstream);
    this.#count(node, -1);
    this.#counts?.departures.add(1);
    // The system may have given its address to another by now.
    if (clients.byClient.get(client) === upstream) clients.byClient.delete(client);
    if (clients.byUpstream.size === 0) this.#byNode.delete(node);
  }

  /** How many clients a node has through the proxy. */
  countOf(node: NatEntry): number {
    if (this.#counts !== undefined) return Atomics.load(this.#counts.atPort, node.publicPort);
    return this.#byNode.get(node)?.byUpstream.size ?? 0;
  }

  /** The address from which a client of `node` reached the proxy. */
  clientAt(node: NatEntry, upstream: string): string | undefined {
    return this.#byNode.get(node)?.byUpstream.get(upstream);
  }

  /** Those of some upstream addresses that are of clients, with the clients' own. */
  among(node: NatEntry, upstreams: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const upstream of upstreams) {
      const client = this.clientAt(node, upstream);
      if (client !== undefined) found.set(upstream, client);
    }
    return found;
  }

  /** The inverse of `clientAt`. */
  upstreamOf(node: NatEntry, client: string): string | undefined {
    return this.#byNode.get(node)?.byClient.get(client);
  }

  #count(node: NatEntry, change: 1 | -1): void {
    if (this.#counts !== undefined) Atomics.add(this.#counts.atPort, node.publicPort, change);
  }
}

/** The clients of one node, both ways. */
interface Clients {
  readonly byUpstream: Map<string, string>;
  readonly byClient: Map<string, string>;
}
