/** One value of a DER encoding (ITU-T X.690): its tag and where its contents are. */
export interface DerValue {
  readonly tag: number;
  /** The whole encoding of the value, header included. */
  readonly encoding: Uint8Array;
  readonly contents: Uint8Array;
}

/** The tags that certificates use. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_ID: 0x06,
  SEQUENCE: 0x30,
} as const;

/**
 * The values that stand one after the other in `bytes`, as views of it.
 *
 * @throws {SyntaxError} if the encoding is not DER
 */
export function readDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length;) {
    const value = readValue(bytes.subarray(at));
    values.push(value);
    at += value.encoding.length;
  }
  return values;
}

/**
 * The values inside the only value in `bytes`, which must have a tag.
 *
 * @throws {SyntaxError} if the encoding is not DER, or the tag is another
 */
export function readSequence(bytes: Uint8Array, tag: number = Tag.SEQUENCE): DerValue[] {
  const [value, ...rest] = readDer(bytes);
  if (value?.tag !== tag || rest.length > 0) throw new SyntaxError(`Not one value of tag ${tag}`);
  return readDer(value.contents);
}

function readValue(bytes: Uint8Array): DerValue {
  const tag = bytes[0]!;
  // No field of a certificate has a tag number above 30.
  if ((tag & 0x1f) === 0x1f) throw new SyntaxError("A tag has several bytes");
  let length = byteAt(bytes, 1);
  let start = 2;
  if (length >= 0x80) {
    const digits = length & 0x7f;
    if (digits === 0 || digits > 3) throw new SyntaxError("A length is indefinite or too large");
    length = 0;
    for (; start < 2 + digits; start++) length = length * 256 + byteAt(bytes, start);
    if (length < 0x80 || length < 256 ** (digits - 1)) {
      throw new SyntaxError("A length is not the shortest possible");
    }
  }
  const end = start + length;
  if (end > bytes.length) throw new SyntaxError("A value is longer than what contains it");
  return { tag, encoding: bytes.subarray(0, end), contents: bytes.subarray(start, end) };
}

function byteAt(bytes: Uint8Array, index: number): number {
  const byte = bytes[index];
  if (byte === undefined) throw new SyntaxError("A value has no length");
  return byte;
}

/**
 * The dotted form of an object identifier.
 *
 * @throws {SyntaxError} if the value is another
 */
export function objectId({ tag, contents }: DerValue): string {
  if (tag !== Tag.OBJECT_ID || contents.length === 0) throw new SyntaxError("Not an object id");
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of contents) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = Math.min(2, Math.floor(arcs[0]! / 40));
  return [first, arcs[0]! - first * 40, ...arcs.slice(1)].join(".");
}
