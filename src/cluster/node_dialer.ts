import { formatHostPort, type HostPort, isIpAddress, isLoopback } from "../platform/address.ts";
import {
  type Connection,
  dial,
  type DialOptions,
  resolve,
  type TlsConnector,
} from "../platform/net.ts";
import type { Tunnel } from "../tunnel/tunnel.ts";
import { DialMap, type DialMapping } from "./dial_map.ts";
import type { NodeAddress } from "./node_address.ts";
import { NodeAlias } from "./node_alias.ts";
import { ping, pingTls } from "./ping.ts";
import { OwnAddresses, type OwnAddressOptions, type OwnPorts } from "./own_addresses.ts";

/** Nodes answer a PING within a millisecond. */
const OTHER_LIMIT_MS = 1000;

/** The address to dial is a port of the proxy itself. The message is for the operator. */
export class OwnAddressError extends Error {
  override readonly name = "OwnAddressError";
}

/** The options of `NodeDialer`. */
export interface NodeDialerOptions extends OwnAddressOptions {
  /** The time a node has to accept a connection, handshakes of tunnel and TLS included. */
  readonly connectTimeoutMs: number;
  /** Whether the kernel probes idle connections. */
  readonly keepAlive: boolean;
  /** The proxy through which nodes are reached; undefined if they are dialled directly. */
  readonly via: Tunnel | undefined;
  /** Nodes that are dialled at another address than they announce. */
  readonly dialMap: readonly DialMapping[];
  /** Speaks TLS to the nodes; undefined if they are spoken to in plain text. */
  readonly tlsConnector?: TlsConnector | undefined;
}

/**
 * Connects to nodes, for sessions, probes and the proxy's own queries:
 *
 * ```
 *   announced address ─▶ --dial-map ─▶ TCP, or --via and TCP from there ─▶ --cluster-tls
 * ```
 *
 * It does not dial a port of the proxy itself, which nodes announce if their configuration says so:
 * the proxy would accept that connection and dial again, endlessly. Another proxy is dialled like
 * any node.
 */
export class NodeDialer {
  /** The time a node has to accept a connection. */
  readonly connectTimeoutMs: number;
  readonly #options: NodeDialerOptions;
  readonly #own: OwnAddresses;
  readonly #dialMap: DialMap;
  /** Loaded only if an option asks for it, and at once: the files of a checkout may change later. */
  readonly #through: Promise<typeof import("./dial_through.ts")> | undefined;

  /** @param resolveHost resolves names; sessions pass one with a cache */
  constructor(options: NodeDialerOptions, ports: OwnPorts, resolveHost = resolve) {
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.#options = options;
    this.#own = new OwnAddresses(options, ports, resolveHost);
    this.#dialMap = new DialMap(options.dialMap);
    this.#through = options.via && import("./dial_through.ts");
  }

  /** Whether the nodes are spoken to in TLS. */
  get speaksTls(): boolean {
    return this.#options.tlsConnector !== undefined;
  }

  /**
   * Connects to a node, with TLS if the nodes speak it; see `dial`. The caller owns the connection,
   * whose `remoteAddr` is the address of the node even where another one is dialled.
   *
   * @throws {OwnAddressError} if the address is a port of the proxy
   * @throws {TunnelError} if the tunnel is down, or does not reach the node
   */
  dial(
    address: NodeAddress,
    attempt: AbortController,
    timeoutMs = this.connectTimeoutMs,
  ): Promise<Connection> {
    const { tlsConnector } = this.#options;
    const { host, hostname } = address;
    const upgrade = tlsConnector &&
      ((connection: Connection) => tlsConnector.connect(connection, host, hostname));
    return this.#dial(address, { attempt, timeoutMs, upgrade });
  }

  /**
   * Whether a node accepts TCP connections: connects like `dial`, but without TLS. The caller
   * closes the connection.
   *
   * @throws what `dial` throws
   */
  probe(
    address: HostPort,
    attempt: AbortController,
    timeoutMs = this.connectTimeoutMs,
  ): Promise<Connection> {
    return this.#dial(address, { attempt, timeoutMs });
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

  /**
   * Whether the proxy would dial a port of itself for an address.
   *
   * @throws an error for which `isExhausted` is true, if no file descriptor is free
   */
  async isOwn(address: HostPort): Promise<boolean> {
    return await this.#isOwn(this.#dialMap.apply(address));
  }

  async #isOwn(target: HostPort): Promise<boolean> {
    const { host } = target;
    // The other end of a tunnel has its own loopback addresses, and names mean something else there.
    if (this.#options.via !== undefined && (!isIpAddress(host) || isLoopback(host))) return false;
    return await this.#own.includes(target);
  }

  /** Whether a name is dialled as it is, because it does not have to resolve on this machine. */
  dialsName(address: HostPort): boolean {
    return this.#options.via !== undefined || this.#dialMap.apply(address).host !== address.host;
  }

  /** The mappings of `--dial-map` that have matched none of the addresses so far, nor one of these. */
  unusedMappings(addresses: readonly HostPort[]): DialMapping[] {
    for (const address of addresses) this.#dialMap.apply(address);
    return this.#dialMap.unused;
  }

  async #dial(address: HostPort, limits: DialOptions): Promise<Connection> {
    const target = this.#dialMap.apply(address);
    // Most ports differ; the promises of the whole check would cost each client memory.
    if (this.#own.hasPort(target.port) && await this.#isOwn(target)) {
      throw new OwnAddressError(
        `${formatHostPort(address)} is a port of this proxy; check cluster-announce-ip and ` +
          "cluster-announce-port of the node, and --port-map",
      );
    }
    const { via, keepAlive } = this.#options;
    const options = { ...limits, keepAlive };
    if (via === undefined) {
      const connection = await dial(target, options);
      return target === address ? connection : new NodeAlias(connection, address);
    }
    const { dialThrough } = await this.#through!;
    return new NodeAlias(await dialThrough(via, target, options), address);
  }
}
