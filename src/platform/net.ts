import { type HostPort, isLoopback } from "./address.ts";
import { withTimeout } from "./timeout.ts";

/** A TCP connection, on either side of the proxy. */
export type Connection = Deno.TcpConn;

/** The side of a connection that is read; null is the peer's end. */
export type ByteSource = Pick<Connection, "read">;

/** The side of a connection that is written; a write may be short. */
export type ByteSink = Pick<Connection, "write">;

/** A socket that takes connections. */
export type Listener = Deno.TcpListener;

/**
 * Listens on a port; on every interface, of both families where the machine has both, if `host`
 * is "". Port 0 takes a free one.
 *
 * @param shared whether others, who say the same, may listen on the port, too: the system then
 * gives each of them some of the connections
 * @throws {Deno.errors.AddrInUse} and what else the system has against it
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
    // No IPv6 on this machine.
    return Deno.listen({ ...options, hostname: "0.0.0.0" });
  }
}

/** Documentation only, so no machine has it (RFC 5737). */
const NOBODYS_ADDRESS = "192.0.2.1";

/** Whether an IP address is one of this machine's: what lists those wants a permission more. */
export function isLocalAddress(ip: string): boolean {
  // Linux can be told to bind to any address (net.ipv4.ip_nonlocal_bind).
  return isLoopback(ip) || (canBind(ip) && !canBind(NOBODYS_ADDRESS));
}

function canBind(ip: string): boolean {
  try {
    Deno.listen({ hostname: ip, port: 0 }).close();
    return true;
  } catch (error) {
    // Which says nothing of the address.
    if (isExhausted(error)) throw error;
    return false;
  }
}

/** A socket of a family that the system does not have; the runtime has no class for it. */
function isUnsupportedFamily(error: unknown): boolean {
  return error instanceof Error && /address family not supported/i.test(error.message);
}

/**
 * Connects, or gives up after `timeoutMs` or when somebody aborts `attempt`; nothing is left open
 * then. The connection is the caller's to close.
 *
 * @throws {Deno.errors.TimedOut} and what else the system has against it, or the reason of the
 * abort
 */
export async function dial(
  { host, port }: HostPort,
  timeoutMs: number,
  attempt: AbortController,
): Promise<Connection> {
  const { signal } = attempt;
  signal.throwIfAborted();
  // The runtime asks this once more when it has connected. By then the connection would be lost if
  // it threw: the abort of a program that stood still for a while comes in the same turn.
  signal.throwIfAborted = () => {};
  const timer = setTimeout(() => {
    attempt.abort(new Deno.errors.TimedOut(`No connection within ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    const connection = await Deno.connect({ hostname: host, port, signal });
    try {
      if (signal.aborted) throw signal.reason;
      connection.setNoDelay(true);
    } catch (error) {
      close(connection);
      throw error;
    }
    return connection;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** A client waits meanwhile, and so does the end of the program. */
const RESOLVE_TIMEOUT_MS = 3000;

/**
 * The IP addresses of a host as the system finds them, /etc/hosts included, in the system's order;
 * none if it finds none within RESOLVE_TIMEOUT_MS.
 */
export async function resolve(host: string): Promise<string[]> {
  try {
    // Unlike Deno.resolveDns, it reads /etc/hosts; loaded on first use, for a short start.
    const { lookup } = await import("node:dns/promises");
    const found = await withTimeout(lookup(host, { all: true }), RESOLVE_TIMEOUT_MS) ?? [];
    return found.map(({ address }) => address);
  } catch {
    // There are others to say what is wrong with a name.
    return [];
  }
}

/** The address of a socket; sockets of both families put a prefix before IPv4, which goes. */
export function peerAddress({ hostname, port }: Deno.NetAddr): HostPort {
  return { host: hostname.replace(/^::ffff:(?=\d+\.)/, ""), port };
}

/** Writes all of `bytes`, which must not change until the promise is settled. */
export async function writeAll(connection: ByteSink, bytes: Uint8Array): Promise<void> {
  // A write may be short.
  await writeRest(connection, bytes, await connection.write(bytes));
}

/** Writes what is left of `bytes` behind those that are `written`; the same holds for them. */
export async function writeRest(
  connection: ByteSink,
  bytes: Uint8Array,
  written: number,
): Promise<void> {
  let at = written;
  while (at < bytes.length) at += await connection.write(bytes.subarray(at));
}

/** Says to the peer that no more will be written, if it is still there to be told. */
export async function closeWrite(connection: Connection): Promise<void> {
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

/** Whether an error says no more than that the connection is over, by either side's doing. */
export function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    // The machine of the peer is gone, or the way to it.
    error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.UnexpectedEof;
}

/** Whether an error says that the program, or the machine, may open no more files. */
export function isExhausted(error: unknown): boolean {
  // EMFILE and ENFILE, for which the runtime has no class.
  return error instanceof Error && /too many open files/i.test(error.message);
}
