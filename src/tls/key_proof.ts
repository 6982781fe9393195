import { Buffer } from "node:buffer";
import { constants, type KeyObject, verify } from "node:crypto";
import type { Certificate } from "./certificate.ts";
import { HANDSHAKE_RECORD } from "./side.ts";

/**
 * Watches a handshake of TLS 1.2, and checks that the server has the key of its certificate (RFC
 * 5246, section 7.4.3; RFC 8422, section 5.4). The runtime does not, if the certificate is of
 * version 1. With TLS 1.3 nobody could watch: there the proof is encrypted.
 */
export class KeyProof {
  #clientRandom: Uint8Array | undefined;
  /** Records of the server, as long as they are in plain text. */
  #received: Uint8Array[] = [];
  #length = 0;

  /** Takes what the client sends. */
  sent(bytes: Uint8Array): void {
    // The random bytes follow the headers of record and message, and the version.
    this.#clientRandom ??= bytes.slice(11, 43);
  }

  /** Takes what the server sends. */
  received(bytes: Uint8Array): void {
    if (this.#length >= MAX_HANDSHAKE_BYTES) return;
    this.#received.push(bytes.slice());
    this.#length += bytes.length;
  }

  /** Whether the server has shown a certificate, and signed the handshake with its key. */
  isOf({ der, x509 }: Certificate): boolean {
    const messages = handshakeMessages(Buffer.concat(this.#received));
    const hello = only(messages, SERVER_HELLO);
    const certificate = only(messages, CERTIFICATE);
    const exchange = only(messages, SERVER_KEY_EXCHANGE);
    // A session that is resumed has no exchange.
    if (hello === undefined || certificate === undefined || exchange === undefined) return false;
    // Two lengths of three bytes precede the first certificate.
    if (!Buffer.from(certificate.subarray(6, 6 + der.length)).equals(der)) return false;
    // A named curve, and a point with its length; then the algorithm, and a signature with its.
    const end = 4 + (exchange[3] ?? 0);
    if (exchange[0] !== NAMED_CURVE || exchange.length < end + 4) return false;
    const algorithm = exchange[end]! * 256 + exchange[end + 1]!;
    const signed = Buffer.concat([
      this.#clientRandom!,
      hello.subarray(2, 34),
      exchange.subarray(0, end),
    ]);
    return isSigned(algorithm, signed, x509.publicKey, exchange.subarray(end + 4));
  }
}

/** A certificate chain is the largest message; OpenSSL's limit for it is 100 KiB. */
const MAX_HANDSHAKE_BYTES = 100 * 1024;

/** Types of handshake messages (RFC 5246, section 7.4). */
const SERVER_HELLO = 2;
const CERTIFICATE = 11;
const SERVER_KEY_EXCHANGE = 12;
const SERVER_HELLO_DONE = 14;

/** The type of a curve that has a name (RFC 8422, section 5.4). */
const NAMED_CURVE = 3;

interface Message {
  readonly type: number;
  readonly body: Uint8Array;
}

/** The messages in plain text: those up to ServerHelloDone. */
function handshakeMessages(records: Uint8Array): Message[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 5 <= records.length;) {
    const end = at + 5 + records[at + 3]! * 256 + records[at + 4]!;
    if (records[at] === HANDSHAKE_RECORD) parts.push(records.subarray(at + 5, end));
    at = end;
  }
  const bytes = Buffer.concat(parts);
  const messages: Message[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const [type, high, middle, low] = bytes.subarray(at, at + 4) as unknown as number[];
    const end = at + 4 + high! * 65536 + middle! * 256 + low!;
    messages.push({ type: type!, body: bytes.subarray(at + 4, end) });
    if (type === SERVER_HELLO_DONE) break;
    at = end;
  }
  return messages;
}

/** The body of the only message of a type. */
function only(messages: readonly Message[], type: number): Uint8Array | undefined {
  const [found, ...others] = messages.filter((message) => message.type === type);
  return others.length === 0 ? found?.body : undefined;
}

function isSigned(
  algorithm: number,
  bytes: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean {
  const scheme = SCHEMES[algorithm];
  if (scheme === undefined || scheme.keyType !== key.asymmetricKeyType) return false;
  const { hash, isPss } = scheme;
  const padding = isPss && {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  return verify(hash, bytes, { key, ...padding }, signature);
}

interface Scheme {
  readonly hash: string | null;
  readonly keyType: string;
  readonly isPss?: boolean;
}

/** The signature schemes that the runtime offers to servers (RFC 8446, section 4.2.3). */
const SCHEMES: Record<number, Scheme> = {
  0x0401: { hash: "sha256", keyType: "rsa" },
  0x0501: { hash: "sha384", keyType: "rsa" },
  0x0601: { hash: "sha512", keyType: "rsa" },
  0x0403: { hash: "sha256", keyType: "ec" },
  0x0503: { hash: "sha384", keyType: "ec" },
  0x0603: { hash: "sha512", keyType: "ec" },
  0x0804: { hash: "sha256", keyType: "rsa", isPss: true },
  0x0805: { hash: "sha384", keyType: "rsa", isPss: true },
  0x0806: { hash: "sha512", keyType: "rsa", isPss: true },
  0x0807: { hash: null, keyType: "ed25519" },
};
