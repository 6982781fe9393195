import { resolve } from "./net.ts";

/** Long enough for one lookup per run of a tool such as redis-cli, which sends many requests. */
const TTL_MS = 5000;

/** Caches DNS lookups of the public host and of nodes, never of names that clients send. */
export class DnsCache {
  readonly #entries = new Map<string, { atMs: number; addresses: Promise<string[]> }>();

  /** The IP addresses of a host name; empty if there are none. */
  resolve(host: string): Promise<string[]> {
    const entry = this.#entries.get(host);
    const nowMs = performance.now();
    if (entry !== undefined && nowMs - entry.atMs < TTL_MS) return entry.addresses;
    const addresses = resolve(host);
    this.#entries.set(host, { atMs: nowMs, addresses });
    return addresses;
  }
}
