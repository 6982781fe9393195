import { createSecureContext } from "node:tls";
import type { Connection } from "../platform/net.ts";
import { isTlsRecord, type Side } from "./side.ts";
import { HANDSHAKE_TIMEOUT_MS, openTls } from "./tls_connection.ts";
import { TlsError } from "./tls_error.ts";

/**
 * Does the handshake with the proxy's own port, for a probe that sends no secret: the certificate
 * is for the public host, and it is not verified. The result owns the connection; on failure it is
 * closed.
 *
 * @throws {TlsError} if no handshake is possible, or the error of the connection
 */
export async function openUnverified(connection: Connection): Promise<Connection> {
  return await openTls(connection, UNVERIFIED, HANDSHAKE_TIMEOUT_MS);
}

const UNVERIFIED: Side = {
  start: { isServer: false, context: createSecureContext(), serverName: undefined },
  verify() {},
  isTls: isTlsRecord,
  plainError: () => new TlsError("plain", "The port does not speak TLS"),
  errorOf: ({ message }) => new TlsError("protocol", message),
  endError: () => new Deno.errors.UnexpectedEof("The port was closed in the TLS handshake"),
  timeoutError: (timeoutMs) => new TlsError("timeout", `No handshake within ${timeoutMs} ms`),
};
