// tls/ is TLS over a connection: TlsServer for clients, TlsClient for nodes. It imports only
// platform/, and is loaded only when a setting asks for TLS.
//
//   relay ◀─ read ── TlsConnection ◀─ read ─── connection
//   relay ── write ─▶              ── write ─▶
//
// The runtime does the cryptography, but not the input and output: it reads its own sockets without
// limit, and its listeners have traps of their own. There are two implementations of the connection.
// engine_connection.ts uses an interface of the runtime that has no public name, and takes half the
// CPU time. stream_connection.ts uses node:tls, and serves where that interface is missing.
//
// Read server.ts or client.ts next, and verifier.ts, which decides whom to trust.

import { close, type Connection } from "../platform/net.ts";
import { engineClass } from "./engine.ts";
import { EngineConnection } from "./engine_connection.ts";
import type { Side, TlsConnection } from "./side.ts";
import { StreamConnection } from "./stream_connection.ts";

/** Both sides of a handshake wait for the other for ever, if one of them does not speak TLS. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

const Engine = engineClass();

/**
 * Does the handshake over a connection, and verifies the peer. The result owns the connection; on
 * failure it is closed.
 *
 * @throws {TlsError}, or the error of the connection if it is lost or closed
 */
export async function openTls(
  connection: Connection,
  side: Side,
  timeoutMs: number,
): Promise<Connection> {
  let tls: TlsConnection | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const opened = tls = Engine === undefined
      ? new StreamConnection(connection, side)
      : new EngineConnection(connection, side, Engine);
    timer = setTimeout(() => opened.fail(side.timeoutError(timeoutMs)), timeoutMs);
    await tls.handshake();
    side.verify(tls.peerCertificates);
    return tls;
  } catch (error) {
    close(tls ?? connection);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
