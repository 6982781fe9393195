import type { SecureContext } from "node:tls";
import type { Connection } from "../platform/net.ts";
import type { ClientAuth } from "./material.ts";
import type { TlsError } from "./tls_error.ts";

/** The type of the records of a handshake, with which both sides begin (RFC 8446, section 5.1). */
export const HANDSHAKE_RECORD = 22;

/** The type of the record with which a server refuses a handshake. */
const ALERT_RECORD = 21;

/** Whether a server of TLS begins with this byte. */
export function isTlsRecord(firstByte: number): boolean {
  return firstByte === HANDSHAKE_RECORD || firstByte === ALERT_RECORD;
}

/** What differs between the two sides of TLS. */
export interface Side {
  readonly start: Start;
  /** Watches the handshake: bytes of the wire, which are borrowed for the call. */
  readonly watcher?:
    | { sent(bytes: Uint8Array): void; received(bytes: Uint8Array): void }
    | undefined;
  /** Throws unless the peer is trusted. The runtime's own verdict ends no handshake. */
  verify(peer: PeerCertificates): void;
  /** Whether TLS can begin with this byte. */
  isTls(firstByte: number): boolean;
  /** The error if TLS did not begin with such a byte. */
  plainError(): TlsError;
  /** The error for one that the TLS implementation reports. */
  errorOf(error: Error, isSecure: boolean): TlsError;
  /** The error if the peer ended the connection within the handshake. */
  endError(): Error;
  timeoutError(timeoutMs: number): TlsError;
}

/** How a handshake begins. */
export type Start =
  | { readonly isServer: true; readonly context: SecureContext; readonly clientAuth: ClientAuth }
  | {
    readonly isServer: false;
    readonly context: SecureContext;
    /** Sent to the server; undefined for an address, which cannot be sent (RFC 6066, section 3). */
    readonly serverName: string | undefined;
  };

/** What a peer has shown in the handshake, or in that of the session that was resumed. */
export interface PeerCertificates {
  /** In DER form, the peer's own first; empty if none. */
  readonly chain: readonly Uint8Array[];
  /** What the runtime found wrong with a server's chain. It misses some forged ones. */
  readonly problem: string | undefined;
}

/**
 * TLS over a connection, which it owns. As over TCP, nothing is read unless `read` asks for it, and
 * a write waits until the kernel has taken it.
 */
export interface TlsConnection extends Connection {
  /** Does the handshake, before anything else; it does not verify the peer. */
  handshake(): Promise<void>;
  readonly peerCertificates: PeerCertificates;
  /** Ends both directions for a reason, with which all that is pending fails. */
  fail(reason: unknown): void;
}
