import { Byte, toLatin1 } from "../resp/bytes.ts";
import { beginsValue, notRespError } from "../resp/scanner.ts";

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
  /** Of an aggregate whose first value was read: its text, if it is a short one. */
  readonly word: string;
}

/** So much of a frame is read to tell what it is; a node's own errors are all shorter. */
export const HEAD_BYTES = 256;

/** The longest first value of an array or push that says what it is is `sunsubscribe`. */
const WORD_BYTES = 32;

/**
 * Reads the head of the frame that begins at `from`, or returns undefined if more bytes than
 * those up to `to` are needed, of which there are then less than HEAD_BYTES.
 *
 * @param wantsWord whether the first value in an array is needed; that in a push always is
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
      return { type, text, cut, count: 0, word: "" };
    }
    case Byte.array:
    case Byte.push: {
      const header = readLine(bytes, from + 1, end);
      if (header === undefined) return end - from < HEAD_BYTES ? undefined : plainHead(type);
      const count = Number(header.text);
      const needsWord = count > 0 && (wantsWord || type === Byte.push);
      const word = needsWord ? readWord(bytes, header.end, end) : "";
      return word === undefined ? undefined : { type, text: "", cut: false, count, word };
    }
    default:
      // A replication stream may begin with bare LFs.
      if (!beginsValue(type) && type !== Byte.lf) throw notRespError(type);
      return plainHead(type);
  }
}

function plainHead(type: number): FrameHead {
  return { type, text: "", cut: false, count: 0, word: "" };
}

interface HeadLine {
  readonly text: string;
  /** Where what follows the line begins. */
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

/** The text of the value at `from` if it is a short one, "" if not, undefined if it is cut. */
function readWord(bytes: Uint8Array, from: number, to: number): string | undefined {
  if (from === to) return undefined;
  const type = bytes[from];
  if (type !== Byte.bulk && type !== Byte.status) return "";
  const line = readLine(bytes, from + 1, to);
  if (line === undefined) return to - from > WORD_BYTES ? "" : undefined;
  if (type === Byte.status) return line.text.length > WORD_BYTES ? "" : line.text;
  const length = Number(line.text);
  if (length > WORD_BYTES || length < 0) return "";
  if (line.end + length > to) return undefined;
  return toLatin1(bytes.subarray(line.end, line.end + length));
}

/** Whether the frame is an error. */
export function isFailure(head: FrameHead): boolean {
  return head.type === Byte.error || head.type === Byte.bulkError;
}
