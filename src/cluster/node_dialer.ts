import {
  formatHostPort,
  type HostPort,
  isIpAddress,
  isLocalhost,
  isLoopback,
  isSameHost,
  isWildcard,
} from "../platform/address.ts";
import { type Connection, dial, isLocalAddress, resolve } from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";

/** Clients wait meanwhile, and a name server may be out of reach. */
const PUBLIC_LOOKUP_LIMIT_MS = 250;

/** The address of a public host hardly ever changes. */
const PUBLIC_LOOKUP_INTERVAL_MS = 60_000;

/** To find out whose a host is takes a socket or a name server, which is too much for each client. */
const FRESH_MS = 5000;

/** The address of a node is a port of the proxy itself. The message is for the operator. */
export class OwnAddressError extends Error {
  override readonly name = "OwnAddressError";
}

/** What a dialer starts from. */
export interface NodeDialerOptions {
  /** Where the proxy listens; the port does not matter. */
  readonly listen: HostPort;
  /** The host that clients are given. */
  readonly publicHost: string;
  /** How long a node may take to accept a connection. */
  readonly connectTimeoutMs: number;
}

/** The public ports of the proxy. */
export interface PublicPorts {
  /** What is served on a port; undefined if nothing is. */
  atPort(publicPort: number): unknown;
}

/**
 * Connects to nodes, for sessions, for probes and for the proxy's own questions. It refuses
 * addresses that are ports of the proxy itself, as nodes announce them that were set up to announce
 * the proxy: each connection would bring about the next one. Another proxy is a node like any other.
 */
export class NodeDialer {
  /** How long a node may take to accept a connection. */
  readonly connectTimeoutMs: number;
  readonly #options: NodeDialerOptions;
  readonly #ports: PublicPorts;
  readonly #resolve: (host: string) => Promise<string[]>;
  /** Whether hosts are the proxy's, and since when that is kept. */
  #hosts = { sinceMs: -Infinity, own: new Map<string, Promise<boolean>>() };
  /** The last lookup of the public host, when it began, and what was found at last. */
  #publicLookup: Promise<void> = Promise.resolve();
  #publicLookupAtMs = -Infinity;
  #publicIps: readonly string[] = [];

  /** @param resolveHost how names are looked up; one that remembers is good for sessions */
  constructor(
    options: NodeDialerOptions,
    ports: PublicPorts,
    resolveHost = resolve,
  ) {
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.#options = options;
    this.#ports = ports;
    this.#resolve = resolveHost;
  }

  /**
   * Connects to a node; see `dial`.
   *
   * @throws {OwnAddressError} when there is no node, but the proxy
   */
  async dial(
    address: HostPort,
    attempt: AbortController,
    timeoutMs = this.connectTimeoutMs,
  ): Promise<Connection> {
    if (await this.isOwn(address)) {
      throw new OwnAddressError(
        `${formatHostPort(address)} is a port of this proxy; check cluster-announce-ip and ` +
          "cluster-announce-port of the node, and --port-map",
      );
    }
    return await dial(address, timeoutMs, attempt);
  }

  /** Whether the proxy itself is what one reaches at an address. */
  async isOwn({ host, port }: HostPort): Promise<boolean> {
    if (this.#ports.atPort(port) === undefined) return false;
    const nowMs = performance.now();
    if (nowMs - this.#hosts.sinceMs > FRESH_MS) this.#hosts = { sinceMs: nowMs, own: new Map() };
    const { own } = this.#hosts;
    const known = own.get(host);
    if (known !== undefined) return await known;
    const found = this.#isOwnHost(host);
    own.set(host, found);
    // Without a file descriptor nothing was found out.
    found.catch(() => own.delete(host));
    return await found;
  }

  async #isOwnHost(host: string): Promise<boolean> {
    const ips = await this.#addressesOf(host);
    for (const ip of ips) if (await this.#listensAt(ip)) return true;
    // A gateway may lead from the public address back to here. A public name is left out, because
    // inside the network it may be that of the next proxy.
    if (!isIpAddress(host) || isLoopback(host)) return false;
    return (await this.#publicAddresses()).some((ip) => isSameHost(ip, host));
  }

  async #listensAt(ip: string): Promise<boolean> {
    const { host } = this.#options.listen;
    if (isWildcard(host)) return isLocalAddress(ip);
    if (isLocalhost(host)) return isSameHost(ip, "127.0.0.1") || isSameHost(ip, "::1");
    return (await this.#addressesOf(host)).some((own) => isSameHost(own, ip));
  }

  /** The addresses of the public host; those of before while a lookup takes long or finds none. */
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
