// platform/ is what the operating system and the runtime offer, each in a file: TCP here, and
// addresses, DNS, log, output, files, timeouts. It imports no other layer, and every layer but
// resp/ may import it. OperatorError is here because every layer throws it.
//
// This file alone calls Deno.listen and Deno.connect.

import { type HostPort, isLoopback } from "./address.ts";
import { withTimeout } from "./timeout.ts";

/** A connection to a client or to a node: TCP, or TLS over TCP. */
export interface Connection {
  /** Reads into a buffer, which is borrowed until then; null at the end of the stream. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes bytes, which are borrowed until then; the result is how many, maybe not all. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the writable side only. */
  closeWrite(): Promise<void>;
  /** Closes both sides at once. Pending reads and writes fail with an error that `isGone`. */
  close(): void;
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
}

/** A TCP connection without TLS. */
export type TcpConnection = Deno.TcpConn;

/** The server's side of TLS. */
export interface TlsAcceptor {
  /** Does the handshake with a client; owns the connection, and closes it on failure. */
  accept(connection: Connection): Promise<Connection>;
}

/** The client's side of TLS. */
export interface TlsConnector {
  /**
   * Does the handshake with the node `host`, which may show a certificate for `hostname` instead;
   * owns the connection, and closes it on failure.
   */
  connect(connection: Connection, host: string, hostname?: string): Promise<Connection>;
}

/** The readable side of a connection; a read returns null at the end of the stream. */
export type ByteSource = Pick<Connection, "read">;

/** The writable side of a connection; a write may be short. */
export type ByteSink = Pick<Connection, "write">;

/** A socket that accepts connections. */
export type Listener = Deno.TcpListener;

/**
 * Listens on a port; if `host` is "", on every interface, for IPv4 and IPv6 where the machine has
 * both. Port 0 is any free port.
 *
 * @param shared whether other listeners with this option may share the port (SO_REUSEPORT): the
 * kernel then distributes the connections over them by hash
 * @throws {Deno.errors.AddrInUse} and other errors of bind(2)
 */
export function listen(host: string, port: number, shared = false): Listener {
  const options = { port, reusePort: shared };
  if (host !== "") return Deno.listen({ ...options, hostname: host });
  try {
    return Deno.listen({ ...options, hostname: "::" });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrNotAvailable) && !isUnsupportedFamily(error)) {
      throw error;
    }
    // This machine has no IPv6.
    return Deno.listen({ ...options, hostname: "0.0.0.0" });
  }
}

/**
 * Accepts the next connection of a listener, which the caller owns. One that its client has reset
 * while it waited is skipped: the runtime asks for its address, which it has no more.
 *
 * @throws an error for which `isExhausted` is true, and other errors of accept(2)
 */
export async function accept(listener: Pick<Listener, "accept">): Promise<TcpConnection> {
  for (;;) {
    try {
      return await listener.accept();
    } catch (error) {
      if (!isReset(error)) throw error;
    }
  }
}

function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}

/** Reserved for documentation (RFC 5737), so that no machine has it. */
const UNASSIGNED_ADDRESS = "192.0.2.1";

/**
 * Whether an IP address is one of this machine. It tries to bind, because a list of the addresses
 * would need another permission of the runtime.
 *
 * @throws an error for which `isExhausted` is true, if no file descriptor is free
 */
export function isLocalAddress(ip: string): boolean {
  // With net.ipv4.ip_nonlocal_bind, Linux binds to any address.
  return isLoopback(ip) || (canBind(ip) && !canBind(UNASSIGNED_ADDRESS));
}

function canBind(ip: string): boolean {
  try {
    Deno.listen({ hostname: ip, port: 0 }).close();
    return true;
  } catch (error) {
    // Without a free file descriptor the result is unknown.
    if (isExhausted(error)) throw error;
    return false;
  }
}

/** Whether an error is EAFNOSUPPORT, for which the runtime has no class. */
function isUnsupportedFamily(error: unknown): boolean {
  return error instanceof Error && /address family not supported/i.test(error.message);
}

/** How long an attempt to connect may take, and what ends it. */
export interface DialOptions {
  readonly timeoutMs: number;
  readonly attempt: AbortController;
  /** Whether the kernel probes the connection while it is idle; off by default. */
  readonly keepAlive?: boolean;
  /** What follows on the connection within the same time, such as the handshake of TLS. */
  readonly upgrade?: ((connection: Connection) => Promise<Connection>) | undefined;
}

/**
 * Connects in time, unless `attempt` is aborted. Closes the socket if it fails; otherwise the
 * caller owns the connection.
 *
 * @throws {Deno.errors.TimedOut} and other errors of connect(2), the reason of the abort, or what
 * `upgrade` throws
 */
export async function dial(
  { host, port }: HostPort,
  { timeoutMs, attempt, keepAlive = false, upgrade }: DialOptions,
): Promise<Connection> {
  const { signal } = attempt;
  signal.throwIfAborted();
  // The runtime calls this method again after it has connected. If it threw then, the socket would
  // leak: after the process was stopped, the timeout and the connection come in the same turn.
  signal.throwIfAborted = () => {};
  let isConnected = false;
  const timer = setTimeout(() => {
    const late = isConnected
      ? `Connected, but the handshake took more than ${timeoutMs} ms: check the port`
      : `No connection within ${timeoutMs} ms`;
    attempt.abort(new Deno.errors.TimedOut(late));
  }, timeoutMs);
  try {
    const connection = await Deno.connect({ hostname: host, port, signal });
    const abort = () => close(connection);
    try {
      if (signal.aborted) throw signal.reason;
      connection.setNoDelay(true);
      connection.setKeepAlive(keepAlive);
      if (upgrade === undefined) return connection;
      isConnected = true;
      signal.addEventListener("abort", abort);
      const upgraded = await upgrade(connection);
      if (signal.aborted) throw signal.reason;
      return upgraded;
    } catch (error) {
      close(connection);
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** A client waits for a lookup, and so may the shutdown. */
const RESOLVE_TIMEOUT_MS = 3000;

/**
 * The IP addresses of a host in the order of getaddrinfo(3), which reads /etc/hosts; empty if there
 * is no answer within RESOLVE_TIMEOUT_MS.
 */
export async function resolve(host: string): Promise<string[]> {
  try {
    // Unlike Deno.resolveDns, it reads /etc/hosts; loaded on first use, for a short start.
    const { lookup } = await import("node:dns/promises");
    const found = await withTimeout(lookup(host, { all: true }), RESOLVE_TIMEOUT_MS) ?? [];
    return found.map(({ address }) => address);
  } catch {
    // The attempt to connect to the host reports the reason.
    return [];
  }
}

/** The address of one end of a connection, with an IPv4-mapped IPv6 address as IPv4. */
export function socketAddress({ hostname, port }: Deno.NetAddr): HostPort {
  return { host: hostname.replace(/^::ffff:(?=\d+\.)/, ""), port };
}

/** Writes all of `bytes`. They are borrowed: do not change them until the promise settles. */
export async function writeAll(connection: ByteSink, bytes: Uint8Array): Promise<void> {
  // A write may be short.
  await writeRest(connection, bytes, await connection.write(bytes));
}

/** Writes `bytes` from index `written`. They are borrowed as in `writeAll`. */
export async function writeRest(
  connection: ByteSink,
  bytes: Uint8Array,
  written: number,
): Promise<void> {
  let at = written;
  while (at < bytes.length) at += await connection.write(bytes.subarray(at));
}

/** Shuts down the writable side (FIN); a connection that is gone is ignored. */
export async function closeWrite(connection: Pick<Connection, "closeWrite">): Promise<void> {
  try {
    await connection.closeWrite();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Closes a connection or listener that may be closed already. */
export function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether an error means that either side has closed the connection. */
export function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    // The host of the peer is unreachable.
    error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.UnexpectedEof;
}

/** Whether an error means that no file descriptor is free. */
export function isExhausted(error: unknown): boolean {
  // EMFILE or ENFILE, for which the runtime has no class.
  return error instanceof Error && /too many open files/i.test(error.message);
}
