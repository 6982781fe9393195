import { OwnAddressError } from "../cluster/node_dialer.ts";
import { isExhausted } from "../platform/net.ts";
import { TlsError } from "../tls/tls_error.ts";
import { TunnelError } from "../tunnel/tunnel_error.ts";

/** Why connections to nodes fail, as metrics name it. */
export const CONNECT_FAILURES = [
  "refused",
  "timeout",
  "unreachable",
  "tls",
  "tunnel",
  "own_address",
  "no_descriptors",
  "other",
] as const;

/** Why a connection to a node failed. */
export type ConnectFailure = typeof CONNECT_FAILURES[number];

/** The kind of a failure of `NodeDialer.dial`. */
export function connectFailureOf(error: unknown): ConnectFailure {
  if (error instanceof TlsError) return "tls";
  if (error instanceof TunnelError) return "tunnel";
  if (error instanceof OwnAddressError) return "own_address";
  if (error instanceof Deno.errors.ConnectionRefused) return "refused";
  if (error instanceof Deno.errors.TimedOut) return "timeout";
  if (isExhausted(error)) return "no_descriptors";
  // EHOSTUNREACH and ENETUNREACH, for which the runtime has no common class.
  const isUnreachable = error instanceof Error && /unreachable|no route/i.test(error.message);
  return isUnreachable ? "unreachable" : "other";
}
