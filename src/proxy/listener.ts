import { formatHostPort, type HostPort } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { close, isExhausted, listen, type Listener } from "../platform/net.ts";

/** A port cannot be listened on. */
export class ListenError extends OperatorError {
  override readonly name = "ListenError";
}

/**
 * Whose a port is that is listened on: only the listener's own, or that of several threads, of
 * which the `first` makes sure that it is nobody else's.
 */
export type BindMode = "own" | "first" | "further";

/**
 * Listens on a port of a host that an operator named, at all its addresses; port 0 takes one that
 * is free.
 *
 * @throws {ListenError} when it cannot; then nothing is left listening
 */
export function listenOn({ host, port }: HostPort, bindMode: BindMode = "own"): Listener[] {
  const opened: Listener[] = [];
  try {
    for (const address of listenHosts(host)) {
      const wanted = opened[0]?.addr.port ?? port;
      // Another proxy that shares its ports among threads would share them with this one, too.
      if (bindMode === "first" && wanted !== 0) listen(address, wanted).close();
      opened.push(listen(address, wanted, bindMode !== "own"));
    }
    return opened;
  } catch (error) {
    opened.forEach(close);
    throw listenError(host, port, error);
  }
}

/** `localhost` is two addresses where there is IPv6, and clients try either first. */
function listenHosts(host: string): string[] {
  return host === "localhost" ? ["127.0.0.1", ...(canListen("::1") ? ["::1"] : [])] : [host];
}

function canListen(host: string): boolean {
  try {
    listen(host, 0).close();
    return true;
  } catch (error) {
    // Which says nothing of the host.
    if (isExhausted(error)) throw error;
    return false;
  }
}

function listenError(host: string, port: number, error: unknown): ListenError {
  const address = formatHostPort({ host, port });
  const reason = error instanceof Deno.errors.AddrInUse
    ? "the port is taken by another program; free it or choose another --listen-addr or --port-map"
    : error instanceof Deno.errors.AddrNotAvailable
    ? "this machine has no such address; mend the host of --listen-addr"
    : error instanceof Error
    ? error.message
    : String(error);
  return new ListenError(`Cannot listen on ${address}: ${reason}`, { cause: error });
}
