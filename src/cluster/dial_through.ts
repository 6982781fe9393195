import type { HostPort } from "../platform/address.ts";
import { type Connection, dial, type DialOptions, isExhausted } from "../platform/net.ts";
import { openTunnel, type Tunnel, tunnelUrl } from "../tunnel/tunnel.ts";
import { TunnelDownError, TunnelError } from "../tunnel/tunnel_error.ts";

/**
 * Connects to a tunnel, and through it to an address; see `dial`.
 *
 * @throws {TunnelError} if the tunnel is down, or does not reach the address, and what `dial` throws
 */
export async function dialThrough(
  via: Tunnel,
  target: HostPort,
  { upgrade, ...options }: DialOptions,
): Promise<Connection> {
  let progress: TunnelProgress = "dialling";
  try {
    return await dial(via.at, {
      ...options,
      async upgrade(connection) {
        progress = "opening";
        await openTunnel(connection, via, target);
        progress = "open";
        return upgrade === undefined ? connection : await upgrade(connection);
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
  { via, progress, attempt: { signal }, timeoutMs }: DialOptions & {
    readonly via: Tunnel;
    readonly progress: TunnelProgress;
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
