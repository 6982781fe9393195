import type { NodeRef } from "../cluster/node_ref.ts";
import type { AddressMap } from "./address_map.ts";
import type { PublicAddresses } from "./public_addresses.ts";

/**
 * The public addresses of one frame. Rewriters do not wait, so this records the nodes and clients
 * that are not known at once. After `resolve` has found them the frame is rewritten again.
 */
export class FrameAddresses implements PublicAddresses {
  readonly #addressMap: AddressMap;
  /** The node references without a known port, by their JSON. */
  readonly #unknownNodes = new Map<string, NodeRef>();
  /** The ports that were found for them. */
  readonly #resolvedPorts = new Map<string, number | undefined>();
  /** The upstream addresses whose clients have to be fetched. */
  readonly #unknownClients = new Set<string>();
  /** The clients that were found for them. */
  #fetchedClients: ReadonlyMap<string, string> | undefined;

  constructor(addressMap: AddressMap) {
    this.#addressMap = addressMap;
  }

  /** See `PublicAddresses.host`. */
  get host(): string {
    return this.#addressMap.publicHost;
  }

  /** See `PublicAddresses.ip`. */
  get ip(): string {
    return this.#addressMap.publicIp ?? this.#addressMap.publicHost;
  }

  /** See `PublicAddresses.addsHostnames`. */
  get addsHostnames(): boolean {
    return this.#addressMap.publicIp !== undefined && this.#addressMap.hasHostnames;
  }

  /** See `PublicAddresses.ownId`. */
  get ownId(): string {
    return this.#addressMap.ownId;
  }

  /** See `PublicAddresses.ownPort`. */
  get ownPort(): number {
    return this.#addressMap.ownPort;
  }

  /** See `PublicAddresses.portOf`; a node that is not known at once is recorded. */
  portOf(ref: NodeRef): number | undefined {
    const port = this.#addressMap.portOf(ref) ?? (ref.own ? this.ownPort : undefined);
    if (port !== undefined) return port;
    const key = JSON.stringify(ref);
    if (!this.#resolvedPorts.has(key)) this.#unknownNodes.set(key, ref);
    return this.#resolvedPorts.get(key);
  }

  /** See `PublicAddresses.clientAt`; a client that is not known at once is recorded. */
  clientAt(upstream: string): string | undefined {
    const client = this.#fetchedClients?.get(upstream) ?? this.#addressMap.clientAt(upstream);
    if (client === undefined) this.#unknownClients.add(upstream);
    return client ?? undefined;
  }

  /** Whether every node and client so far was known at once. */
  get isComplete(): boolean {
    return this.#unknownNodes.size === 0 && this.#unknownClients.size === 0;
  }

  /**
   * Finds the nodes and clients that were not known.
   *
   * @param sinceMs when the frame arrived, in milliseconds of the monotonic clock
   * @throws what `AddressMap.resolvePort` throws
   */
  async resolve(sinceMs: number): Promise<void> {
    for (const [key, ref] of this.#unknownNodes) {
      this.#resolvedPorts.set(key, await this.#addressMap.resolvePort(ref, sinceMs));
    }
    if (this.#unknownClients.size > 0) {
      this.#fetchedClients = await this.#addressMap.fetchClients([...this.#unknownClients]);
    }
  }
}
