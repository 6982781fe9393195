import { isIpAddress } from "../platform/address.ts";
import { close, type Connection, socketAddress } from "../platform/net.ts";
import type { Value } from "../resp/frame.ts";
import type { Credentials } from "./credentials.ts";
import { named, type NodeAddress } from "./node_address.ts";
import {
  dialError,
  type NodeConnectionError,
  orThrow,
  otherError,
} from "./node_connection_error.ts";
import type { NodeDialer } from "./node_dialer.ts";
import { logIn, type NodeLink, requestAll } from "./node_requests.ts";

/** How the proxy connects to nodes for its own queries. */
export interface NodeConnectionOptions {
  /** Undefined if the nodes need no password. */
  readonly credentials: Credentials | undefined;
  readonly dialer: NodeDialer;
}

/** A connection of the proxy itself to a node, for queries about the cluster. */
export class NodeConnection {
  readonly #link: NodeLink;
  readonly #openConnections: Set<NodeConnection>;

  private constructor(link: NodeLink, openConnections: Set<NodeConnection>) {
    this.#link = link;
    this.#openConnections = openConnections;
    openConnections.add(this);
  }

  /** The address that was dialled. */
  get address(): NodeAddress {
    return this.#link.address;
  }

  /**
   * Connects and authenticates, unless `signal` ends the attempt. The caller closes the connection.
   *
   * @param openConnections holds the connection while it is open
   * @throws {NodeConnectionError} if the node cannot be reached, or refuses the credentials
   */
  static async open(
    address: NodeAddress,
    { credentials, dialer, signal }: NodeConnectionOptions & { signal: AbortSignal },
    openConnections: Set<NodeConnection>,
  ): Promise<NodeConnection> {
    const attempt = new AbortController();
    const abort = () => attempt.abort(signal.reason);
    let connection: Connection;
    signal.addEventListener("abort", abort);
    try {
      connection = await dialer.dial(address, attempt);
    } catch (error) {
      // Redis does not answer a handshake on a port for plain text.
      const isSilent = dialer.speaksTls && error instanceof Deno.errors.TimedOut;
      if (isSilent && await dialer.isOtherwise(address, signal)) throw otherError(address, true);
      throw dialError(address, error);
    } finally {
      signal.removeEventListener("abort", abort);
    }
    const speaksTls = dialer.speaksTls ? undefined : () => dialer.isOtherwise(address, signal);
    const link = { connection, address, speaksTls };
    const opened = new NodeConnection(link, openConnections);
    const close = () => opened.close();
    signal.addEventListener("abort", close);
    try {
      if (credentials !== undefined) await logIn(link, credentials);
      return opened;
    } catch (error) {
      opened.close();
      throw signal.aborted ? dialError(address, signal.reason) : error;
    } finally {
      signal.removeEventListener("abort", close);
    }
  }

  /**
   * Sends one request and returns its reply.
   *
   * @throws {NodeConnectionError} if the node does not reply, or replies with an error
   */
  async request(...args: string[]): Promise<Value> {
    const [reply] = await this.requestAll([args]);
    return orThrow(reply!);
  }

  /**
   * Sends requests in one pipeline and returns the reply to each; an error reply becomes a
   * NodeConnectionError that explains it.
   *
   * @throws {NodeConnectionError} if a reply is missing
   */
  requestAll(requests: readonly string[][]): Promise<(Value | NodeConnectionError)[]> {
    return requestAll(this.#link, requests);
  }

  /** The IP address and port of the node, even if a name was dialled, and that name. */
  get remote(): NodeAddress {
    const { connection, address: { host, hostname = host } } = this.#link;
    return named(socketAddress(connection.remoteAddr), isIpAddress(hostname) ? "" : hostname);
  }

  /** Closes the connection. A second call does nothing. */
  close(): void {
    close(this.#link.connection);
    this.#openConnections.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
