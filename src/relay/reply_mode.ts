import type { ClientReplyMode } from "../commands/expected_reply.ts";

/**
 * Which replies a client gets. The proxy emulates CLIENT REPLY (networking.c `clientCommand`), so
 * that the node answers every request:
 *
 * ```
 *   on ──OFF──▶ off ──ON, RESET──▶ on
 *   on ──SKIP──▶ skipNext ──end of that request──▶ skip ──end of the next one──▶ on
 * ```
 *
 * Connections share these values.
 */
export interface ReplyMode {
  /** Whether to drop all replies. */
  readonly isOff: boolean;
  /** Whether to drop the reply to the next request, or to the current one ("now"). */
  readonly skip: "no" | "next" | "now";
}

/** The client gets all replies. */
export const REPLIES_ON: ReplyMode = { isOff: false, skip: "no" };

/** Whether the client does not get the reply to the current request. */
export function isMuted({ isOff, skip }: ReplyMode): boolean {
  return isOff || skip === "now";
}

/** The mode after a CLIENT REPLY that the node has accepted. */
export function modeAfter({ isOff, skip }: ReplyMode, requested: ClientReplyMode): ReplyMode {
  switch (requested) {
    case "on":
      return { isOff: false, skip: skip === "now" ? "no" : skip };
    case "off":
      return { isOff: true, skip };
    case "skip":
      return isOff ? { isOff, skip } : { isOff, skip: "next" };
  }
}

/** The mode after any request, also an empty one; Redis 8.0 does not count empty requests. */
export function modeAfterRequest(mode: ReplyMode): ReplyMode {
  if (mode.skip === "no") return mode;
  return { isOff: mode.isOff, skip: mode.skip === "next" ? "now" : "no" };
}

/** The mode after RESET (networking.c `clearClientConnectionState`). */
export function modeAfterReset({ skip }: ReplyMode): ReplyMode {
  return { isOff: false, skip: skip === "next" ? "no" : skip };
}
