import type { ExpectedReply, OrdinaryReply } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";

/** Whether a node can answer a request with such a frame. */
export function fits(reply: ExpectedReply, head: FrameHead): boolean {
  if (isFailure(head)) return true;
  switch (reply.type) {
    case "ordinary":
      return fitsOrdinary(reply, head);
    case "script":
      return true;
    case "auth":
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
        (head.type === Byte.status && STREAM_BEGINS.test(head.text));
    default:
      return false;
  }
}

function fitsOrdinary({ addresses, relaysError }: OrdinaryReply, head: FrameHead): boolean {
  // MIGRATE answers with a status.
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

/** How a node answers PSYNC when a stream follows; SYNC has no line before it. */
const STREAM_BEGINS = /^(FULLRESYNC|CONTINUE|DUALCHANNELSYNC|RDBCHANNELSYNC)\b/;
