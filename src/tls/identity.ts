import { createPrivateKey } from "node:crypto";
import { parseCertificates } from "./certificate.ts";
import type { Identity } from "./material.ts";

/**
 * Asserts that TLS can use a certificate and its key. The runtime itself would accept a pair that
 * does not match, and then fail every handshake.
 *
 * @throws {SyntaxError} with the reason
 */
export function assertPair({ certificates, key }: Identity): void {
  const [leaf] = parseCertificates(certificates);
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    throw new SyntaxError("The key is not an unencrypted private key in PEM format", {
      cause: error,
    });
  }
  if (!leaf!.x509.checkPrivateKey(privateKey)) {
    throw new SyntaxError("The key does not belong to the first certificate");
  }
}

/**
 * Whether the runtime's TLS can sign with a key. It knows fewer kinds than node:crypto, and would
 * fail every handshake with others.
 */
export function canSign({ certificates, key }: Identity): boolean {
  try {
    Deno.createHttpClient({ cert: certificates, key }).close();
    return true;
  } catch (error) {
    // It also refuses certificates of version 1, which nodes may accept.
    return !String(error).includes("private key");
  }
}
