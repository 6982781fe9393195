import { Buffer } from "node:buffer";
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { addressBytes, isIpAddress } from "../../src/platform/address.ts";
import { Tag } from "../../src/tls/der.ts";
import type { Identity } from "../../src/tls/material.ts";

/** What a certificate says; by default it is a leaf for localhost, valid now, for both usages. */
export interface CertificateOptions {
  /** The common name, which is the whole subject. */
  readonly subject?: string;
  /** Alternative names: host names and IP addresses; none for no such extension. */
  readonly names?: readonly string[];
  /** Undefined for no such extension. */
  readonly usages?: readonly ("serverAuth" | "clientAuth")[] | undefined;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** Whether the key usage allows to sign certificates; by default there is no key usage. */
  readonly maySign?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Versions below 3 have no extensions. */
  readonly version?: number;
  /** The object id of a critical extension that nobody knows. */
  readonly critical?: string;
  /** Encodes TRUE as 1, which DER does not allow. */
  readonly isBadlyEncoded?: boolean;
  readonly keyType?: keyof typeof KEY_TYPES | keyof typeof UNKNOWN_KEYS;
}

/** A certificate with its key, which can issue others. It is made here, without a tool. */
export class TestCertificate {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: KeyObject;
  readonly #subject: string;
  /** The certificates that a peer needs to get from this one to its root, this one first. */
  readonly #chain: string;

  private constructor(options: CertificateOptions, issuer: TestCertificate | undefined) {
    const { subject = "leaf", keyType = "P-256" } = options;
    this.#subject = subject;
    this.key = keyType in UNKNOWN_KEYS
      ? UNKNOWN_KEYS[keyType as keyof typeof UNKNOWN_KEYS]()
      : KEY_TYPES[keyType as keyof typeof KEY_TYPES].make();
    this.der = encode(options, {
      subject,
      key: this.key,
      issuer: issuer === undefined ? subject : issuer.#subject,
      issuerKey: issuer?.key ?? this.key,
    });
    this.pem = toPem(this.der);
    this.#chain = issuer === undefined ? "" : this.pem + issuer.#chain;
  }

  /** Makes a CA that signed itself. */
  static root(options: CertificateOptions = {}): TestCertificate {
    return new TestCertificate({ ...CA, subject: "root", ...options }, undefined);
  }

  /** Makes a leaf that signed itself. */
  static selfSigned(options: CertificateOptions = {}): TestCertificate {
    return new TestCertificate(options, undefined);
  }

  issue(options: CertificateOptions = {}): TestCertificate {
    return new TestCertificate(options, this);
  }

  issueCa(options: CertificateOptions = {}): TestCertificate {
    return this.issue({ ...CA, subject: "intermediate", ...options });
  }

  /** The chain without its root, and the key. */
  get identity(): Identity {
    return { certificates: this.#chain || this.pem, key: this.keyPem };
  }

  get keyPem(): string {
    return this.key.export({ type: "pkcs8", format: "pem" }) as string;
  }
}

const CA: CertificateOptions = { isCa: true, names: [], usages: undefined };

/** Key generators by name, and the algorithm with which such a key signs. */
const KEY_TYPES = {
  "P-256": {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
    is: (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === "prime256v1",
    hash: "sha256",
    algorithm: "300a06082a8648ce3d040302",
  },
  "P-384": {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
    is: (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === "secp384r1",
    hash: "sha384",
    algorithm: "300a06082a8648ce3d040303",
  },
  "RSA": {
    make: () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
    is: (key: KeyObject) => key.asymmetricKeyType === "rsa",
    hash: "sha256",
    algorithm: "300d06092a864886f70d01010b0500",
  },
  "Ed25519": {
    make: () => generateKeyPairSync("ed25519").privateKey,
    is: (key: KeyObject) => key.asymmetricKeyType === "ed25519",
    hash: undefined,
    algorithm: "300506032b6570",
  },
} as const;

/** Generators of keys that TLS does not know. They issue no certificates. */
const UNKNOWN_KEYS = {
  "RSA-1024": () => generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
  "secp256k1": () => generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey,
};

/** What an encoding needs beside the options. */
interface Signing {
  readonly subject: string;
  readonly key: KeyObject;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
}

/** Encodes a certificate (RFC 5280, section 4.1). */
function encode(options: CertificateOptions, signing: Signing): Uint8Array {
  const { version = 3, notBefore = daysFromNow(-1), notAfter = daysFromNow(30) } = options;
  const type = Object.values(KEY_TYPES).find(({ is }) => is(signing.issuerKey))!;
  const algorithm = Buffer.from(type.algorithm, "hex");
  const toBeSigned = sequence(
    ...(version === 1 ? [] : [tlv(0xa0, tlv(Tag.INTEGER, [version - 1]))]),
    tlv(Tag.INTEGER, [1, ...crypto.getRandomValues(new Uint8Array(8))]),
    algorithm,
    name(signing.issuer),
    sequence(time(notBefore), time(notAfter)),
    name(signing.subject),
    createPublicKey(signing.key).export({ type: "spki", format: "der" }),
    ...(version < 3 ? [] : [tlv(0xa3, sequence(...extensions(options)))]),
  );
  const signature = sign(type.hash, toBeSigned, signing.issuerKey);
  return sequence(toBeSigned, algorithm, tlv(Tag.BIT_STRING, [0, ...signature]));
}

function extensions(options: CertificateOptions): Uint8Array[] {
  const { isCa = false, pathLength, maySign, names = ["localhost"], isBadlyEncoded } = options;
  const usages = "usages" in options ? options.usages : ["serverAuth", "clientAuth"] as const;
  const yes = isBadlyEncoded ? 1 : 0xff;
  const constraints = [
    ...(isCa ? [tlv(Tag.BOOLEAN, [0xff])] : []),
    ...(pathLength === undefined ? [] : [tlv(Tag.INTEGER, [pathLength])]),
  ];
  const all = [extension("2.5.29.19", sequence(...constraints), yes)];
  if (maySign !== undefined) {
    // The fifth bit is keyCertSign, the first digitalSignature.
    const bits = maySign ? [2, 0b10000100] : [7, 0b10000000];
    all.push(extension("2.5.29.15", tlv(Tag.BIT_STRING, bits), yes));
  }
  if (usages !== undefined) {
    const ids = usages.map((usage) =>
      objectId(`1.3.6.1.5.5.7.3.${usage === "serverAuth" ? 1 : 2}`)
    );
    all.push(extension("2.5.29.37", sequence(...ids)));
  }
  if (options.critical !== undefined) all.push(extension(options.critical, sequence(), yes));
  if (names.length > 0) all.push(extension("2.5.29.17", sequence(...names.map(alternativeName))));
  return all;
}

/** @param critical the encoding of TRUE; undefined if the extension is not critical */
function extension(id: string, value: Uint8Array, critical?: number): Uint8Array {
  const flag = critical === undefined ? [] : [tlv(Tag.BOOLEAN, [critical])];
  return sequence(objectId(id), ...flag, tlv(Tag.OCTET_STRING, value));
}

function alternativeName(name: string): Uint8Array {
  if (isIpAddress(name)) return tlv(0x87, addressBytes(name));
  return tlv(0x82, Buffer.from(name));
}

function name(common: string): Uint8Array {
  return sequence(tlv(0x31, sequence(objectId("2.5.4.3"), tlv(0x0c, Buffer.from(common)))));
}

/** As UTCTime. */
function time(date: Date): Uint8Array {
  return tlv(0x17, Buffer.from(date.toISOString().replace(/^20|[-:T]|\.\d+/g, "")));
}

function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...arcs] = dotted.split(".").map(Number);
  return tlv(Tag.OBJECT_ID, [first * 40 + second, ...arcs]);
}

function sequence(...values: Uint8Array[]): Uint8Array {
  return tlv(Tag.SEQUENCE, Buffer.concat(values));
}

function tlv(tag: number, contents: ArrayLike<number>): Uint8Array {
  const { length } = contents;
  const lengthBytes = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Buffer.from([tag, ...lengthBytes, ...Array.from(contents)]);
}

/** A date some days from now. */
export function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000);
}

/** A DER encoding as PEM. */
export function toPem(der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g)!.join("\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
