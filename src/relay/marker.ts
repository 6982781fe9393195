import { Byte } from "../resp/bytes.ts";
import { encodeRequest } from "../resp/frame.ts";
import { type FrameHead, isErrorFrame } from "./frame_head.ts";
import { PairingError } from "./pairing_error.ts";
import type { MarkedReply } from "../commands/expected_reply.ts";

/**
 * The command of markers. The proxy sends a marker after a request whose reply may look like
 * another frame or may be missing: frames before the answer to the marker belong to earlier
 * requests.
 */
const MARKER_COMMAND = "PING";

/** Makes markers recognizable in the output of MONITOR and SLOWLOG. */
const NONCE_PREFIX = "nat-";

/** 64 bits, so that a client's script cannot guess the nonce. */
const NONCE_BYTES = 8;

/** Returns a text that no other reply contains, short enough for the head of a frame. */
export function createNonce(): string {
  return NONCE_PREFIX + crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toHex();
}

/** Returns the bytes of a marker. */
export function encodeMarker(nonce: string): Uint8Array {
  return encodeRequest([MARKER_COMMAND, nonce]);
}

/** Whether a line of MONITOR shows a marker; the client does not get these lines. */
export function isMarkerLine(text: string): boolean {
  return MARKER_LINE.test(text);
}

const MARKER_LINE = new RegExp(
  `\\] "${MARKER_COMMAND}" "${NONCE_PREFIX}[0-9a-f]{${2 * NONCE_BYTES}}"$`,
);

/** Whether a request was answered; "perhaps" if the frame may also have been unsolicited. */
export type Answered = "no" | "perhaps" | "yes";

/**
 * Whether a frame answers the marker after a request, see `pingCommand` (server.c).
 *
 * @throws {PairingError} if it may answer the request or the marker
 */
export function isMarkerAnswer(
  { reply, nonce }: MarkedReply,
  head: FrameHead,
  answered: Answered,
): boolean {
  // The answer to the marker may be the first frame after the header of EXEC.
  if (reply.type === "exec" && answered === "no" && head.type === Byte.array) return false;
  if (isNonce(nonce, head)) return true;
  if (!isErrorFrame(head)) return false;
  if (answered === "yes") return isRefusedMarker(head) !== "no";
  // EXEC and scripts are always answered, so the first error answers them.
  if (reply.type === "exec" || reply.type === "script") return false;
  switch (isRefusedMarker(head)) {
    case "no":
      return false;
    case "ping":
      return true;
    case "cut":
      if (reply.type === "auth" || reply.type === "hello") return true;
      break;
    default: {
      const isOwn = REFUSALS[reply.type]?.includes(refusalCode(head)!) ?? false;
      if (!isOwn) return true;
      if (answered === "no") return false;
    }
  }
  throw new PairingError("An error may answer a request or the marker after it");
}

/** Whether a frame answers PING with this nonce: a bulk, or an array for a RESP2 subscriber. */
export function isNonce(nonce: string, { type, first, second }: FrameHead): boolean {
  return (type === Byte.bulk && first === nonce) || second === nonce;
}

/**
 * How an error may refuse a marker: "ping" names its command, "cut" is an ACL error longer than the
 * head, "general" can refuse any command, and "no" does not refuse it.
 */
export function isRefusedMarker(head: FrameHead): "no" | "ping" | "cut" | "general" {
  if (REFUSED_PING.test(head.text)) return "ping";
  if (head.cut && head.text.startsWith("NOPERM ")) return "cut";
  // Only HELLO gets this error.
  if (head.text.startsWith("NOAUTH HELLO ")) return "no";
  return refusalCode(head) === undefined ? "no" : "general";
}

function refusalCode(head: FrameHead): string | undefined {
  return GENERAL_ERROR.exec(head.text)?.[1];
}

/** Errors of ACLs and of renamed commands. A user name can be any text, so the end decides. */
const REFUSED_PING = /^NOPERM .*'ping' command( or its subcommand)?$|^ERR unknown command .ping/i;

/** Errors that a server may send for any command (server.c `processCommand`). */
const GENERAL_ERROR = /^(NOAUTH|BUSY|LOADING|MASTERDOWN|MISCONF)(?= )/;

/**
 * The general errors that a request itself may get, by the flags of its command; then its marker
 * gets the same error. AUTH and HELLO AUTH get none of them.
 */
const REFUSALS: Partial<Record<MarkedReply["reply"]["type"], readonly string[]>> = {
  subscription: ["NOAUTH", "BUSY"],
  none: ["NOAUTH"],
  monitor: ["NOAUTH", "BUSY"],
  stream: ["NOAUTH", "BUSY", "LOADING", "MASTERDOWN"],
};
