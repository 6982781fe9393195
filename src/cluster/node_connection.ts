import { formatHostPort, isIpAddress } from "../platform/address.ts";
import { close, type Connection, socketAddress, writeAll } from "../platform/net.ts";
import { joined } from "../resp/bytes.ts";
import { decodeFrame, encodeRequest, type Value } from "../resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { isTlsRecord } from "../tls/side.ts";
import { TlsError } from "../tls/tls_error.ts";
import { type Credentials, PasswordFileError, readPassword } from "./credentials.ts";
import { named, type NodeAddress } from "./node_address.ts";
import {
  dialError,
  NodeConnectionError,
  orThrow,
  otherError,
  replyError,
} from "./node_connection_error.ts";
import type { NodeDialer } from "./node_dialer.ts";

/** How the proxy connects to nodes for its own queries. */
export interface NodeConnectionOptions {
  /** Undefined if the nodes need no password. */
  readonly credentials: Credentials | undefined;
  readonly dialer: NodeDialer;
}

/** Nodes reply to cluster queries within a millisecond, unless a script blocks them. */
const REPLY_TIMEOUT_MS = 5000;

/** Ten times the replies of a cluster of 1000 nodes in which each slot is a range of its own. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/** A connection of the proxy itself to a node, for queries about the cluster. */
export class NodeConnection {
  /** The address that was dialled. */
  readonly address: NodeAddress;
  readonly #connection: Connection;
  readonly #buffer = new Uint8Array(16 * 1024);
  readonly #openConnections: Set<NodeConnection>;
  readonly #dialer: NodeDialer;
  readonly #signal: AbortSignal;
  /** Whether the node may speak TLS here while the proxy does not: until its first byte. */
  #mayNeedTls: boolean;

  private constructor(
    address: NodeAddress,
    connection: Connection,
    { dialer, signal }: { dialer: NodeDialer; signal: AbortSignal },
    openConnections: Set<NodeConnection>,
  ) {
    this.address = address;
    this.#connection = connection;
    this.#openConnections = openConnections;
    this.#dialer = dialer;
    this.#signal = signal;
    this.#mayNeedTls = !dialer.speaksTls;
    openConnections.add(this);
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
    const opened = new NodeConnection(address, connection, { dialer, signal }, openConnections);
    try {
      if (credentials !== undefined) await opened.#authenticate(credentials);
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  async #authenticate(credentials: Credentials): Promise<void> {
    const { username, password } = credentials;
    try {
      const user = username === undefined ? [] : [username];
      await this.request("AUTH", ...user, await readPassword(credentials));
    } catch (error) {
      if (error instanceof PasswordFileError) {
        throw new NodeConnectionError(error.message, { isDenied: true, cause: error });
      }
      if (
        !(error instanceof NodeConnectionError && error.isDenied) || typeof password === "string"
      ) {
        throw error;
      }
      // A later attempt may find another password in the file, or another user on the node.
      const message = `${error.message} (password file '${password.file}')`;
      throw new NodeConnectionError(message, { isDenied: true, cause: error });
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
  async requestAll(requests: readonly string[][]): Promise<(Value | NodeConnectionError)[]> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.close();
    }, REPLY_TIMEOUT_MS);
    let replies: Value[];
    try {
      await writeAll(this.#connection, joined(requests.map((args) => encodeRequest(args))));
      replies = (await this.#readFrames(requests.length)).map(decodeFrame);
    } catch (error) {
      if (error instanceof NodeConnectionError) throw error;
      // With TLS 1.3 a node refuses the proxy's certificate after the handshake.
      if (error instanceof TlsError) throw dialError(this.address, error);
      if (await this.#needsTls(error)) throw otherError(this.address, false);
      const problem = isLate
        ? `did not answer within ${REPLY_TIMEOUT_MS} ms`
        : `failed to reply: ${error instanceof Error ? error.message : error}`;
      throw new NodeConnectionError(`Node ${formatHostPort(this.address)} ${problem}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
    return replies.map((reply, index) =>
      reply.type === "-" ? replyError(this.address, requests[index]!, reply.text) : reply
    );
  }

  /** The IP address and port of the node, even if a name was dialled, and that name. */
  get remote(): NodeAddress {
    const { host, hostname = host } = this.address;
    return named(socketAddress(this.#connection.remoteAddr), isIpAddress(hostname) ? "" : hostname);
  }

  /** Closes the connection. A second call does nothing. */
  close(): void {
    close(this.#connection);
    this.#openConnections.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether the node speaks TLS here while the proxy does not. Redis closes the connection then. */
  async #needsTls(error: unknown): Promise<boolean> {
    return this.#mayNeedTls && isEnd(error) &&
      await this.#dialer.isOtherwise(this.address, this.#signal);
  }

  async #readFrames(count: number): Promise<Uint8Array[]> {
    const scanner = new ReplyScanner();
    const frames: Uint8Array[] = [];
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    while (frames.length < count) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Deno.errors.UnexpectedEof("the connection was closed");
      if (this.#mayNeedTls && isTlsRecord(this.#buffer[0]!)) {
        throw otherError(this.address, false);
      }
      this.#mayNeedTls = false;
      bytes += read;
      if (bytes > MAX_REPLY_BYTES) throw new Error(`it sent more than ${MAX_REPLY_BYTES} bytes`);
      for (let at = 0; at < read && frames.length < count;) {
        const end = scanner.advance(this.#buffer, at, read, 1, NO_STOPS);
        pieces.push(this.#buffer.slice(at, end));
        at = end;
        if (scanner.frames === 0) continue;
        frames.push(joined(pieces));
        pieces = [];
      }
    }
    return frames;
  }
}

/** Whether the node ended the connection. */
function isEnd(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof;
}
