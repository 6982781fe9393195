import type { NatEntry } from "../nat/nat_table.ts";
import type { ClientAddresses } from "./address_sources.ts";

/**
 * The clients that one thread serves: by node, the address of each client and that of its upstream
 * connection. Addresses are text in the form of CLIENT LIST. Two connections to different nodes may
 * have the same local address, so each node has its own maps.
 */
export class ClientRegistry implements ClientAddresses {
  readonly #byNode = new Map<NatEntry, Clients>();
  readonly #countAtPort: Int32Array | undefined;

  /** @param countAtPort the clients of each port, shared by all threads if there are several */
  constructor(countAtPort?: Int32Array) {
    this.#countAtPort = countAtPort;
  }

  /** Adds a client when its upstream connection is open. */
  add(node: NatEntry, upstream: string, client: string): void {
    let clients = this.#byNode.get(node);
    if (clients === undefined) {
      clients = { byUpstream: new Map(), byClient: new Map(), earlier: new Map() };
      this.#byNode.set(node, clients);
    }
    const previous = clients.byUpstream.get(upstream);
    if (previous === undefined) this.#count(node, 1);
    else forgetUpstream(clients, previous, upstream);
    clients.byUpstream.set(upstream, client);
    const other = clients.byClient.get(client);
    clients.byClient.set(client, upstream);
    if (other === undefined) return;
    clients.earlier.set(client, [...clients.earlier.get(client) ?? [], other]);
  }

  /** Deletes a client when its upstream connection is closed. */
  delete(node: NatEntry, upstream: string): void {
    const clients = this.#byNode.get(node);
    const client = clients?.byUpstream.get(upstream);
    if (clients === undefined || client === undefined) return;
    clients.byUpstream.delete(upstream);
    this.#count(node, -1);
    if (clients.byUpstream.size === 0) this.#byNode.delete(node);
    else forgetUpstream(clients, client, upstream);
  }

  /** The number of clients that a node has through the proxy, in all threads. */
  countOf(node: NatEntry): number {
    if (this.#countAtPort !== undefined) {
      return Atomics.load(this.#countAtPort, node.listenPort);
    }
    return this.#byNode.get(node)?.byUpstream.size ?? 0;
  }

  /** Returns the address from which a client of `node` connected to the proxy, or null. */
  clientAt(node: NatEntry, upstream: string): string | null {
    return this.#byNode.get(node)?.byUpstream.get(upstream) ?? null;
  }

  /** The clients among some upstream addresses, by upstream address. */
  among(node: NatEntry, upstreams: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const upstream of upstreams) {
      const client = this.clientAt(node, upstream);
      if (client !== null) found.set(upstream, client);
    }
    return found;
  }

  /** See `ClientAddresses.fetchClients`: with one thread, the same as `among`. */
  fetchClients(node: NatEntry, upstreams: readonly string[]): Promise<Map<string, string>> {
    return Promise.resolve(this.among(node, upstreams));
  }

  /** The inverse of `clientAt`. */
  upstreamOf(node: NatEntry, client: string): string | undefined {
    return this.#byNode.get(node)?.byClient.get(client);
  }

  #count(node: NatEntry, change: 1 | -1): void {
    if (this.#countAtPort === undefined) return;
    Atomics.add(this.#countAtPort, node.listenPort, change);
  }
}

/** The clients of one node, in both directions. */
interface Clients {
  readonly byUpstream: Map<string, string>;
  /** The latest connection of each client. */
  readonly byClient: Map<string, string>;
  /**
   * The earlier ones of clients that have several: a client may connect to two views from one
   * address, or again before its first session has ended.
   */
  readonly earlier: Map<string, readonly string[]>;
}

function forgetUpstream({ byClient, earlier }: Clients, client: string, upstream: string): void {
  const known = [...earlier.get(client) ?? [], byClient.get(client)!];
  const rest = known.filter((one) => one !== upstream);
  const latest = rest.pop();
  if (latest === undefined) byClient.delete(client);
  else byClient.set(client, latest);
  if (rest.length === 0) earlier.delete(client);
  else earlier.set(client, rest);
}
