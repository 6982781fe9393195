import { Byte } from "../resp/bytes.ts";
import { encodeRequest } from "../resp/frame.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";
import { PairingError } from "./pairing_error.ts";
import type { MarkedReply } from "../commands/expected_reply.ts";

/**
 * A request of the proxy's own, sent behind one whose answer cannot be told from other frames or
 * may not come at all. What comes before the answer to the marker answers what was sent before it.
 */
export const MARKER_COMMAND = "PING";

/** So it is recognized in MONITOR and SLOWLOG. */
const NONCE_PREFIX = "nat-";

/** 64 bits: a script that a client sends cannot guess them. */
const NONCE_BYTES = 8;

/** Text that no other reply holds; it is short enough to be read with the head of a frame. */
export function createNonce(): string {
  return NONCE_PREFIX + crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toHex();
}

/** The bytes of a marker. */
export function encodeMarker(nonce: string): Uint8Array {
  return encodeRequest([MARKER_COMMAND, nonce]);
}

/** Whether a line of MONITOR tells of a marker, which clients need not know of. */
export function isMarkerLine(text: string): boolean {
  return MARKER_LINE.test(text);
}

const MARKER_LINE = new RegExp(
  `\\] "${MARKER_COMMAND}" "${NONCE_PREFIX}[0-9a-f]{${2 * NONCE_BYTES}}"$`,
);

/** Whether a request was answered; "perhaps" if what came may also have come unasked. */
export type Answered = "no" | "perhaps" | "yes";

/**
 * Whether a frame answers the marker behind a request, see `pingCommand` (server.c).
 *
 * @throws {PairingError} if it may answer the request or the marker
 */
export function isMarkerAnswer(
  { reply, nonce }: MarkedReply,
  head: FrameHead,
  answered: Answered,
): boolean {
  // Behind the header of an EXEC may come the answer to its marker.
  if (reply.type === "exec" && answered === "no" && head.type === Byte.array) return false;
  if (isNonce(nonce, head)) return true;
  if (!isFailure(head)) return false;
  if (answered === "yes") return isRefusedMarker(head) !== "no";
  // These are always answered, so the first error is theirs.
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
  throw new PairingError("An error may answer a request or the marker behind it");
}

/** Whether a bulk, or the array that a RESP2 subscriber gets, holds the text of a marker. */
export function isNonce(nonce: string, { type, word, second }: FrameHead): boolean {
  return (type === Byte.bulk && word === nonce) || second === nonce;
}

/**
 * How an error may refuse a marker: by the name of its command, by an ACL whose error is too long
 * to be read, or as any command is refused.
 */
export function isRefusedMarker(head: FrameHead): "no" | "ping" | "cut" | "general" {
  if (REFUSED_PING.test(head.text)) return "ping";
  if (head.cut && head.text.startsWith("NOPERM ")) return "cut";
  // Only HELLO is refused so.
  if (head.text.startsWith("NOAUTH HELLO ")) return "no";
  return refusalCode(head) === undefined ? "no" : "general";
}

function refusalCode(head: FrameHead): string | undefined {
  return GENERAL_ERROR.exec(head.text)?.[1];
}

/** ACLs and renamed commands. The name of a user may be anything, so the end of the line counts. */
const REFUSED_PING = /^NOPERM .*'ping' command( or its subcommand)?$|^ERR unknown command .ping/i;

/** How the server may refuse a command whatever it is (server.c `processCommand`). */
const GENERAL_ERROR = /^(NOAUTH|BUSY|LOADING|MASTERDOWN|MISCONF)(?= )/;

/**
 * Which of these errors a request may get itself, by the flags of its command; then the marker
 * gets the same. AUTH and HELLO AUTH get none.
 */
const REFUSALS: Partial<Record<MarkedReply["reply"]["type"], readonly string[]>> = {
  subscription: ["NOAUTH", "BUSY"],
  none: ["NOAUTH"],
  monitor: ["NOAUTH", "BUSY"],
  stream: ["NOAUTH", "BUSY", "LOADING", "MASTERDOWN"],
};
