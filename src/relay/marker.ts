import { encodeRequest } from "../resp/frame.ts";
import type { FrameHead } from "./frame_head.ts";
import { isFailure } from "./frame_head.ts";
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

/**
 * Whether a frame answers the marker behind a request, see `pingCommand` (server.c).
 *
 * @param isAnswered whether the request itself was answered before
 */
export function isMarkerAnswer(
  { reply, nonce }: MarkedReply,
  head: FrameHead,
  isAnswered: boolean,
): boolean {
  // A RESP2 subscriber gets an array.
  if (head.word === nonce || head.second === nonce) return true;
  if (!isFailure(head)) return false;
  if (REFUSED_PING.test(head.text)) return true;
  const [code] = GENERAL_ERROR.exec(head.text) ?? [];
  // An error that may be that of either comes for the request first.
  return code !== undefined && (isAnswered || !(REFUSALS[reply.type]?.includes(code) ?? false));
}

/** ACLs and renamed commands. The name of a user may be anything, so the end of the line counts. */
const REFUSED_PING = /^NOPERM .*'ping' command( or its subcommand)?$|^ERR unknown command .ping/i;

/** How the server may refuse a command whatever it is (server.c `processCommand`). */
const GENERAL_ERROR = /^(NOAUTH|BUSY|LOADING|MASTERDOWN|MISCONF)(?= )/;

/** Which of these errors each kind of request may get itself; AUTH and HELLO get none. */
const REFUSALS: Partial<Record<MarkedReply["reply"]["type"], readonly string[]>> = {
  subscription: ["NOAUTH", "BUSY"],
  none: ["NOAUTH"],
  monitor: ["NOAUTH", "BUSY"],
  stream: ["NOAUTH", "BUSY", "LOADING"],
  script: ["NOAUTH", "BUSY", "LOADING", "MASTERDOWN", "MISCONF"],
};
