import type { HostPort } from "../platform/address.ts";
import { type Connection, dial, isExhausted } from "../platform/net.ts";
import { openTunnel, type Tunnel, tunnelUrl } from "../tunnel/tunnel.ts";
import { TunnelDownError, TunnelError } from "../tunnel/tunnel_error.ts";

/** The limits of an attempt, and the handshake of TLS at its end. */
export interface Route {
  readonly attempt: AbortController;
  readonly timeoutMs: number;
  readonly secure: ((connection: Connection) => Promise<Connection>) | undefined;
}

/**
 * Connects to a tunnel, and through it to an address.
 *
 * @throws {TunnelError} if the tunnel is down, or does not reach the address, and what `dial` throws
 */
export async function dialThrough(
  via: Tunnel,
  target: HostPort,
  { secure, ...options }: Route & { readonly keepAlive: boolean },
): Promise<Connection> {
  let progress: TunnelProgress = "dialling";
  try {
    return await dial(via.at, {
      ...options,
      async upgrade(connection) {
        progress = "opening";
        await openTunnel(connection, via, target);
        progress = "open";
        return secure === undefined ? connection : await secure(connection);
      },
    });
  } catch (error) {
    throw tunnelError(error, { via, progress, ...options }) ?? error;
  }
}

type TunnelProgress = "dialling" | "opening" | "open";

/** The error for a tunnel that is down or slow; undefined for any other failure. */
function tunnelError(
  error: unknown,
  { via, progress, attempt: { signal }, timeoutMs }: {
    readonly via: Tunnel;
    readonly progress: TunnelProgress;
    readonly attempt: AbortController;
    readonly timeoutMs: number;
  },
): TunnelError | undefined {
  const isLate = error instanceof Deno.errors.TimedOut;
  const isStopped = signal.aborted && !isLate;
  if (!(error instanceof Error) || isStopped || isExhausted(error)) return undefined;
  if (progress === "dialling") {
    const reason = `${tunnelUrl(via)} cannot be reached: ${error.message}`;
    return new TunnelDownError(`The tunnel ${reason}; start it, or correct --via`, {
      cause: error,
    });
  }
  if (progress === "open" || !isLate) return undefined;
  return new TunnelError(`the tunnel has not reached it within ${timeoutMs} ms`, { cause: error });
}
