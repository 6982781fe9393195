import { formatHostPort, type HostPort } from "../platform/address.ts";
import type { Value } from "../resp/frame.ts";
import { TlsError } from "../tls/tls_error.ts";
import { TunnelDownError } from "../tunnel/tunnel_error.ts";

/** A node could not be queried. The message is for the operator. */
export class NodeConnectionError extends Error {
  override readonly name = "NodeConnectionError";
  /** Whether a retry cannot help, because the operator must change a configuration. */
  readonly isPermanent: boolean;
  /** Whether the node refused the user or the password, or there is no password to send. */
  readonly isDenied: boolean;
  /** The error with which the node replied, if it did and that may be shown. */
  readonly reply: string | undefined;

  constructor(message: string, options: NodeConnectionErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.reply = options.reply;
    this.isPermanent = options.isPermanent ?? false;
    this.isDenied = options.isDenied ?? false;
  }
}

interface NodeConnectionErrorOptions {
  readonly isPermanent?: boolean;
  readonly isDenied?: boolean;
  readonly reply?: string;
  readonly cause?: unknown;
}

/**
 * Returns a reply of `NodeConnection.requestAll`.
 *
 * @throws {NodeConnectionError} if the node replied with an error
 */
export function orThrow(reply: Value | NodeConnectionError): Value {
  if (reply instanceof NodeConnectionError) throw reply;
  return reply;
}

/** The error for a connection that failed with an error of `dial`. */
export function dialError(address: HostPort, error: unknown): NodeConnectionError {
  const isPermanent = error instanceof TlsError && error.isPermanent;
  return new NodeConnectionError(dialMessage(address, error), { isPermanent, cause: error });
}

/** The error for a node that speaks plain text where the proxy speaks TLS, or the reverse. */
export function otherError(address: HostPort, isTls: boolean): NodeConnectionError {
  const problem = isTls
    ? "does not speak TLS on this port: set its TLS port in --cluster-addr, or leave out " +
      "--cluster-tls and rediss://"
    : "speaks TLS on this port: add --cluster-tls, or write rediss:// in --cluster-addr";
  return new NodeConnectionError(`Node ${formatHostPort(address)} ${problem}`, {
    isPermanent: true,
  });
}

/** The messages of errors for the operator, each once: all nodes may fail for one reason. */
export function messagesOf(errors: readonly unknown[]): string {
  const messages = errors.map((error) => error instanceof Error ? error.message : String(error));
  return [...new Set(messages)].join("; ");
}

/** The message for a connection that failed with an error of `dial`. */
function dialMessage(address: HostPort, error: unknown): string {
  const node = formatHostPort(address);
  // It concerns all nodes alike.
  if (error instanceof TunnelDownError) return error.message;
  if (error instanceof Deno.errors.ConnectionRefused) {
    return `Node ${node} refuses connections: check that it is running and that the port is right`;
  }
  if (error instanceof TlsError) return `Cannot speak TLS with node ${node}: ${error.message}`;
  const message = error instanceof Error ? error.message : String(error);
  // The runtime has no error class for this.
  if (message.includes("failed to lookup address")) {
    return `The name '${address.host}' does not resolve`;
  }
  return `Node ${node} cannot be reached: ${message}`;
}

/** The error for a request to which the node replied with an error. */
export function replyError(address: HostPort, args: string[], error: string): NodeConnectionError {
  const node = formatHostPort(address);
  const isPermanent = true;
  const isDenied = true;
  if (error.startsWith("NOAUTH")) {
    return new NodeConnectionError(
      `Node ${node} requires a password: set --password, --password-file or CLUSTER_PASSWORD`,
      { isPermanent, isDenied },
    );
  }
  if (error.startsWith("DENIED")) {
    return new NodeConnectionError(
      `Node ${node} is in protected mode and refuses remote connections: set a password or ` +
        "protected-mode no",
      { isPermanent },
    );
  }
  if (args[0] === "AUTH") return authError(node, error);
  if (error.startsWith("NOPERM")) {
    return new NodeConnectionError(
      `Node ${node} denies the query to this user: ${error}; the proxy needs ` +
        (args[0] === "CLUSTER" ? QUERY_PERMISSIONS : SHARED_PERMISSIONS),
      { isPermanent, isDenied, reply: error },
    );
  }
  if (/cluster support disabled/i.test(error)) {
    return new NodeConnectionError(
      `Node ${node} is not part of a cluster: it runs with cluster-enabled no`,
      { isPermanent },
    );
  }
  // The fields of HSET are many.
  const request = args.slice(0, 2).join(" ");
  return new NodeConnectionError(
    `Node ${node} replied to ${request} with an error: ${error}`,
    { reply: error },
  );
}

/** What the proxy's user needs for the queries, and with `--shared-ports` in addition. */
const QUERY_PERMISSIONS = "+cluster|nodes +cluster|shards +cluster|info";
const SHARED_PERMISSIONS = "+hgetall +hset +watch +multi +exec +wait +asking and ~KEY for the key";

/** An error to AUTH may repeat the password, so only known prefixes are shown. */
function authError(node: string, error: string): NodeConnectionError {
  const known = (prefixes: readonly string[]) =>
    prefixes.find((prefix) => error.startsWith(prefix));
  const isPermanent = true;
  const refused = known(PASSWORD_ERRORS);
  if (refused !== undefined) {
    const message = `Node ${node} refused the user name or the password: ${refused}`;
    return new NodeConnectionError(message, { isPermanent, isDenied: true });
  }
  // The error repeats the arguments of the request (server.c `processCommand`).
  if (error.startsWith("ERR unknown command ")) {
    const message = `Node ${node} has no command AUTH: remove its rename-command`;
    return new NodeConnectionError(message, { isPermanent });
  }
  return new NodeConnectionError(
    `Node ${node} replied to AUTH with an error: ` +
      (known(TEMPORARY_ERRORS) ?? "it is not shown, because it may contain the password"),
  );
}

/** Prefixes of errors for a wrong user name or password. Before 6.0 they begin with ERR. */
const PASSWORD_ERRORS = [
  "WRONGPASS invalid username-password pair",
  "WRONGPASS",
  "ERR invalid password",
  "ERR AUTH <password> called without any password configured",
  "ERR Client sent AUTH, but no password is set",
  "ERR wrong number of arguments for 'auth' command",
];

/** Prefixes of errors that a node sends to any command for a time. */
const TEMPORARY_ERRORS = ["ERR max number of clients", "LOADING", "BUSY"];
