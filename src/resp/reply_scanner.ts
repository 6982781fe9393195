import { Byte } from "./bytes.ts";

/** What a node sent is not RESP: nothing that follows on the connection can be understood. */
export class RespError extends Error {
  override readonly name = "RespError";
}

/** Where `ReplyScanner.advance` stops before a frame: 1 at the index of each such first byte. */
export type ByteSet = Uint8Array;

/** The stops before frames that begin with one of the given bytes. */
export function stopsAt(...types: number[]): ByteSet {
  const stops = new Uint8Array(256);
  for (const type of types) stops[type] = 1;
  return stops;
}

/** Stops nowhere. */
export const NO_STOPS: ByteSet = stopsAt();

/** How each type is framed: by its line alone, by a number in its header, or not at all. */
const Framing = { none: 0, line: 1, header: 2 } as const;

const FRAMINGS = new Uint8Array(256);
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
const STREAMED = stopsAt(Byte.bulk, Byte.array, Byte.set, Byte.map);

const NEVER_NULL = stopsAt(Byte.attribute, Byte.push, Byte.streamChunk);

/** The shortest value is a null of RESP3. */
const SHORTEST_BYTES = 3;

/** Numbers in headers of so many bytes, CRLF aside, are small ones to any engine; most are. */
const USUAL_HEADER_BYTES = 10;

/** Streams in streams, of which each takes memory; there is no server that sends even one. */
const MOST_STREAMS = 128;

/** Whether a value of RESP may begin with this byte. */
export function beginsValue(type: number): boolean {
  return FRAMINGS[type] !== Framing.none;
}

/** Says that none does. */
export function notRespError(type: number): RespError {
  return new RespError(`${name(type)} begins no RESP value`);
}

/**
 * Finds the ends of frames in what a node sends, in pieces of any size.
 *
 * It never waits for a whole frame, never copies, and looks at no byte more than twice: a payload
 * costs its header only. Every type of RESP2 and RESP3 is accepted at any time, because servers mix
 * them (`_` reaches RESP2 connections, `$-1` stands inside RESP3 pushes). The end of a frame is
 * found by one counter of the values still owed to it, so depth costs nothing; only the streamed
 * aggregates of the RESP3 specification, which no server sends today, need a stack.
 */
export class ReplyScanner {
  /** How many frames ended in the last `advance`. */
  frames = 0;
  /** The last `:` integer passed; exact up to 2^53. */
  integer = 0;
  /** Where the byte is at which the last `advance` threw; what is before it was RESP. */
  brokenAt: number | undefined;

  /** Values still owed to the frame in progress; 0 between frames. */
  #owed = 0;
  /** Bytes of payload still to pass, the CRLF behind it included. */
  #payload = 0;
  /** The type of the header or line in progress; 0 between values. */
  #type = 0;
  /** The number of the header in progress, as far as its digits were seen. */
  #number = 0;
  #digits = 0;
  #negative = false;
  /** The header in progress has `?` for a length: the value is streamed. */
  #streamed = false;
  /** The header to come, or in progress, is that of a frame which is a push. */
  #pushFrame = false;
  /** The frame in progress began with attributes and its own value is still to come. */
  #prefixed = false;
  /** Payloads are the chunks of a streamed string. */
  #inString = false;
  /** What was owed around each streamed aggregate in progress. */
  readonly #around: number[] = [];

  /** Whether the bytes passed so far end between two frames. */
  get atBoundary(): boolean {
    return this.#owed === 0 && this.#around.length === 0;
  }

  /**
   * Passes over `bytes` in [from, to) until `limit` (1 or more) frames have ended or a frame
   * begins with one of `stops`, and returns where it stopped; `frames` counts those that ended.
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
      // It passes something, unless a frame begins there that stops.
      if (next === at || this.frames === limit) return next;
      at = next;
    }
    return at;
  }

  /**
   * Passes values that are there whole, are of the types that most replies consist of, and have
   * headers in the usual form, and returns where they end. It leaves all else to `#passAny`.
   */
  #passUsual(bytes: Uint8Array, from: number, to: number, limit: number, stops: ByteSet): number {
    if (this.#payload > 0 || this.#type !== 0 || this.#prefixed) return from;
    if (this.#inString || this.#around.length > 0) return from;
    let at = from;
    let owed = this.#owed;
    let frames = this.frames;
    // Nothing looks beyond `to`: engines are slow with a look beyond the array, even at nothing.
    scan: while (to - at >= SHORTEST_BYTES) {
      const type = bytes[at]!;
      if (owed === 0 && stops[type] === 1) break;
      let next = at + 1;
      let elements = 0;
      if (FRAMINGS[type] === Framing.line) {
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

  /** Passes what there is of one header, line or payload, unless a frame stops that begins there. */
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
    switch (FRAMINGS[type]) {
      case Framing.line:
        while (at < to && bytes[at] !== Byte.lf) at++;
        if (at === to) return to;
        at++;
        this.#owed--;
        break;
      case Framing.header:
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
      // Elements of a stream are owed one by one, and pushes between them are none.
      if (type !== Byte.streamEnd && type !== Byte.push) this.#owed = 1;
    } else if (
      this.#owed === 0 || (this.#prefixed && this.#owed === 1 && this.#around.length === 0)
    ) {
      // A frame begins; or the value that its attributes stand before, which is the frame.
      this.#owed = 1;
      this.#pushFrame = type === Byte.push;
      this.#prefixed = type === Byte.attribute;
    }
    if (this.#inString !== (type === Byte.streamChunk)) {
      throw this.#broken(
        at,
        this.#inString
          ? `${name(type)} stands inside a streamed string`
          : "A chunk stands outside a streamed string",
      );
    }
    this.#type = type;
  }

  /** Takes the header of a value that ends at `at`. */
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
    if (this.#around.length === MOST_STREAMS) {
      throw this.#broken(at, `More than ${MOST_STREAMS} streams stand in each other`);
    }
    this.#around.push(this.#owed - 1);
    this.#owed = 0;
  }

  #endStream(at: number): void {
    if (this.#around.length === 0) throw this.#broken(at, "A stream ends that never began");
    if (this.#owed > 0) throw this.#broken(at, "A stream ends inside one of its elements");
    this.#owed = this.#around.pop()!;
  }

  /** By how much an aggregate of `number` elements changes what is owed. */
  #elements(type: number, number: number): number {
    switch (type) {
      case Byte.array:
      case Byte.set:
        return number - 1;
      case Byte.map:
        return 2 * number - 1;
      case Byte.attribute:
        // An attribute stands before a value and is not one itself.
        return 2 * number;
      default:
        // Nor is a push inside another frame: servers before 7.2 write a client's own messages
        // into the middle of whatever reply is being written.
        if (!this.#pushFrame) return number;
        this.#pushFrame = false;
        return number - 1;
    }
  }

  /**
   * Reads a header's number from `at` on. The header is complete if the byte before the returned
   * position is its LF; otherwise it goes on in the next piece.
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
          `${name(byte)} stands in the header of a ${name(type)} value`,
        );
      }
    }
    this.#number = number;
    this.#digits = digits;
    return at;
  }

  /** Takes what may stand before the digits of a header; false if it may not. */
  #takeMark(byte: number, type: number, digits: number): boolean {
    if (digits > 0 || this.#negative || this.#streamed) return false;
    if (byte === Byte.minus) this.#negative = true;
    else if (byte === Byte.streamMark && STREAMED[type] === 1) this.#streamed = true;
    else return byte === Byte.plus && type === Byte.integer;
    return true;
  }

  /** Says what is wrong with a whole header that has anything but digits in it, or too many. */
  #checkHeader(at: number, type: number, number: number, digits: number): void {
    if (this.#streamed || type === Byte.streamEnd) {
      if (digits === 0 && !this.#negative) return;
      throw this.#broken(at, `A ${name(type)} value has a number that it should not have`);
    }
    if (digits === 0) throw this.#broken(at, `A ${name(type)} value has no ${length(type)}`);
    // No value of these types can be null: two stand before another value, one inside it.
    if (this.#negative && NEVER_NULL[type] === 1) {
      throw this.#broken(at, `A ${name(type)} value has a negative length`);
    }
    if (number > Number.MAX_SAFE_INTEGER && type !== Byte.integer) {
      throw this.#broken(at, `A ${name(type)} value has a length beyond counting`);
    }
  }

  #broken(at: number, reason: string): RespError {
    this.brokenAt = at;
    return new RespError(reason);
  }
}

function length(type: number): string {
  return type === Byte.integer ? "digits" : "length";
}

function name(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? `'${String.fromCharCode(byte)}'`
    : `byte 0x${byte.toString(16).padStart(2, "0")}`;
}
