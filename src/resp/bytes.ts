/** The bytes with a meaning in RESP, by name. */
export const Byte = {
  cr: 0x0d,
  lf: 0x0a,
  minus: 0x2d,
  plus: 0x2b,
  zero: 0x30,
  nine: 0x39,
  upperA: 0x41,
  upperZ: 0x5a,

  array: 0x2a, // *
  attribute: 0x7c, // |
  bigNumber: 0x28, // (
  boolean: 0x23, // #
  bulk: 0x24, // $
  bulkError: 0x21, // !
  double: 0x2c, // ,
  error: 0x2d, // -
  integer: 0x3a, // :
  map: 0x25, // %
  null: 0x5f, // _
  push: 0x3e, // >
  set: 0x7e, // ~
  status: 0x2b, // +
  streamChunk: 0x3b, // ;
  streamEnd: 0x2e, // .
  streamMark: 0x3f, // ?
  verbatim: 0x3d, // =
} as const;

/** A set of bytes: 1 at the index of each byte that is in it. */
export type ByteSet = Uint8Array;

/** The set of the given bytes. */
export function byteSet(...bytes: number[]): ByteSet {
  const set = new Uint8Array(256);
  for (const byte of bytes) set[byte] = 1;
  return set;
}

/**
 * Decodes any bytes to text, one character a byte; `fromLatin1` is the inverse. (TextDecoder's
 * "latin1" is windows-1252, which has no inverse.)
 */
export function toLatin1(bytes: Uint8Array): string {
  // Engines limit the number of arguments of a call; 8192 is far below every limit.
  const step = 8192;
  if (bytes.length <= step) return charsOf(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += step) text += charsOf(bytes.subarray(at, at + step));
  return text;
}

/** A spread argument would use an iterator and take several times as long. */
function charsOf(bytes: Uint8Array): string {
  return Reflect.apply(String.fromCharCode, null, bytes);
}

/** A copy of all pieces, one after the other. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Encodes a text whose characters are all below 256; the inverse of `toLatin1`. */
export function fromLatin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/**
 * The part of an argument that servers compare with the names of commands and options: `strcasecmp`
 * ends at a NUL byte.
 */
export function comparedPart(arg: string): string {
  const nul = arg.indexOf("\0");
  return nul < 0 ? arg : arg.slice(0, nul);
}
