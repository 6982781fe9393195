import { formatHostPort, type HostPort } from "../platform/address.ts";
import { close, type Connection, peerAddress, writeAll } from "../platform/net.ts";
import { joined } from "../resp/bytes.ts";
import { decodeFrame, encodeRequest, type Value } from "../resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { type Credentials, PasswordFileError, readPassword } from "./credentials.ts";
import type { NodeDialer } from "./node_dialer.ts";

/** How the proxy itself talks to the nodes. */
export interface NodeConnectionOptions {
  /** Undefined where no password is needed. */
  readonly credentials: Credentials | undefined;
  readonly dialer: NodeDialer;
}

/** A node could not be asked, or would not answer. */
export class NodeConnectionError extends Error {
  override readonly name = "NodeConnectionError";
  /** Waiting will not help: what is wrong is in somebody's configuration. */
  readonly lasting: boolean;
  /** The node refuses the user of the proxy or its password, or there is none to send. */
  readonly denied: boolean;

  constructor(message: string, options: LinkErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.lasting = options.lasting ?? false;
    this.denied = options.denied ?? false;
  }
}

interface LinkErrorOptions {
  readonly lasting?: boolean;
  readonly denied?: boolean;
  readonly cause?: unknown;
}

/** Nodes answer about their cluster in a millisecond; busy with a script, when that is over. */
const ANSWER_TIMEOUT_MS = 5000;

/** Ten times what nodes say of a cluster of a thousand in which every slot is a range of its own. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The proxy's own connection to a node, on which it asks about the cluster. */
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
   * Connects and authenticates, unless a signal ends the attempt. The link is the caller's to
   * close.
   *
   * @param links has the link from when it is connected until it is closed
   * @throws {NodeConnectionError} with what the operator needs to know
   */
  static async open(
    address: HostPort,
    { credentials, dialer, signal }: NodeConnectionOptions & { signal: AbortSignal },
    links: Set<NodeConnection>,
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
    const link = new NodeConnection(address, connection, links);
    try {
      if (credentials !== undefined) await link.#authenticate(credentials);
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  async #authenticate(credentials: Credentials): Promise<void> {
    const { username, password } = credentials;
    try {
      const words = username === undefined ? [] : [username];
      await this.request("AUTH", ...words, await readPassword(credentials));
    } catch (error) {
      if (error instanceof PasswordFileError) {
        throw new NodeConnectionError(error.message, { denied: true, cause: error });
      }
      if (!(error instanceof NodeConnectionError && error.denied) || typeof password === "string") {
        throw error;
      }
      // The file may have another password soon, or the node another user.
      const message = `${error.message} (password file '${password.file}')`;
      throw new NodeConnectionError(message, { denied: true, cause: error });
    }
  }

  /**
   * Sends one request and returns its answer.
   *
   * @throws {NodeConnectionError} when there is none, or it is an error
   */
  async request(...words: string[]): Promise<Value> {
    const [answer] = await this.requestAll([words]);
    return orThrow(answer!);
  }

  /**
   * Sends requests all at once, for the node may be far, and returns the answer to each or, in the
   * place of an error, what it means.
   *
   * @throws {NodeConnectionError} when there are not as many
   */
  async requestAll(requests: readonly string[][]): Promise<(Value | NodeConnectionError)[]> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, ANSWER_TIMEOUT_MS);
    let answers: Value[];
    try {
      await writeAll(this.#connection, joined(requests.map((words) => encodeRequest(words))));
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

  /** Where the node is, as the system found it: an IP address, even if a name was dialled. */
  get remote(): HostPort {
    return peerAddress(this.#connection.remoteAddr);
  }

  /** Ends the connection; may be called again. */
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
      if (bytes > MOST_BYTES) throw new Error(`it sent more than ${MOST_BYTES} bytes`);
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

/** The answer that there is, or else what stands in its place. */
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
  // The runtime has no class of its own for this.
  if (message.includes("failed to lookup address")) {
    return `The name '${address.host}' does not resolve`;
  }
  return `Node ${node} cannot be reached: ${message}`;
}

function refusal(address: HostPort, words: string[], error: string): NodeConnectionError {
  const node = formatHostPort(address);
  const lasting = true;
  const denied = true;
  if (error.startsWith("NOAUTH")) {
    return new NodeConnectionError(
      `Node ${node} wants a password: give --password, --password-file or CLUSTER_PASSWORD`,
      { lasting, denied },
    );
  }
  if (error.startsWith("DENIED")) {
    return new NodeConnectionError(
      `Node ${node} is in protected mode and takes no connections from here: set a password or ` +
        "protected-mode no",
      { lasting },
    );
  }
  if (words[0] === "AUTH") return authRefusal(node, error);
  if (error.startsWith("NOPERM")) {
    return new NodeConnectionError(
      `Node ${node} does not let this user ask: ${error}; ` +
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
  return new NodeConnectionError(`Node ${node} answers ${words.join(" ")} with an error: ${error}`);
}

/** An error to AUTH may repeat the password, so no more is shown of it than is known. */
function authRefusal(node: string, error: string): NodeConnectionError {
  const known = (beginnings: readonly string[]) =>
    beginnings.find((beginning) => error.startsWith(beginning));
  const lasting = true;
  const refused = known(PASSWORD_ERRORS);
  if (refused !== undefined) {
    const message = `Node ${node} refuses the user name or the password: ${refused}`;
    return new NodeConnectionError(message, { lasting, denied: true });
  }
  // The words that it goes on with are those of the request (server.c `processCommand`).
  if (error.startsWith("ERR unknown command ")) {
    const message = `Node ${node} knows no command AUTH: undo its rename-command`;
    return new NodeConnectionError(message, { lasting });
  }
  return new NodeConnectionError(
    `Node ${node} answers AUTH with an error: ` +
      (known(PASSING_ERRORS) ?? "it is not shown, because it may repeat the password"),
  );
}

/** How those errors begin that say so; a server before 6.0, or without a password, says ERR. */
const PASSWORD_ERRORS = [
  "WRONGPASS invalid username-password pair",
  "WRONGPASS",
  "ERR invalid password",
  "ERR AUTH <password> called without any password configured",
  "ERR Client sent AUTH, but no password is set",
  "ERR wrong number of arguments for 'auth' command",
];

/** How a node may answer whatever it is asked, for a while. */
const PASSING_ERRORS = ["ERR max number of clients", "LOADING", "BUSY"];
