import { resolve } from "./net.ts";

/** A name is looked up once for all the requests of one run of a tool. */
const FRESH_MS = 5000;

/** Looks names up, each once in a while: those of the public host and of nodes, no client's. */
export class DnsCache {
  readonly #found = new Map<string, { atMs: number; addresses: Promise<string[]> }>();

  /** The IP addresses of a host name, or none. */
  resolve(host: string): Promise<string[]> {
    const found = this.#found.get(host);
    const nowMs = performance.now();
    if (found !== undefined && nowMs - found.atMs < FRESH_MS) return found.addresses;
    const addresses = resolve(host);
    this.#found.set(host, { atMs: nowMs, addresses });
    return addresses;
  }
}
