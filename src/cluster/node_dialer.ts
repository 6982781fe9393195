import {
  formatHostPort,
  type HostPort,
  isIpAddress,
  isLocalhost,
  isLoopback,
  isSameHost,
  isWildcard,
} from "../platform/address.ts";
import {
  type Connection,
  dial,
  type DialOptions,
  isLocalAddress,
  resolve,
  type TlsConnector,
} from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";
import type { NodeAddress } from "./node_address.ts";
import { ping, pingTls } from "./ping.ts";

/** Clients wait for the lookup, and the name server may not answer. */
const PUBLIC_LOOKUP_LIMIT_MS = 250;

/** Nodes answer a PING within a millisecond. */
const OTHER_LIMIT_MS = 1000;

/** The address of the public host rarely changes. */
const PUBLIC_LOOKUP_INTERVAL_MS = 60_000;

/** How long a check of a host is valid. It takes a socket or a lookup, too much for each client. */
const OWN_HOST_TTL_MS = 5000;

/** The address to dial is a port of the proxy itself. The message is for the operator. */
export class OwnAddressError extends Error {
  override readonly name = "OwnAddressError";
}

/** The options of `NodeDialer`. */
export interface NodeDialerOptions {
  /** The address on which the proxy listens; its port is not used. */
  readonly listen: HostPort;
  /** The host that clients get for every node. */
  readonly publicHost: string;
  /** The time a node has to accept a connection, handshake of TLS included. */
  readonly connectTimeoutMs: number;
  /** Whether the kernel probes idle connections. */
  readonly keepAlive: boolean;
  /** Speaks TLS to the nodes; undefined if they are spoken to in plain text. */
  readonly tlsConnector?: TlsConnector | undefined;
}

/** The public ports of the proxy. */
export interface PublicPorts {
  /** Returns the node that is served on a port, or undefined. */
  atPort(publicPort: number): unknown;
}

/**
 * Connects to nodes, for sessions, probes and the proxy's own queries. It does not dial a port of
 * the proxy itself, which nodes announce if their configuration says so: the proxy would accept
 * that connection and dial again, endlessly. Another proxy is dialled like any node.
 */
export class NodeDialer {
  /** The time a node has to accept a connection. */
  readonly connectTimeoutMs: number;
  readonly #options: NodeDialerOptions;
  readonly #ports: PublicPorts;
  readonly #resolve: (host: string) => Promise<string[]>;
  /** The results of `#isOwnHost` by host, and the time of the first. */
  #hosts = { sinceMs: -Infinity, own: new Map<string, Promise<boolean>>() };
  /** The last lookup of the public host, the time of its start, and the last addresses found. */
  #publicLookup: Promise<void> = Promise.resolve();
  #publicLookupAtMs = -Infinity;
  #publicIps: readonly string[] = [];

  /** @param resolveHost resolves names; sessions pass one with a cache */
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

  /** Whether the nodes are spoken to in TLS. */
  get speaksTls(): boolean {
    return this.#options.tlsConnector !== undefined;
  }

  /**
   * Connects to a node, with TLS if the nodes speak it; see `dial`.
   *
   * @throws {OwnAddressError} if the address is a port of the proxy
   */
  async dial(
    address: NodeAddress,
    attempt: AbortController,
    timeoutMs = this.connectTimeoutMs,
  ): Promise<Connection> {
    const { tlsConnector, keepAlive } = this.#options;
    const { host, hostname } = address;
    const upgrade = tlsConnector &&
      ((connection: Connection) => tlsConnector.connect(connection, host, hostname));
    return await this.#dial(address, { attempt, timeoutMs, keepAlive, upgrade });
  }

  /**
   * Whether a node accepts TCP connections: connects like `dial`, but without TLS. The caller
   * closes the connection.
   *
   * @throws {OwnAddressError} if the address is a port of the proxy
   */
  async probe(
    address: HostPort,
    attempt: AbortController,
    timeoutMs = this.connectTimeoutMs,
  ): Promise<Connection> {
    return await this.#dial(address, { attempt, timeoutMs });
  }

  /**
   * Whether a node speaks plain text where the proxy speaks TLS, or the reverse, for a node that
   * failed. No secret is sent.
   */
  async isOtherwise(address: HostPort, signal: AbortSignal): Promise<boolean> {
    const connect = (timeoutMs: number, attempt: AbortController) =>
      this.#dial(address, { attempt, timeoutMs });
    const pingOther = this.speaksTls ? ping : pingTls;
    return await pingOther(connect, OTHER_LIMIT_MS, signal) === "answering";
  }

  async #dial(address: HostPort, options: DialOptions): Promise<Connection> {
    if (await this.isOwn(address)) {
      throw new OwnAddressError(
        `${formatHostPort(address)} is a port of this proxy; check cluster-announce-ip and ` +
          "cluster-announce-port of the node, and --port-map",
      );
    }
    return await dial(address, options);
  }

  /**
   * Whether an address is a port of the proxy itself.
   *
   * @throws an error for which `isExhausted` is true, if no file descriptor is free
   */
  async isOwn({ host, port }: HostPort): Promise<boolean> {
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
