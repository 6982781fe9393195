import { X509Certificate } from "node:crypto";
import { type DerValue, objectId, readDer, readSequence, Tag } from "./der.ts";

/** What a certificate says, and what the verification of a chain needs of it (RFC 5280). */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly der: Uint8Array;
  /** 1 to 3. Only version 3 has extensions, so all fields below `issuer` are empty otherwise. */
  readonly version: number;
  /** Encodings of the names, to compare them byte by byte. */
  readonly subject: string;
  readonly issuer: string;
  readonly isCa: boolean;
  /** How many CA certificates may stand between this one and the leaf. */
  readonly pathLength: number;
  /** Whether the key may sign certificates. */
  readonly maySign: boolean;
  /** The object ids of the extended key usage; undefined if every usage is allowed. */
  readonly usages: readonly string[] | undefined;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly Uint8Array[];
  /** Whether there is a critical extension that this parser does not read. */
  readonly hasUnknownCritical: boolean;
}

/**
 * Parses one certificate. Names and usages are read here rather than from the texts of
 * X509Certificate, in which a name from outside can imitate others.
 *
 * @throws {SyntaxError} if it is malformed
 */
export function parseCertificate(der: Uint8Array): Certificate {
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(der);
  } catch (error) {
    throw new SyntaxError("The certificate is malformed", { cause: error });
  }
  const [toBeSigned] = readSequence(der);
  const fields = readSequence(toBeSigned!.encoding);
  const version = fields[0]?.tag === VERSION ? readVersion(fields.shift()!) : 1;
  const [, , issuer, , subject] = fields;
  if (issuer === undefined || subject === undefined) throw new SyntaxError("A field is missing");
  return {
    x509,
    der,
    version,
    subject: latin1(subject.encoding),
    issuer: latin1(issuer.encoding),
    ...readExtensions(version === 3 ? fields.find(({ tag }) => tag === EXTENSIONS) : undefined),
  };
}

/**
 * The certificates in a PEM text, in their order.
 *
 * @throws {SyntaxError} if a certificate is malformed, or the text contains no certificate
 */
export function parseCertificates(pem: string): Certificate[] {
  const texts = pem.match(PEM) ?? [];
  if (texts.length === 0) throw new SyntaxError("There is no certificate in PEM format");
  return texts.map((text) => {
    let der: Uint8Array;
    try {
      der = Uint8Array.fromBase64(text.replace(/-----[^-]+-----/g, ""));
    } catch (error) {
      throw new SyntaxError("The certificate is malformed", { cause: error });
    }
    return parseCertificate(der);
  });
}

const PEM =
  /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (X509 |TRUSTED )?CERTIFICATE-----/g;

/** Context-specific tags of the fields of a certificate (RFC 5280, section 4.1). */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

function readVersion({ contents }: DerValue): number {
  const [number, ...rest] = readDer(contents);
  if (number?.tag !== Tag.INTEGER || number.contents.length !== 1 || rest.length > 0) {
    throw new SyntaxError("The version is malformed");
  }
  return number.contents[0]! + 1;
}

type Extensions = Pick<
  Certificate,
  | "isCa"
  | "pathLength"
  | "maySign"
  | "usages"
  | "dnsNames"
  | "ipAddresses"
  | "hasUnknownCritical"
>;

/** The object ids of the extensions that are read (RFC 5280, section 4.2.1). */
const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const ALTERNATIVE_NAMES = "2.5.29.17";
const READ = [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, ALTERNATIVE_NAMES];

function readExtensions(field: DerValue | undefined): Extensions {
  const extensions = new Map<string, Uint8Array>();
  let hasUnknownCritical = false;
  for (const { encoding } of field === undefined ? [] : readSequence(field.contents)) {
    const values = readSequence(encoding);
    const [id, value] = [objectId(values[0] ?? MISSING), values.at(-1)!];
    if (value.tag !== Tag.OCTET_STRING) throw new SyntaxError("An extension is malformed");
    if (extensions.has(id)) throw new SyntaxError("An extension occurs twice");
    extensions.set(id, value.contents);
    const isCritical = values.length === 3 && values[1]!.contents[0] !== 0;
    hasUnknownCritical ||= isCritical && !READ.includes(id);
  }
  return {
    ...readBasicConstraints(extensions.get(BASIC_CONSTRAINTS)),
    maySign: maySign(extensions.get(KEY_USAGE)),
    usages: readUsages(extensions.get(EXTENDED_KEY_USAGE)),
    ...readAlternativeNames(extensions.get(ALTERNATIVE_NAMES)),
    hasUnknownCritical,
  };
}

const MISSING: DerValue = { tag: 0, encoding: new Uint8Array(), contents: new Uint8Array() };

function readBasicConstraints(
  extension: Uint8Array | undefined,
): Pick<Certificate, "isCa" | "pathLength"> {
  const [isCa, length] = extension === undefined ? [] : readSequence(extension);
  if (isCa?.tag !== Tag.BOOLEAN || isCa.contents[0] !== 0xff) return { isCa: false, pathLength: 0 };
  if (length === undefined) return { isCa: true, pathLength: Infinity };
  if (length.tag !== Tag.INTEGER || length.contents.length !== 1) {
    throw new SyntaxError("The path length is malformed");
  }
  return { isCa: true, pathLength: length.contents[0]! };
}

/** Bit 5 of the key usage, counted from the highest: keyCertSign. */
function maySign(extension: Uint8Array | undefined): boolean {
  if (extension === undefined) return true;
  const [bits] = readDer(extension);
  if (bits?.tag !== Tag.BIT_STRING) throw new SyntaxError("The key usage is malformed");
  // The first byte counts the unused bits.
  return ((bits.contents[1] ?? 0) & 0b100) !== 0;
}

function readUsages(extension: Uint8Array | undefined): string[] | undefined {
  return extension === undefined ? undefined : readSequence(extension).map(objectId);
}

function readAlternativeNames(
  extension: Uint8Array | undefined,
): Pick<Certificate, "dnsNames" | "ipAddresses"> {
  const names = extension === undefined ? [] : readSequence(extension);
  return {
    dnsNames: names.filter(({ tag }) => tag === DNS_NAME).map(({ contents }) => latin1(contents)),
    ipAddresses: names.filter(({ tag }) => tag === IP_ADDRESS).map(({ contents }) => contents),
  };
}

/** Context-specific tags of a general name (RFC 5280, section 4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const LATIN1 = new TextDecoder("latin1");

/** One character for each byte: a key that is equal only for equal bytes. */
export function latin1(bytes: Uint8Array): string {
  return LATIN1.decode(bytes);
}
