import type { MappedNode } from "../cluster/directory.ts";

/**
 * From where the clients of the proxy reached it, and what their nodes take for their addresses:
 * those of the upstream connections. Addresses are texts as CLIENT LIST has them. Two connections
 * to different nodes may have one and the same local address, so each node has its own.
 */
export class ClientAddresses {
  /** Client addresses by upstream address, by node. */
  readonly #byNode = new Map<MappedNode, Map<string, string>>();

  /** Notes a client when its upstream connection is there. */
  add(node: MappedNode, upstream: string, client: string): void {
    let clients = this.#byNode.get(node);
    if (clients === undefined) this.#byNode.set(node, clients = new Map());
    clients.set(upstream, client);
  }

  /** Forgets a client when its upstream connection is closed. */
  delete(node: MappedNode, upstream: string): void {
    const clients = this.#byNode.get(node);
    clients?.delete(upstream);
    if (clients?.size === 0) this.#byNode.delete(node);
  }

  /** The address from which a client of `node` reached the proxy. */
  clientAt(node: MappedNode, upstream: string): string | undefined {
    return this.#byNode.get(node)?.get(upstream);
  }

  /** The inverse of `clientAt`. */
  upstreamOf(node: MappedNode, client: string): string | undefined {
    for (const [upstream, from] of this.#byNode.get(node) ?? []) {
      if (from === client) return upstream;
    }
    return undefined;
  }
}
