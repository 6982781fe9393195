import { Byte, type ByteSet, byteSet } from "./bytes.ts";

/** A node sent something other than RESP. Nothing after it on the connection can be parsed. */
export class RespError extends Error {
  override readonly name = "RespError";
}

/** How the end of a value is found: by its LF, or by a number in its header; none is no type. */
export const Framing = { none: 0, line: 1, header: 2 } as const;

/** The framing of each type, by its first byte. */
export const FRAMINGS = new Uint8Array(256);
for (
  const type of [
    Byte.status,
    Byte.error,
    Byte.null,
    Byte.boolean,
    Byte.double,
    Byte.bigNumber,
  ]
) FRAMINGS[type] = Framing.line;
for (
  const type of [
    Byte.integer,
    Byte.bulk,
    Byte.verbatim,
    Byte.bulkError,
    Byte.array,
    Byte.set,
    Byte.push,
    Byte.map,
    Byte.attribute,
    Byte.streamChunk,
    Byte.streamEnd,
  ]
) FRAMINGS[type] = Framing.header;

/** The types that may be streamed. */
export const STREAMED: ByteSet = byteSet(Byte.bulk, Byte.array, Byte.set, Byte.map);

/** The types whose length is never negative. */
export const NEVER_NULL: ByteSet = byteSet(Byte.attribute, Byte.push, Byte.streamChunk);

/** Whether a RESP value may begin with this byte. */
export function beginsValue(type: number): boolean {
  return FRAMINGS[type] !== Framing.none;
}

/** The error for a byte that begins no RESP value. */
export function notRespError(byte: number): RespError {
  return new RespError(`Expected a RESP value, got ${showByte(byte)}`);
}

/** A byte as an error message shows it: in quotes if it is printable, else in hexadecimal. */
export function showByte(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? `'${String.fromCharCode(byte)}'`
    : `byte 0x${byte.toString(16).padStart(2, "0")}`;
}
