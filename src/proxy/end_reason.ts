import { isGone } from "../platform/net.ts";
import { CaptureLimitError } from "../relay/capture.ts";
import { LoginRefusedError } from "../relay/login_refused_error.ts";
import { AbandonedError, PairingError } from "../relay/pairing_error.ts";
import { RespError } from "../resp/framing.ts";
import { TlsError } from "../tls/tls_error.ts";
import { ProxyHeaderError } from "./proxy_header.ts";
import type { ExpiredTimeout } from "./session_timeouts.ts";

/** Why sessions end, as metrics and the access log name it; what is first decides. */
export const END_REASONS = [
  /** The client ended its connection, or lost it. */
  "client_closed",
  /** The node ended its connection, as after QUIT and CLIENT KILL, or lost it. */
  "node_closed",
  /** The node could not be reached. */
  "connect_failed",
  /** --idle-timeout. */
  "idle_timeout",
  /** --capture-timeout. */
  "capture_timeout",
  /** --capture-limit. */
  "capture_limit",
  /** A load balancer sent no PROXY header that is accepted. */
  "no_proxy_header",
  /** The handshake of TLS with the client failed, or one side broke TLS later. */
  "tls_failed",
  /** The proxy could not log the client in (--login). */
  "login_refused",
  /** A reply could not be paired with its request, or is no RESP. */
  "not_paired",
  /** The cluster marks the node as failed, and it does not answer. */
  "node_failed",
  /** The node is at another address now. */
  "node_moved",
  /** The node has left the cluster. */
  "node_removed",
  /** The proxy is stopping. */
  "shutdown",
  /** Anything else, which is logged as an unexpected error. */
  "error",
] as const;

/** Why a session ended. */
export type EndReason = typeof END_REASONS[number];

/**
 * The reason for a session that ends with an error.
 *
 * @param gone the reason if the error means that a connection is closed
 */
export function endReasonOf(error: unknown, gone: EndReason): EndReason {
  if (isGone(error) || error instanceof AbandonedError) return gone;
  if (error instanceof CaptureLimitError) return "capture_limit";
  if (error instanceof ProxyHeaderError) return "no_proxy_header";
  if (error instanceof TlsError) return "tls_failed";
  if (error instanceof LoginRefusedError) return "login_refused";
  return error instanceof RespError || error instanceof PairingError ? "not_paired" : "error";
}

/** The reason for each timeout; undefined where the end of one side is the reason. */
export const TIMEOUT_REASONS: Readonly<Record<ExpiredTimeout, EndReason | undefined>> = {
  "half-closed": undefined,
  "close-wait": undefined,
  "unfinished-reply": "capture_timeout",
  "unread-reply": "capture_timeout",
  "idle": "idle_timeout",
};
