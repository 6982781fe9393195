import { createSecureContext } from "node:tls";
import type { Connection, TlsAcceptor } from "../platform/net.ts";
import { chainError } from "./chain_error.ts";
import { assertPair } from "./identity.ts";
import type { ClientAuth, ServerMaterial } from "./material.ts";
import { HANDSHAKE_RECORD, type PeerCertificates, type Side, type Start } from "./side.ts";
import { HANDSHAKE_TIMEOUT_MS, openTls } from "./tls_connection.ts";
import { alertIn, TlsError, type TlsFailure } from "./tls_error.ts";
import { Verifier } from "./verifier.ts";

/** TLS towards clients. */
export class TlsServer implements TlsAcceptor {
  #side: ServerSide;

  /** @throws {SyntaxError} if the material is unusable */
  constructor(material: ServerMaterial) {
    this.#side = new ServerSide(material);
  }

  /**
   * Handshakes that begin from now on use other material.
   *
   * @throws {SyntaxError} if that is unusable; the present one stays
   */
  update(material: ServerMaterial): void {
    this.#side = new ServerSide(material);
  }

  /**
   * Does the handshake with a client that was just accepted, and verifies its certificate. The
   * result owns the connection; on failure it is closed.
   *
   * @throws {TlsError}, or the error of the connection if it is lost or closed
   */
  async accept(connection: Connection, timeoutMs = HANDSHAKE_TIMEOUT_MS): Promise<Connection> {
    return await openTls(connection, this.#side, timeoutMs);
  }
}

class ServerSide implements Side {
  readonly start: Start;
  readonly #clientAuth: ClientAuth;
  readonly #verifier: Verifier | undefined;

  constructor(material: ServerMaterial) {
    const { identity, clientCa, clientAuth, minVersion } = material;
    assertPair(identity);
    if (clientAuth !== "no" && clientCa === undefined) {
      throw new SyntaxError("There is no CA to verify clients' certificates");
    }
    this.#clientAuth = clientAuth;
    this.#verifier = clientAuth === "no" ? undefined : new Verifier("client", clientCa);
    // Without `ca`: the runtime would send those certificates to clients, and `verify` decides.
    const { certificates: cert, key } = identity;
    const context = createSecureContext({ cert, key, minVersion });
    this.start = { isServer: true, context, clientAuth };
  }

  /** A session that was resumed has the certificate of its first connection, or none. */
  verify({ chain }: PeerCertificates): void {
    if (this.#verifier === undefined) return;
    if (chain.length > 0) this.#verifier.verify(chain);
    else if (this.#clientAuth === "yes") throw certificateWanted();
  }

  isTls(firstByte: number): boolean {
    return firstByte === HANDSHAKE_RECORD;
  }

  plainError(): TlsError {
    return new TlsError("plain", "The client does not speak TLS: set tls in the client");
  }

  errorOf(error: Error, isSecure: boolean): TlsError {
    const { message } = error;
    const because = (reason: TlsFailure, text: string) =>
      new TlsError(reason, text, { cause: error });
    if (isSecure) return because("protocol", `The client broke TLS: ${message}`);
    if (/peer sent no certificates/i.test(message)) return certificateWanted(error);
    // It cannot read the certificate, and so cannot check its signature.
    if (/issuer certificate|BadEncoding/i.test(message)) {
      return chainError("client", "malformed", { cause: error });
    }
    if (/peer is incompatible|ProtocolVersion/i.test(message)) {
      return because(
        "version",
        `The client has no version or cipher of TLS in common with the proxy (${message}): ` +
          "update the client, or lower --tls-min-version",
      );
    }
    const alert = alertIn(message);
    if (alert !== undefined) {
      return because(
        "protocol",
        `The client refused the proxy's certificate or ended TLS (alert ${alert}): give the ` +
          "client the CA of --tls-cert-file, and check that the certificate names the public host",
      );
    }
    return because("protocol", `The TLS handshake with the client failed: ${message}`);
  }

  endError(): Error {
    return new Deno.errors.UnexpectedEof("The client closed the connection in the TLS handshake");
  }

  timeoutError(timeoutMs: number): TlsError {
    return new TlsError(
      "timeout",
      `The client did not finish the TLS handshake in ${timeoutMs} ms`,
    );
  }
}

function certificateWanted(cause?: Error): TlsError {
  return new TlsError(
    "client-certificate-wanted",
    "The client has shown no certificate: give it one, or set --tls-auth-clients optional",
    { cause },
  );
}
