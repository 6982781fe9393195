import { isLoopback } from "../platform/address.ts";
import { type AddressRange, isInRanges } from "../platform/address_range.ts";
import type { LogThrottle } from "../platform/log_throttle.ts";
import { close, type Connection, socketAddress } from "../platform/net.ts";
import { BalancedConnection } from "./balanced_connection.ts";
import {
  type HeaderVersions,
  parseProxyHeader,
  type ProxyHeader,
  ProxyHeaderError,
} from "./proxy_header.ts";

/** How load balancers in front of the proxy say who their clients are. */
export interface BalancerOptions {
  /** The versions of the PROXY header that they may send. */
  readonly versions: HeaderVersions;
  /** The addresses of the balancers; others may not connect. */
  readonly from: readonly AddressRange[];
}

/**
 * A balancer sends the header with its first packet. The specification asks to wait for at least
 * 3 s, for one retransmission of that. This is enough for three (1 s, 2 s, 4 s), and as long as the
 * handshake of TLS may take.
 */
export const HEADER_TIMEOUT_MS = 10_000;

/** A header and what a client sends first; extensions of a header are skipped in such pieces. */
const BUFFER_BYTES = 512;

/** Reads the PROXY headers of load balancers, and admits no other clients. */
export class Balancers {
  readonly #options: BalancerOptions;
  readonly #throttle: LogThrottle;

  constructor(options: BalancerOptions, throttle: LogThrottle) {
    this.#options = options;
    this.#throttle = throttle;
  }

  /**
   * Whether a connection comes from a balancer, or from this machine, for its health check. A
   * warning is logged if not.
   */
  admits(connection: Pick<Connection, "localAddr" | "remoteAddr">): boolean {
    if (this.#isBalancer(connection) || isFromHere(connection)) return true;
    const { host } = socketAddress(connection.remoteAddr);
    this.#throttle.log("warning", { topic: "balancers", cause: host }, [
      "Closing a connection from {host}: it is in no range of --proxy-protocol-from",
      { host },
    ]);
    return false;
  }

  /**
   * Reads the header. The result owns the connection, and has the addresses of the header; it
   * begins with the first byte after that. On failure the caller still owns the connection.
   *
   * @throws {ProxyHeaderError} if no header that is accepted comes in time
   */
  async accept(connection: Connection): Promise<Connection> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      close(connection);
    }, HEADER_TIMEOUT_MS);
    try {
      const { ends, rest } = await readHeader(connection, this.#options.versions);
      if (ends !== undefined && !this.#isBalancer(connection)) {
        throw new ProxyHeaderError(
          "A PROXY header with addresses came from this machine, which is in no range of " +
            "--proxy-protocol-from",
        );
      }
      if (!isLate) return new BalancedConnection(connection, ends, rest);
    } catch (error) {
      if (!isLate) throw error;
    } finally {
      clearTimeout(timer);
    }
    throw new ProxyHeaderError(`There was no complete PROXY header within ${HEADER_TIMEOUT_MS} ms`);
  }

  #isBalancer({ remoteAddr }: Pick<Connection, "remoteAddr">): boolean {
    return isInRanges(remoteAddr.hostname, this.#options.from);
  }
}

/** Whether a connection comes from this machine. */
function isFromHere({ localAddr, remoteAddr }: Pick<Connection, "localAddr" | "remoteAddr">) {
  const { host } = socketAddress(remoteAddr);
  return isLoopback(host) || remoteAddr.hostname === localAddr.hostname;
}

/**
 * Reads a header, and skips its extensions; `rest` is what came after it.
 *
 * @throws {ProxyHeaderError} if it is none that is accepted
 */
async function readHeader(
  connection: Pick<Connection, "read">,
  versions: HeaderVersions,
): Promise<Pick<ProxyHeader, "ends"> & { readonly rest: Uint8Array }> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  let end = 0;
  let header: ProxyHeader | undefined;
  while (header === undefined) {
    end += await readSome(connection, buffer.subarray(end));
    header = parseProxyHeader(buffer.subarray(0, end), versions);
  }
  const { length, ends } = header;
  let skipped = 0;
  for (; skipped + end < length; end = await readSome(connection, buffer)) skipped += end;
  return { ends, rest: buffer.subarray(length - skipped, end) };
}

/** @throws {Deno.errors.UnexpectedEof} at the end of the stream */
async function readSome(
  connection: Pick<Connection, "read">,
  buffer: Uint8Array,
): Promise<number> {
  const read = await connection.read(buffer);
  if (read !== null) return read;
  // Some health checks only connect.
  throw new Deno.errors.UnexpectedEof("The connection ended before its PROXY header did");
}
