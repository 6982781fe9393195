import type { ExpectedReply, OrdinaryReply } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { type FrameHead, isErrorFrame } from "./frame_head.ts";

/** Whether a frame that begins with `head` can be the expected reply. */
export function fits(reply: ExpectedReply, head: FrameHead): boolean {
  if (isErrorFrame(head)) return true;
  switch (reply.type) {
    case "ordinary":
      return fitsOrdinary(reply, head);
    case "script":
      return true;
    case "auth":
    case "login":
    case "multi":
    case "discard":
    case "monitor":
    case "client reply":
    case "script debug":
      return head.type === Byte.status && head.text === "OK";
    case "reset":
      return head.type === Byte.status && head.text === "RESET";
    case "hello":
      return head.type === Byte.map || head.type === Byte.array;
    case "exec":
      return head.type === Byte.array || head.type === Byte.null;
    case "stream":
      return head.type === Byte.lf || head.type === Byte.bulk ||
        (head.type === Byte.status && STREAM_STATUS.test(head.text));
    default:
      return false;
  }
}

function fitsOrdinary({ addresses, relaysError }: OrdinaryReply, head: FrameHead): boolean {
  // A status answers MIGRATE.
  if (relaysError) return head.type === Byte.status;
  switch (addresses) {
    case undefined:
      return true;
    case "nodes":
    case "info":
    case "clients":
      return TEXT_FRAMES.includes(head.type);
    default:
      return head.type === Byte.array || head.type === Byte.attribute;
  }
}

const TEXT_FRAMES: readonly number[] = [Byte.bulk, Byte.verbatim, Byte.attribute];

/** The status before the stream of PSYNC; the stream of SYNC begins without one. */
const STREAM_STATUS = /^(FULLRESYNC|CONTINUE|DUALCHANNELSYNC|RDBCHANNELSYNC)\b/;
