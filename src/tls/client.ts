import { createSecureContext, type SecureContext } from "node:tls";
import { isIpAddress } from "../platform/address.ts";
import type { Connection, TlsConnector } from "../platform/net.ts";
import { chainError } from "./chain_error.ts";
import { assertPair } from "./identity.ts";
import type { NodeMaterial } from "./material.ts";
import { KeyProof } from "./key_proof.ts";
import { isForHost, namesOf } from "./names.ts";
import { isTlsRecord, type PeerCertificates, type Side, type Start } from "./side.ts";
import { HANDSHAKE_TIMEOUT_MS, openTls } from "./tls_connection.ts";
import { alertIn, TlsError, type TlsFailure } from "./tls_error.ts";
import { Verifier } from "./verifier.ts";

/** TLS towards nodes. */
export class TlsClient implements TlsConnector {
  #settings: Settings;

  /** @throws {SyntaxError} if the material is unusable */
  constructor(material: NodeMaterial) {
    this.#settings = settingsOf(material);
  }

  /**
   * Handshakes that begin from now on use other material.
   *
   * @throws {SyntaxError} if that is unusable; the present one stays
   */
  update(material: NodeMaterial): void {
    this.#settings = settingsOf(material);
  }

  /**
   * Does the handshake with a node that was just dialled, and verifies that its certificate is for
   * that host, or the name by which the node is known. The result owns the connection; on failure
   * it is closed.
   *
   * @throws {TlsError}, or the error of the connection if it is lost or closed
   */
  async connect(
    connection: Connection,
    host: string,
    hostname?: string,
    timeoutMs = HANDSHAKE_TIMEOUT_MS,
  ): Promise<Connection> {
    const names = hostname === undefined ? [host] : [host, hostname];
    return await openTls(connection, new ClientSide(this.#settings, names), timeoutMs);
  }
}

interface Settings {
  readonly material: NodeMaterial;
  readonly context: SecureContext;
  readonly verifier: Verifier;
}

function settingsOf(material: NodeMaterial): Settings {
  const { identity, ca } = material;
  if (identity !== undefined) assertPair(identity);
  return {
    material,
    verifier: new Verifier("node", ca),
    context: createSecureContext({
      // Only then can a certificate of version 1 be verified, see `KeyProof`.
      ...(material.verify === "chain" && { maxVersion: "TLSv1.2" }),
      ...(ca !== undefined && { ca }),
      ...(identity !== undefined && { cert: identity.certificates, key: identity.key }),
    }),
  };
}

class ClientSide implements Side {
  readonly start: Start;
  /** Undefined once the node is verified, because it keeps the handshake. */
  watcher: KeyProof | undefined;
  readonly #settings: Settings;
  /** What the certificate must be for: one of them. */
  readonly #names: readonly string[];

  constructor(settings: Settings, names: readonly string[]) {
    this.#settings = settings;
    const { serverName } = settings.material;
    this.#names = serverName === undefined ? names : [serverName];
    this.start = {
      isServer: false,
      context: settings.context,
      serverName: this.#names.find((name) => !isIpAddress(name)),
    };
    if (settings.material.verify === "chain") this.watcher = new KeyProof();
  }

  verify({ chain, problem }: PeerCertificates): void {
    const { material, verifier } = this.#settings;
    const { watcher } = this;
    this.watcher = undefined;
    const leaf = verifier.verify(chain, { hasKey: (leaf) => watcher?.isOf(leaf) ?? false });
    // The default roots are known to the runtime only.
    if (problem !== undefined) throw chainError("node", "unknown-ca", { cause: problem });
    if (material.verify === "chain" || this.#names.some((name) => isForHost(leaf, name))) return;
    const names = namesOf(leaf);
    throw new TlsError(
      "wrong-name",
      `The node's certificate is not for ${this.#names.join(" or ")}, but for ` +
        `${names === "" ? "no name, only a subject" : names}: set --cluster-tls-server-name to a ` +
        "name in it, or --cluster-tls-verify chain",
    );
  }

  isTls(firstByte: number): boolean {
    return isTlsRecord(firstByte);
  }

  plainError(): TlsError {
    return new TlsError(
      "plain",
      "The node does not speak TLS on this port: set the TLS port in --cluster-addr, or leave " +
        "out --cluster-tls",
    );
  }

  errorOf(error: Error, isSecure: boolean): TlsError {
    const { message } = error;
    const because = (reason: TlsFailure, text: string) =>
      new TlsError(reason, text, { cause: error });
    const alert = alertIn(message);
    const hasIdentity = this.#settings.material.identity !== undefined;
    // With TLS 1.3 a node judges the certificate of its client after the handshake.
    if (alert !== undefined && (CERTIFICATE_ALERTS.has(alert) || alert === "CertificateRequired")) {
      return hasIdentity
        ? because(
          "client-certificate-refused",
          `The node refuses the proxy's certificate (alert ${alert}): set --cluster-tls-cert-file ` +
            "to one that is signed by the node's tls-ca-cert-file",
        )
        : because("client-certificate-wanted", CERTIFICATE_WANTED);
    }
    if (isSecure) return because("protocol", `The node broke TLS: ${message}`);
    if (alert === "HandshakeFailure" && !hasIdentity) {
      return because("client-certificate-wanted", CERTIFICATE_WANTED);
    }
    if (alert === "ProtocolVersion" || /peer is incompatible/i.test(message)) {
      const needed = this.watcher === undefined
        ? "TLSv1.2 or TLSv1.3"
        : "TLSv1.2, which --cluster-tls-verify chain needs,";
      return because(
        "version",
        `The node has no version or cipher of TLS in common with the proxy (${message}): ` +
          `allow ${needed} in the node's tls-protocols`,
      );
    }
    return because("protocol", `The TLS handshake with the node failed: ${message}`);
  }

  endError(): Error {
    return new Deno.errors.UnexpectedEof("The node closed the connection in the TLS handshake");
  }

  timeoutError(timeoutMs: number): TlsError {
    return new TlsError(
      "timeout",
      `The node did not finish the TLS handshake in ${timeoutMs} ms: check that its port is one ` +
        "for TLS",
    );
  }
}

/** Alerts by which a server refuses a certificate of its client (RFC 8446, section 6.2). */
const CERTIFICATE_ALERTS = new Set([
  "BadCertificate",
  "UnsupportedCertificate",
  "CertificateRevoked",
  "CertificateExpired",
  "CertificateUnknown",
  "UnknownCA",
  "AccessDenied",
  // The node has a CA of the same name with another key.
  "DecryptError",
]);

const CERTIFICATE_WANTED =
  "The node wants a certificate: set --cluster-tls-cert-file and --cluster-tls-key-file, or set " +
  "tls-auth-clients no in the node";
