import { formatHostPort, type HostPort } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { close, isExhausted, listen, type Listener } from "../platform/net.ts";

/** A port cannot be listened on. */
export class ListenError extends OperatorError {
  override readonly name = "ListenError";
}

/**
 * How a port is bound. `exclusive`: by this listener only. `shared`: by several threads.
 * `shared-first`: by several threads, after a check that no other program has the port.
 */
export type BindMode = "exclusive" | "shared-first" | "shared";

/** The options to change if a port cannot be listened on, as a message names them. */
export interface ChangedOptions {
  readonly port: string;
  readonly host: string;
}

/** How to listen. */
export interface ListenOptions {
  readonly bindMode?: BindMode | undefined;
  /** Those of the nodes by default. */
  readonly options?: ChangedOptions;
}

const NODE_LISTEN_OPTIONS = { port: "--listen-addr or --port-map", host: "--listen-addr" };

/**
 * Listens on a port, on all addresses of a host that the operator has set; port 0 takes a free one.
 *
 * @throws {ListenError} when it cannot; then nothing is left listening
 */
export function listenOn(
  { host, port }: HostPort,
  { bindMode = "exclusive", options = NODE_LISTEN_OPTIONS }: ListenOptions = {},
): Listener[] {
  const opened: Listener[] = [];
  try {
    for (const address of listenHosts(host)) {
      const wanted = opened[0]?.addr.port ?? port;
      // A shared bind would succeed even if another proxy with threads has the port.
      if (bindMode === "shared-first" && wanted !== 0) listen(address, wanted).close();
      opened.push(listen(address, wanted, bindMode !== "exclusive"));
    }
    return opened;
  } catch (error) {
    opened.forEach(close);
    throw listenError({ host, port }, options, error);
  }
}

/** With IPv6 `localhost` is two addresses, and clients may try either first. */
function listenHosts(host: string): string[] {
  return host === "localhost" ? ["127.0.0.1", ...(canListen("::1") ? ["::1"] : [])] : [host];
}

function canListen(host: string): boolean {
  try {
    listen(host, 0).close();
    return true;
  } catch (error) {
    // Without a free file descriptor the result is unknown.
    if (isExhausted(error)) throw error;
    return false;
  }
}

function listenError(
  at: HostPort,
  options: ChangedOptions,
  error: unknown,
): ListenError {
  const address = formatHostPort(at);
  const reason = error instanceof Deno.errors.AddrInUse
    ? `the port is in use by another program; free it, or change ${options.port}`
    : error instanceof Deno.errors.AddrNotAvailable
    ? `no such address on this machine; change the host in ${options.host}`
    : error instanceof Error
    ? error.message
    : String(error);
  return new ListenError(`Cannot listen on ${address}: ${reason}`, { cause: error });
}
