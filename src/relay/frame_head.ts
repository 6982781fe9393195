import { Byte, toLatin1 } from "../resp/bytes.ts";
import { beginsValue, notRespError } from "../resp/framing.ts";

/** The beginning of a frame: enough to choose the action for it. */
export interface FrameHead {
  /** The first byte. */
  readonly type: number;
  /** The line of an error or a status, or its part within the first HEAD_BYTES. */
  readonly text: string;
  /** Whether `text` is only a part of the line. */
  readonly cut: boolean;
  /** The number in the header of an aggregate. */
  readonly count: number;
  /** The text of the first value of an aggregate, or of a bulk, if it was read and is short. */
  readonly first: string;
  /** The text of the second value of an array of two values whose first is `pong`. */
  readonly second: string;
}

/** The most bytes that a head has. All errors that a node itself makes are shorter. */
export const HEAD_BYTES = 256;

/** The longest value that identifies a frame is the nonce of a marker. */
const MAX_VALUE_BYTES = 32;

/**
 * Reads the head of the frame that begins at `from`. Returns undefined if it needs bytes from
 * `to` on, which is possible only with less than HEAD_BYTES.
 *
 * @param needsValues whether to read the first value of an array and the text of a bulk; the first
 * value of a push is always read
 * @throws {RespError} if the byte at `from` begins no frame
 */
export function readHead(
  bytes: Uint8Array,
  from: number,
  to: number,
  needsValues: boolean,
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
      return { type, text, cut, count: 0, first: "", second: "" };
    }
    case Byte.bulk: {
      const value = needsValues ? readText(bytes, from, end) : null;
      return value === undefined ? undefined : { ...plainHead(type), first: value?.text ?? "" };
    }
    case Byte.array:
    case Byte.push: {
      const header = readLine(bytes, from + 1, end);
      if (header === undefined) return end - from < HEAD_BYTES ? undefined : plainHead(type);
      const count = Number(header.text);
      if (!(count > 0) || !(needsValues || type === Byte.push)) {
        return { ...plainHead(type), count };
      }
      const first = readText(bytes, header.end, end);
      if (first === undefined) return undefined;
      const isPong = type === Byte.array && count === 2 && first?.text === "pong";
      const second = isPong ? readText(bytes, first.end, end) : null;
      if (second === undefined) return undefined;
      return { ...plainHead(type), count, first: first?.text ?? "", second: second?.text ?? "" };
    }
    default:
      // A replication stream may begin with bare LFs.
      if (!beginsValue(type) && type !== Byte.lf) throw notRespError(type);
      return plainHead(type);
  }
}

function plainHead(type: number): FrameHead {
  return { type, text: "", cut: false, count: 0, first: "", second: "" };
}

/** The text of a line or of a value. */
interface HeadLine {
  readonly text: string;
  /** The position after the text. */
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

/** The value at `from` if it is a short text, null if not, undefined if it is incomplete. */
function readText(bytes: Uint8Array, from: number, to: number): HeadLine | null | undefined {
  if (from >= to) return undefined;
  const type = bytes[from];
  if (type !== Byte.bulk && type !== Byte.status) return null;
  const line = readLine(bytes, from + 1, to);
  if (line === undefined) return to - from > MAX_VALUE_BYTES ? null : undefined;
  if (type === Byte.status) return line.text.length > MAX_VALUE_BYTES ? null : line;
  const length = Number(line.text);
  if (length > MAX_VALUE_BYTES || length < 0) return null;
  const end = line.end + length;
  if (end > to) return undefined;
  return { text: toLatin1(bytes.subarray(line.end, end)), end: end + CRLF_BYTES };
}

const CRLF_BYTES = 2;

/** Whether the frame is an error. */
export function isErrorFrame(head: FrameHead): boolean {
  return head.type === Byte.error || head.type === Byte.bulkError;
}
