import { assertEquals } from "@std/assert";
import { OwnAddressError } from "../../../src/cluster/node_dialer.ts";
import { type ConnectFailure, connectFailureOf } from "../../../src/proxy/connect_failure.ts";
import { type EndReason, endReasonOf } from "../../../src/proxy/end_reason.ts";
import { CaptureLimitError } from "../../../src/relay/capture.ts";
import { LoginRefusedError } from "../../../src/relay/login_refused_error.ts";
import { AbandonedError, PairingError } from "../../../src/relay/pairing_error.ts";
import { RespError } from "../../../src/resp/framing.ts";
import { TlsError } from "../../../src/tls/tls_error.ts";
import { TunnelDownError, TunnelError } from "../../../src/tunnel/tunnel_error.ts";

const END_REASONS: [error: unknown, reason: EndReason][] = [
  [new Deno.errors.ConnectionReset(), "node_closed"],
  [new Deno.errors.UnexpectedEof(), "node_closed"],
  [new AbandonedError(), "node_closed"],
  [new CaptureLimitError(""), "capture_limit"],
  [new TlsError("protocol", ""), "tls_failed"],
  [new LoginRefusedError(""), "login_refused"],
  [new PairingError(""), "not_paired"],
  [new RespError(""), "not_paired"],
  [new TypeError(""), "error"],
  ["a text", "error"],
];

Deno.test("the error of a session says why it ends", () => {
  for (const [error, reason] of END_REASONS) {
    assertEquals(endReasonOf(error, "node_closed"), reason, `${error}`);
  }
});

const CONNECT_FAILURES: [error: unknown, failure: ConnectFailure][] = [
  [new Deno.errors.ConnectionRefused(), "refused"],
  [new Deno.errors.TimedOut(), "timeout"],
  [new Deno.errors.NetworkUnreachable("Network is unreachable (os error 101)"), "unreachable"],
  [new Error("No route to host (os error 113)"), "unreachable"],
  [new TlsError("unknown-ca", ""), "tls"],
  [new TunnelError(""), "tunnel"],
  [new TunnelDownError(""), "tunnel"],
  [new OwnAddressError(""), "own_address"],
  [new Error("Too many open files (os error 24)"), "no_descriptors"],
  [new Deno.errors.ConnectionReset(), "other"],
  ["a text", "other"],
];

Deno.test("the error of a connection to a node says why it failed", () => {
  for (const [error, failure] of CONNECT_FAILURES) {
    assertEquals(connectFailureOf(error), failure, `${error}`);
  }
});
