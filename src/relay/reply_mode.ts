import type { ClientReplyMode } from "../commands/expected_reply.ts";

/**
 * Which replies a client gets, after CLIENT REPLY (networking.c `clientCommand`). The proxy emulates
 * it, so that the node always replies:
 *
 * ```
 *   on ──OFF──▶ off ──ON, RESET──▶ on
 *   on ──SKIP──▶ skipNext ──end of that request──▶ skip ──end of the next one──▶ on
 * ```
 *
 * Values are shared between connections.
 */
export interface ReplyMode {
  /** The client gets no replies. */
  readonly isOff: boolean;
  /** The client does not get the reply to the next request, or to the current one. */
  readonly skip: "no" | "next" | "now";
}

/** The client gets all replies. */
export const REPLIES_ON: ReplyMode = { isOff: false, skip: "no" };

/** Whether the client does not get the reply to the current request. */
export function isMuted({ isOff, skip }: ReplyMode): boolean {
  return isOff || skip === "now";
}

/** The mode after a CLIENT REPLY that the node has accepted. */
export function modeAfter({ isOff, skip }: ReplyMode, asked: ClientReplyMode): ReplyMode {
  switch (asked) {
    case "on":
      return { isOff: false, skip: skip === "now" ? "no" : skip };
    case "off":
      return { isOff: true, skip };
    case "skip":
      return isOff ? { isOff, skip } : { isOff, skip: "next" };
  }
}

/** The mode after any request, an empty one included; Redis 8.0 does not count those. */
export function modeAfterRequest(mode: ReplyMode): ReplyMode {
  if (mode.skip === "no") return mode;
  return { isOff: mode.isOff, skip: mode.skip === "next" ? "now" : "no" };
}

/** The mode after RESET (networking.c `clearClientConnectionState`). */
export function modeAfterReset({ skip }: ReplyMode): ReplyMode {
  return { isOff: false, skip: skip === "next" ? "no" : skip };
}
