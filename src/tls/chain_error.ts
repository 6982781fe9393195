import { TlsError, type TlsFailure } from "./tls_error.ts";

/** Whose certificates are verified. */
export type Peer = "node" | "client";

/** Why a chain of certificates does not hold. */
export type ChainFailure =
  | Extract<TlsFailure, "unknown-ca" | "expired" | "not-yet-valid" | "wrong-usage">
  | "malformed"
  | "version-1"
  | "unknown-extension"
  | "wrong-issuer";

/** The error for a chain that does not hold. */
export function chainError(peer: Peer, failure: ChainFailure, options?: ErrorOptions): TlsError {
  const [reason, message] = MESSAGES[failure](peer, CA_OPTIONS[peer]);
  return new TlsError(reason, message, options);
}

const CA_OPTIONS = { node: "--cluster-tls-ca-cert-file", client: "--tls-ca-cert-file" };

const MESSAGES: Record<ChainFailure, (peer: Peer, caOption: string) => [TlsFailure, string]> = {
  "malformed": (peer) => ["protocol", `The ${peer}'s certificate is malformed: issue it again`],
  "unknown-ca": (peer, caOption) => [
    "unknown-ca",
    `The ${peer}'s certificate is not signed by a known CA: set ${caOption} to the CA's file`,
  ],
  "expired": (peer) => ["expired", `The ${peer}'s certificate, or its CA's, has expired: renew it`],
  "not-yet-valid": (peer) => [
    "not-yet-valid",
    `The ${peer}'s certificate, or its CA's, is not valid yet: check the clocks`,
  ],
  "wrong-usage": (peer) => [
    "wrong-usage",
    `The ${peer}'s certificate, or its CA's, is not for this usage: issue it with ` +
    `extendedKeyUsage ${peer === "node" ? "serverAuth" : "clientAuth"}`,
  ],
  "wrong-issuer": (peer, caOption) => [
    "unknown-ca",
    `The ${peer}'s certificate is signed by a certificate that must not sign it: set ${caOption} ` +
    "to a CA's file, or fix the CA's basicConstraints and keyUsage",
  ],
  "unknown-extension": (peer) => [
    "wrong-usage",
    `The ${peer}'s certificate, or its CA's, has a critical extension that the proxy does not ` +
    "know, such as nameConstraints: issue it without",
  ],
  "version-1": (peer) => [
    "unknown-ca",
    `The ${peer}'s certificate is of X.509 version 1: issue it with extensions, as with openssl ` +
    "x509 -req -extfile" + (peer === "node" ? ", or set --cluster-tls-verify chain" : ""),
  ],
};
