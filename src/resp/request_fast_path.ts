import { Byte } from "./bytes.ts";
import type { Command, CommandTable } from "./command_table.ts";
import type { PlainRequestSink } from "./request_sink.ts";

/**
 * Passes over requests that are complete, have headers in the usual form, and whose commands are
 * not in the table, and returns where they end. Most traffic consists of these, so this loop keeps
 * no state: it stops before the first other request, which the scanner then reads from its start.
 */
export function passPlainRequests<C extends Command>(
  bytes: Uint8Array,
  from: number,
  to: number,
  commands: CommandTable<C>,
  sink: PlainRequestSink,
): number {
  let requests = 0;
  let end = from;
  // No read goes beyond `to`: engines are slow at reads beyond the array, even of nothing.
  scan: while (to - end >= SHORT_HEADER_BYTES && bytes[end] === Byte.array) {
    let argc = bytes[end + 1]! - Byte.zero;
    let at = end + SHORT_HEADER_BYTES;
    if (bytes[end + 2] !== Byte.cr) {
      argc = longNumber(bytes, end + 1, to);
      at = end + longHeaderBytes(argc);
    } else if (argc > 9) break;
    // The scanner handles an empty request, or a number in another form.
    if (argc <= 0) break;
    for (let index = 0; index < argc; index++) {
      if (to - at < SHORT_HEADER_BYTES || bytes[at] !== Byte.bulk) break scan;
      let length = bytes[at + 1]! - Byte.zero;
      if (bytes[at + 2] !== Byte.cr) {
        length = longNumber(bytes, at + 1, to);
        at += longHeaderBytes(length);
      } else {
        if (length > 9) break scan;
        at += SHORT_HEADER_BYTES;
      }
      if (length < 0) break scan;
      const next = at + length + 2;
      if (next > to) break scan;
      if (index === 0 && commands.find(bytes, at, length) !== undefined) break scan;
      at = next;
    }
    requests++;
    end = at;
  }
  if (requests > 0) sink.plain(requests);
  return end;
}

/** The length of a header with one digit: the type, the digit, CR and LF. */
const SHORT_HEADER_BYTES = 4;

/** Enough to count what a buffer holds, and small enough to be a small integer in any engine. */
const MAX_DIGITS = 9;

/**
 * Returns the number at `from`, up to a CR. Returns -1 for an incomplete or invalid number, a
 * leading zero, and more than MAX_DIGITS digits.
 */
function longNumber(bytes: Uint8Array, from: number, to: number): number {
  let number = bytes[from]! - Byte.zero;
  if (number < 1 || number > 9) return -1;
  const end = Math.min(to, from + MAX_DIGITS + 1);
  for (let at = from + 1; at < end; at++) {
    const digit = bytes[at]! - Byte.zero;
    if (digit < 0 || digit > 9) return bytes[at] === Byte.cr ? number : -1;
    number = 10 * number + digit;
  }
  return -1;
}

/** The length of the header that holds a number. */
function longHeaderBytes(number: number): number {
  let length = SHORT_HEADER_BYTES;
  for (let bound = 10; bound <= number; bound *= 10) length++;
  return length;
}
