import {
  type HostPort,
  isIpAddress,
  isLocalhost,
  isLoopback,
  isSameHost,
  isWildcard,
} from "../platform/address.ts";
import { isLocalAddress } from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";

/** Clients wait for the lookup, and the name server may not answer. */
const PUBLIC_LOOKUP_LIMIT_MS = 250;

/** The address of the public host rarely changes. */
const PUBLIC_LOOKUP_INTERVAL_MS = 60_000;

/** How long a check of a host is valid. It takes a socket or a lookup, too much for each client. */
const OWN_HOST_TTL_MS = 5000;

/** Where the proxy listens, and what clients are told. */
export interface OwnAddressOptions {
  /** The address on which the proxy listens; its port is not used. */
  readonly listen: HostPort;
  /** The host that clients get for every node. */
  readonly publicHost: string;
}

/** The public ports of the proxy. */
export interface PublicPorts {
  /** Returns the node that is served on a port, or undefined. */
  atPort(publicPort: number): unknown;
}

/** Recognises the ports of the proxy itself, which it must not dial. */
export class OwnAddresses {
  readonly #options: OwnAddressOptions;
  readonly #ports: PublicPorts;
  readonly #resolve: (host: string) => Promise<string[]>;
  /** The results of `#isOwnHost` by host, and the time of the first. */
  #hosts = { sinceMs: -Infinity, own: new Map<string, Promise<boolean>>() };
  /** The last lookup of the public host, the time of its start, and the last addresses found. */
  #publicLookup: Promise<void> = Promise.resolve();
  #publicLookupAtMs = -Infinity;
  #publicIps: readonly string[] = [];

  constructor(
    options: OwnAddressOptions,
    ports: PublicPorts,
    resolveHost: (host: string) => Promise<string[]>,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#resolve = resolveHost;
  }

  /**
   * Whether an address is a port of the proxy itself.
   *
   * @throws an error for which `isExhausted` is true, if no file descriptor is free
   */
  async includes({ host, port }: HostPort): Promise<boolean> {
    if (this.#ports.atPort(port) === undefined) return false;
    const nowMs = performance.now();
    if (nowMs - this.#hosts.sinceMs > OWN_HOST_TTL_MS) {
      this.#hosts = { sinceMs: nowMs, own: new Map() };
    }
    const { own } = this.#hosts;
    const known = own.get(host);
    if (known !== undefined) return await known;
    const found = this.#isOwnHost(host);
    own.set(host, found);
    // It fails if no file descriptor is free; the next call tries again.
    found.catch(() => own.delete(host));
    return await found;
  }

  async #isOwnHost(host: string): Promise<boolean> {
    const ips = await this.#addressesOf(host);
    for (const ip of ips) if (await this.#listensAt(ip)) return true;
    // A gateway may forward the public address back to the proxy. A public name is not compared:
    // inside the network it may resolve to another proxy.
    if (!isIpAddress(host) || isLoopback(host)) return false;
    return (await this.#publicAddresses()).some((ip) => isSameHost(ip, host));
  }

  async #listensAt(ip: string): Promise<boolean> {
    const { host } = this.#options.listen;
    if (isWildcard(host)) return isLocalAddress(ip);
    if (isLocalhost(host)) return isSameHost(ip, "127.0.0.1") || isSameHost(ip, "::1");
    return (await this.#addressesOf(host)).some((own) => isSameHost(own, ip));
  }

  /** The addresses of the public host; the previous ones if a lookup is slow or finds none. */
  async #publicAddresses(): Promise<readonly string[]> {
    const nowMs = performance.now();
    if (nowMs - this.#publicLookupAtMs > PUBLIC_LOOKUP_INTERVAL_MS) {
      this.#publicLookupAtMs = nowMs;
      this.#publicLookup = this.#addressesOf(this.#options.publicHost).then((ips) => {
        if (ips.length > 0) this.#publicIps = ips;
      });
    }
    await withTimeout(this.#publicLookup, PUBLIC_LOOKUP_LIMIT_MS);
    return this.#publicIps;
  }

  async #addressesOf(host: string): Promise<string[]> {
    return isIpAddress(host) ? [host] : await this.#resolve(host);
  }
}
