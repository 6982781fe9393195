import { formatHostPort, type HostPort } from "../platform/address.ts";
import { close, type Connection, socketAddress, writeAll } from "../platform/net.ts";
import { joined } from "../resp/bytes.ts";
import { decodeFrame, encodeRequest, type Value } from "../resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { type Credentials, PasswordFileError, readPassword } from "./credentials.ts";
import type { NodeDialer } from "./node_dialer.ts";

/** What the proxy's own connections to nodes need. */
export interface NodeConnectionOptions {
  /** Undefined if the nodes need no password. */
  readonly credentials: Credentials | undefined;
  readonly dialer: NodeDialer;
}

/** A node could not be queried. The message is for the operator. */
export class NodeConnectionError extends Error {
  override readonly name = "NodeConnectionError";
  /** Whether the operator must change a configuration; a retry will not help. */
  readonly lasting: boolean;
  /** Whether the node refused the user or the password, or there is no password to send. */
  readonly denied: boolean;

  constructor(message: string, options: NodeConnectionErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.lasting = options.lasting ?? false;
    this.denied = options.denied ?? false;
  }
}

interface NodeConnectionErrorOptions {
  readonly lasting?: boolean;
  readonly denied?: boolean;
  readonly cause?: unknown;
}

/** Nodes answer cluster queries within a millisecond, unless a script blocks them. */
const ANSWER_TIMEOUT_MS = 5000;

/** Ten times the replies of a cluster of 1000 nodes in which each slot is a range of its own. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/** A connection of the proxy itself to a node, for queries about the cluster. */
export class NodeConnection {
  readonly address: HostPort;
  readonly #connection: Connection;
  readonly #buffer = new Uint8Array(16 * 1024);
  readonly #open: Set<NodeConnection>;

  private constructor(
    address: HostPort,
    connection: Connection,
    open: Set<NodeConnection>,
  ) {
    this.address = address;
    this.#connection = connection;
    this.#open = open;
    open.add(this);
  }

  /**
   * Connects and authenticates, unless a signal ends the attempt. The caller closes the connection.
   *
   * @param open has the connection from when it is connected until it is closed
   * @throws {NodeConnectionError} if that fails
   */
  static async open(
    address: HostPort,
    { credentials, dialer, signal }: NodeConnectionOptions & { signal: AbortSignal },
    open: Set<NodeConnection>,
  ): Promise<NodeConnection> {
    const attempt = new AbortController();
    const abort = () => attempt.abort(signal.reason);
    let connection: Connection;
    signal.addEventListener("abort", abort);
    try {
      connection = await dialer.dial(address, attempt);
    } catch (error) {
      const message = dialMessage(address, dialer.connectTimeoutMs, error);
      throw new NodeConnectionError(message, { cause: error });
    } finally {
      signal.removeEventListener("abort", abort);
    }
    const opened = new NodeConnection(address, connection, open);
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
        throw new NodeConnectionError(error.message, { denied: true, cause: error });
      }
      if (!(error instanceof NodeConnectionError && error.denied) || typeof password === "string") {
        throw error;
      }
      // A later attempt may find another password in the file, or another user on the node.
      const message = `${error.message} (password file '${password.file}')`;
      throw new NodeConnectionError(message, { denied: true, cause: error });
    }
  }

  /**
   * Sends one request and returns its reply.
   *
   * @throws {NodeConnectionError} if there is none, or it is an error
   */
  async request(...args: string[]): Promise<Value> {
    const [answer] = await this.requestAll([args]);
    return orThrow(answer!);
  }

  /**
   * Sends requests in one pipeline and returns the reply to each; an error reply becomes a
   * NodeConnectionError that explains it.
   *
   * @throws {NodeConnectionError} if a reply is missing
   */
  async requestAll(requests: readonly string[][]): Promise<(Value | NodeConnectionError)[]> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, ANSWER_TIMEOUT_MS);
    let answers: Value[];
    try {
      await writeAll(this.#connection, joined(requests.map((args) => encodeRequest(args))));
      answers = (await this.#readFrames(requests.length)).map(decodeFrame);
    } catch (error) {
      const why = late
        ? `did not answer within ${ANSWER_TIMEOUT_MS} ms`
        : `broke off: ${error instanceof Error ? error.message : error}`;
      throw new NodeConnectionError(`Node ${formatHostPort(this.address)} ${why}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
    return answers.map((answer, index) =>
      answer.type === "-" ? refusal(this.address, requests[index]!, answer.text) : answer
    );
  }

  /** The IP address and port of the node, even if a name was dialled. */
  get remote(): HostPort {
    return socketAddress(this.#connection.remoteAddr);
  }

  /** Closes the connection; may be called again. */
  close(): void {
    close(this.#connection);
    this.#open.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #readFrames(count: number): Promise<Uint8Array[]> {
    const scanner = new ReplyScanner();
    const frames: Uint8Array[] = [];
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    while (frames.length < count) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Error("the connection was closed");
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

/** Returns a reply, or throws the error that `requestAll` returned instead. */
export function orThrow(answer: Value | NodeConnectionError): Value {
  if (answer instanceof NodeConnectionError) throw answer;
  return answer;
}

function dialMessage(address: HostPort, timeoutMs: number, error: unknown): string {
  const node = formatHostPort(address);
  if (error instanceof Deno.errors.ConnectionRefused) {
    return `Node ${node} refuses connections: is it running, and is the port right?`;
  }
  if (error instanceof Deno.errors.TimedOut) {
    return `Node ${node} cannot be reached: no connection within ${timeoutMs} ms`;
  }
  const message = error instanceof Error ? error.message : String(error);
  // The runtime has no error class for this.
  if (message.includes("failed to lookup address")) {
    return `The name '${address.host}' does not resolve`;
  }
  return `Node ${node} cannot be reached: ${message}`;
}

function refusal(address: HostPort, args: string[], error: string): NodeConnectionError {
  const node = formatHostPort(address);
  const lasting = true;
  const denied = true;
  if (error.startsWith("NOAUTH")) {
    return new NodeConnectionError(
      `Node ${node} requires a password: set --password, --password-file or CLUSTER_PASSWORD`,
      { lasting, denied },
    );
  }
  if (error.startsWith("DENIED")) {
    return new NodeConnectionError(
      `Node ${node} is in protected mode and refuses remote connections: set a password or ` +
        "protected-mode no",
      { lasting },
    );
  }
  if (args[0] === "AUTH") return authRefusal(node, error);
  if (error.startsWith("NOPERM")) {
    return new NodeConnectionError(
      `Node ${node} denies the query to this user: ${error}; ` +
        "the proxy needs +cluster|nodes +cluster|shards +cluster|info",
      { lasting, denied },
    );
  }
  if (/cluster support disabled/i.test(error)) {
    return new NodeConnectionError(
      `Node ${node} is not part of a cluster: it runs with cluster-enabled no`,
      { lasting },
    );
  }
  return new NodeConnectionError(
    `Node ${node} replied to ${args.join(" ")} with an error: ${error}`,
  );
}

/** An error to AUTH may repeat the password, so only known beginnings are shown. */
function authRefusal(node: string, error: string): NodeConnectionError {
  const known = (prefixes: readonly string[]) =>
    prefixes.find((prefix) => error.startsWith(prefix));
  const lasting = true;
  const refused = known(PASSWORD_ERRORS);
  if (refused !== undefined) {
    const message = `Node ${node} refused the user name or the password: ${refused}`;
    return new NodeConnectionError(message, { lasting, denied: true });
  }
  // The error repeats the arguments of the request (server.c `processCommand`).
  if (error.startsWith("ERR unknown command ")) {
    const message = `Node ${node} has no command AUTH: remove its rename-command`;
    return new NodeConnectionError(message, { lasting });
  }
  return new NodeConnectionError(
    `Node ${node} replied to AUTH with an error: ` +
      (known(PASSING_ERRORS) ?? "it is not shown, because it may contain the password"),
  );
}

/** The beginnings of such errors; a server before 6.0, or without a password, sends ERR. */
const PASSWORD_ERRORS = [
  "WRONGPASS invalid username-password pair",
  "WRONGPASS",
  "ERR invalid password",
  "ERR AUTH <password> called without any password configured",
  "ERR Client sent AUTH, but no password is set",
  "ERR wrong number of arguments for 'auth' command",
];

/** The beginnings of errors that a node sends to any command for a time. */
const PASSING_ERRORS = ["ERR max number of clients", "LOADING", "BUSY"];
