import { Byte, toLatin1 } from "../resp/bytes.ts";
import { beginsValue, notRespError } from "../resp/framing.ts";

/** The beginning of a frame, as far as it tells what the frame is. */
export interface FrameHead {
  /** The first byte. */
  readonly type: number;
  /** Of an error or a status: the line, or so much of it as the head holds. */
  readonly text: string;
  /** Whether `text` is less than the line. */
  readonly cut: boolean;
  /** Of an aggregate: the number in its header. */
  readonly count: number;
  /** Of an aggregate whose first value was read: its text, if it is short; so of a bulk its own. */
  readonly word: string;
  /** The same of the second value of an array of two whose first is `pong`. */
  readonly second: string;
}

/** So much of a frame is read to tell what it is; a node's own errors are all shorter. */
export const HEAD_BYTES = 256;

/** The longest value that says what a frame is is the nonce of a marker. */
const WORD_BYTES = 32;

/**
 * Reads the head of the frame that begins at `from`, or returns undefined if more bytes than
 * those up to `to` are needed, of which there are then less than HEAD_BYTES.
 *
 * @param wantsWord whether the first value in an array is needed, as that in a push always is, and
 * the text of a bulk
 * @throws {RespError} if no frame begins so
 */
export function readHead(
  bytes: Uint8Array,
  from: number,
  to: number,
  wantsWord: boolean,
): FrameHead | undefined {
  const type = bytes[from]!;
  const end = Math.min(to, from + HEAD_BYTES);
  switch (type) {
    case Byte.status:
    case Byte.error: {
      const line = readLine(bytes, from + 1, end);
      const cut = line === undefined;
      if (cut && end - from < HEAD_BYTES) return undefined;
      const text = line?.text ?? toLatin1(bytes.subarray(from + 1, end));
      return { type, text, cut, count: 0, word: "", second: "" };
    }
    case Byte.bulk: {
      const word = wantsWord ? readWord(bytes, from, end) : null;
      return word === undefined ? undefined : { ...plainHead(type), word: word?.text ?? "" };
    }
    case Byte.array:
    case Byte.push: {
      const header = readLine(bytes, from + 1, end);
      if (header === undefined) return end - from < HEAD_BYTES ? undefined : plainHead(type);
      const count = Number(header.text);
      if (!(count > 0) || !(wantsWord || type === Byte.push)) return { ...plainHead(type), count };
      const first = readWord(bytes, header.end, end);
      if (first === undefined) return undefined;
      const isPong = type === Byte.array && count === 2 && first?.text === "pong";
      const second = isPong ? readWord(bytes, first.end, end) : null;
      if (second === undefined) return undefined;
      return { ...plainHead(type), count, word: first?.text ?? "", second: second?.text ?? "" };
    }
    default:
      // A replication stream may begin with bare LFs.
      if (!beginsValue(type) && type !== Byte.lf) throw notRespError(type);
      return plainHead(type);
  }
}

function plainHead(type: number): FrameHead {
  return { type, text: "", cut: false, count: 0, word: "", second: "" };
}

/** A line, or a value of that text. */
interface HeadLine {
  readonly text: string;
  /** Where what follows begins. */
  readonly end: number;
}

function readLine(bytes: Uint8Array, from: number, to: number): HeadLine | undefined {
  for (let at = from; at < to; at++) {
    if (bytes[at] === Byte.lf) {
      return { text: toLatin1(bytes.subarray(from, at - 1)), end: at + 1 };
    }
  }
  return undefined;
}

/** The text of the value at `from` if it is a short one, null if not, undefined if it is cut. */
function readWord(bytes: Uint8Array, from: number, to: number): HeadLine | null | undefined {
  if (from >= to) return undefined;
  const type = bytes[from];
  if (type !== Byte.bulk && type !== Byte.status) return null;
  const line = readLine(bytes, from + 1, to);
  if (line === undefined) return to - from > WORD_BYTES ? null : undefined;
  if (type === Byte.status) return line.text.length > WORD_BYTES ? null : line;
  const length = Number(line.text);
  if (length > WORD_BYTES || length < 0) return null;
  const end = line.end + length;
  if (end > to) return undefined;
  return { text: toLatin1(bytes.subarray(line.end, end)), end: end + CRLF_BYTES };
}

const CRLF_BYTES = 2;

/** Whether the frame is an error. */
export function isFailure(head: FrameHead): boolean {
  return head.type === Byte.error || head.type === Byte.bulkError;
}
