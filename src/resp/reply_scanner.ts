// resp/ reads and writes RESP2 and RESP3. It owns no connection, imports nothing, and knows no
// command by name. Start here: ReplyScanner finds the ends of frames from a node, RequestScanner
// those of requests from a client; both work on pieces of any size and copy nothing. frame.ts
// decodes one complete frame and encodes it again. PROTOCOL.md is the reference for what servers
// send.

import { Byte, type ByteSet, byteSet } from "./bytes.ts";
import {
  Framing,
  FRAMINGS,
  NEVER_NULL,
  notRespError,
  RespError,
  showByte,
  STREAMED,
} from "./framing.ts";

// Local constants, because imported ones make the hot loop 10% slower.
const FRAMING_OF = FRAMINGS;
const { line: LINE, header: HEADER } = Framing;

/** The `stops` of a caller that wants every frame passed. */
export const NO_STOPS: ByteSet = byteSet();

/** The length of the shortest value, a null of RESP3. */
const SHORTEST_BYTES = 3;

/** Headers up to this length hold numbers that engines keep as small integers; most do. */
const USUAL_HEADER_BYTES = 10;

/** Bounds the memory of nested streams. No server sends even one. */
const MAX_STREAM_DEPTH = 128;

/**
 * Finds the ends of frames in what a node sends, in pieces of any size.
 *
 * It never waits for a whole frame, never copies, and reads no byte more than twice: only the
 * header of a payload is read. It accepts every type of RESP2 and RESP3 at any time, because
 * servers mix them (`_` reaches RESP2 connections, `$-1` is sent inside RESP3 pushes). A frame ends
 * when a counter of its missing values reaches 0, so depth costs nothing; only the streamed
 * aggregates of the RESP3 specification, which no server sends today, need a stack.
 */
export class ReplyScanner {
  /** How many frames ended in the last `advance`. */
  frames = 0;
  /** The last `:` integer that was read; exact up to 2^53. */
  integer = 0;
  /** The position at which the last `advance` threw; everything before it was RESP. */
  brokenAt: number | undefined;

  /** How many values the frame in progress still lacks; 0 between frames. */
  #owed = 0;
  /** Remaining bytes of a payload, with its CRLF. */
  #payload = 0;
  /** The type of the header or line in progress; 0 between values. */
  #type = 0;
  /** The number of the header in progress, from the digits so far. */
  #number = 0;
  #digits = 0;
  #negative = false;
  /** Whether the header in progress has the length `?`: the value is streamed. */
  #streamed = false;
  /** Whether the frame whose header comes next or is in progress is a push. */
  #pushFrame = false;
  /** Whether the frame in progress began with attributes, and its own value has not begun. */
  #prefixed = false;
  /** Whether the next payloads are chunks of a streamed string. */
  #inString = false;
  /** How many values were owed around each streamed aggregate in progress. */
  readonly #around: number[] = [];

  /** Whether the last byte read ended a frame, or there was none yet. */
  get atBoundary(): boolean {
    return this.#owed === 0 && this.#around.length === 0;
  }

  /**
   * Reads `bytes` in [from, to) until `limit` (1 or more) frames have ended or a frame begins with
   * one of `stops`, and returns where it stopped; `frames` counts those that ended.
   *
   * @throws {RespError} at bytes that are not RESP
   */
  advance(bytes: Uint8Array, from: number, to: number, limit: number, stops: ByteSet): number {
    this.frames = 0;
    let at = from;
    while (at < to) {
      at = this.#passUsual(bytes, at, to, limit, stops);
      if (at === to || this.frames === limit) break;
      const next = this.#passAny(bytes, at, to, stops);
      // `#passAny` returns its start only before a frame at which to stop.
      if (next === at || this.frames === limit) return next;
      at = next;
    }
    return at;
  }

  /**
   * Passes over values that are complete, are of the most common types, and have headers in the
   * usual form, and returns where they end. `#passAny` handles all others.
   */
  #passUsual(bytes: Uint8Array, from: number, to: number, limit: number, stops: ByteSet): number {
    if (this.#payload > 0 || this.#type !== 0 || this.#prefixed) return from;
    if (this.#inString || this.#around.length > 0) return from;
    let at = from;
    let owed = this.#owed;
    let frames = this.frames;
    // No read goes beyond `to`: engines are slow at reads beyond the array, even of nothing.
    scan: while (to - at >= SHORTEST_BYTES) {
      const type = bytes[at]!;
      if (owed === 0 && stops[type] === 1) break;
      let next = at + 1;
      let elements = 0;
      if (FRAMING_OF[type] === LINE) {
        while (next < to && bytes[next] !== Byte.lf) next++;
        next++;
      } else {
        let number = bytes[next]! - Byte.zero;
        let negative = false;
        if (number < 0 || number > 9) {
          if (bytes[next] !== Byte.minus || to - at === SHORTEST_BYTES) break;
          negative = true;
          next++;
          number = bytes[next]! - Byte.zero;
          if (number < 0 || number > 9) break;
        }
        next++;
        if (bytes[next] !== Byte.cr) {
          for (let digit = 0; next < to && (digit = bytes[next]! - Byte.zero) >= 0 && digit <= 9;) {
            number = 10 * number + digit;
            next++;
          }
          if (next === to || bytes[next] !== Byte.cr || next - at > USUAL_HEADER_BYTES) break;
        }
        if (to - next < 2 || bytes[next + 1] !== Byte.lf) break;
        next += 2;
        switch (type) {
          case Byte.bulk:
            if (!negative) next += number + 2;
            break;
          case Byte.integer:
            this.integer = negative ? -number : number;
            break;
          case Byte.array:
          case Byte.set:
            if (!negative) elements = number;
            break;
          case Byte.map:
            if (!negative) elements = 2 * number;
            break;
          default:
            break scan;
        }
      }
      if (next > to) break;
      at = next;
      if (owed > 0) owed--;
      owed += elements;
      if (owed > 0) continue;
      frames++;
      if (frames === limit) break;
    }
    this.#owed = owed;
    this.frames = frames;
    return at;
  }

  /** Passes over the available part of one header, line or payload, unless it is to stop there. */
  #passAny(bytes: Uint8Array, from: number, to: number, stops: ByteSet): number {
    if (this.#payload > 0) {
      const passed = Math.min(to - from, this.#payload);
      this.#payload -= passed;
      if (this.#payload === 0) {
        if (!this.#inString) this.#owed--;
        if (this.atBoundary) this.frames++;
      }
      return from + passed;
    }
    let at = from;
    if (this.#type === 0) {
      if (this.atBoundary && stops[bytes[at]!] === 1) return at;
      this.#beginValue(bytes[at]!, at);
      at++;
    }
    const type = this.#type;
    switch (FRAMING_OF[type]) {
      case LINE:
        while (at < to && bytes[at] !== Byte.lf) at++;
        if (at === to) return to;
        at++;
        this.#owed--;
        break;
      case HEADER:
        at = this.#readHeader(bytes, at, to, type);
        if (bytes[at - 1] !== Byte.lf) return to;
        this.#endHeader(type, at - 1);
        break;
      default:
        throw this.#broken(at - 1, notRespError(type).message);
    }
    this.#type = 0;
    if (this.atBoundary) this.frames++;
    return at;
  }

  #beginValue(type: number, at: number): void {
    if (this.#owed === 0 && this.#around.length > 0) {
      // Elements of a stream are owed one by one; a push between them is not an element.
      if (type !== Byte.streamEnd && type !== Byte.push) this.#owed = 1;
    } else if (
      this.#owed === 0 || (this.#prefixed && this.#owed === 1 && this.#around.length === 0)
    ) {
      // A frame begins, or the value after its attributes, which belongs to the same frame.
      this.#owed = 1;
      this.#pushFrame = type === Byte.push;
      this.#prefixed = type === Byte.attribute;
    }
    if (this.#inString !== (type === Byte.streamChunk)) {
      throw this.#broken(
        at,
        this.#inString
          ? `Unexpected ${showByte(type)} inside a streamed string`
          : "Unexpected chunk outside a streamed string",
      );
    }
    this.#type = type;
  }

  /** Handles the header that ends at `at`. */
  #endHeader(type: number, at: number): void {
    const number = this.#number;
    switch (type) {
      case Byte.integer:
        this.integer = this.#negative ? -number : number;
        this.#owed--;
        break;
      case Byte.bulk:
      case Byte.verbatim:
      case Byte.bulkError:
        if (this.#streamed) this.#inString = true;
        else if (this.#negative) this.#owed--;
        else this.#payload = number + 2;
        break;
      case Byte.streamChunk:
        if (number > 0) this.#payload = number + 2;
        else {
          this.#inString = false;
          this.#owed--;
        }
        break;
      case Byte.streamEnd:
        this.#endStream(at);
        break;
      default:
        if (this.#streamed) this.#beginStream(at);
        else if (this.#negative) this.#owed--;
        else this.#owed += this.#elements(type, number);
    }
    this.#number = 0;
    this.#digits = 0;
    this.#negative = false;
    this.#streamed = false;
  }

  #beginStream(at: number): void {
    if (this.#around.length === MAX_STREAM_DEPTH) {
      throw this.#broken(at, `Streams are nested deeper than ${MAX_STREAM_DEPTH}`);
    }
    this.#around.push(this.#owed - 1);
    this.#owed = 0;
  }

  #endStream(at: number): void {
    if (this.#around.length === 0) throw this.#broken(at, "Unexpected end of stream");
    if (this.#owed > 0) throw this.#broken(at, "Unexpected end of stream inside an element");
    this.#owed = this.#around.pop()!;
  }

  /** How many more values are owed after the header of an aggregate of `number` elements. */
  #elements(type: number, number: number): number {
    switch (type) {
      case Byte.array:
      case Byte.set:
        return number - 1;
      case Byte.map:
        return 2 * number - 1;
      case Byte.attribute:
        // An attribute precedes a value and does not count as one.
        return 2 * number;
      default:
        // A push inside another frame does not count as a value either: servers before 7.2 write
        // a client's own messages into the reply that is being written.
        if (!this.#pushFrame) return number;
        this.#pushFrame = false;
        return number - 1;
    }
  }

  /**
   * Reads a header's number. The header is complete if the byte before the returned position is its
   * LF; otherwise it continues in the next piece.
   */
  #readHeader(bytes: Uint8Array, from: number, to: number, type: number): number {
    let at = from;
    let number = this.#number;
    let digits = this.#digits;
    while (at < to) {
      const byte = bytes[at++]!;
      if (byte >= Byte.zero && byte <= Byte.nine) {
        number = number * 10 + (byte - Byte.zero);
        digits++;
      } else if (byte === Byte.lf) {
        const unusual = this.#negative || this.#streamed || type === Byte.streamEnd;
        if (unusual || digits === 0 || number > Number.MAX_SAFE_INTEGER) {
          this.#checkHeader(at - 1, type, number, digits);
        }
        break;
      } else if (byte !== Byte.cr && !this.#takeMark(byte, type, digits)) {
        throw this.#broken(
          at - 1,
          `Unexpected ${showByte(byte)} in the header of a ${showByte(type)} value`,
        );
      }
    }
    this.#number = number;
    this.#digits = digits;
    return at;
  }

  /** Takes a sign or `?` before the digits of a header; false if it may not be there. */
  #takeMark(byte: number, type: number, digits: number): boolean {
    if (digits > 0 || this.#negative || this.#streamed) return false;
    if (byte === Byte.minus) this.#negative = true;
    else if (byte === Byte.streamMark && STREAMED[type] === 1) this.#streamed = true;
    else return byte === Byte.plus && type === Byte.integer;
    return true;
  }

  /** Checks a complete header that has other bytes than digits, or too many digits. */
  #checkHeader(at: number, type: number, number: number, digits: number): void {
    if (this.#streamed || type === Byte.streamEnd) {
      if (digits === 0 && !this.#negative) return;
      throw this.#broken(at, `Unexpected number in the header of a ${showByte(type)} value`);
    }
    if (digits === 0) {
      throw this.#broken(
        at,
        `A ${showByte(type)} value has no ${type === Byte.integer ? "digits" : "length"}`,
      );
    }
    if (this.#negative && NEVER_NULL[type] === 1) {
      throw this.#broken(at, `A ${showByte(type)} value has a negative length`);
    }
    if (number > Number.MAX_SAFE_INTEGER && type !== Byte.integer) {
      throw this.#broken(at, `A ${showByte(type)} value has a length above 2^53`);
    }
  }

  #broken(at: number, reason: string): RespError {
    this.brokenAt = at;
    return new RespError(reason);
  }
}
