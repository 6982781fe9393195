import { resolve } from "./net.ts";

/** One look-up of a name serves all requests of one run of a tool. */
const FRESH_MS = 5000;

/** Caches DNS look-ups of the public host and of nodes, never of names that clients send. */
export class DnsCache {
  readonly #entries = new Map<string, { atMs: number; addresses: Promise<string[]> }>();

  /** The IP addresses of a host name; empty if there are none. */
  resolve(host: string): Promise<string[]> {
    const entry = this.#entries.get(host);
    const nowMs = performance.now();
    if (entry !== undefined && nowMs - entry.atMs < FRESH_MS) return entry.addresses;
    const addresses = resolve(host);
    this.#entries.set(host, { atMs: nowMs, addresses });
    return addresses;
  }
}
