import {
  type AddressReply,
  type ExpectedReply,
  isSecretReply,
} from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import type { Rewriter } from "../rewrite/public_addresses.ts";
import { REPLY_REWRITERS } from "../rewrite/reply_rewriters.ts";
import { rewritePush } from "../rewrite/replies/push.ts";
import {
  isRedirect,
  MIGRATE_ERROR,
  rewriteMigrateError,
  rewriteRedirect,
  rewriteScriptRedirect,
} from "../rewrite/replies/redirect.ts";
import { echoesArguments, rewriteEchoedArguments } from "../rewrite/replies/echoed_arguments.ts";
import { type FrameHead, isErrorFrame } from "./frame_head.ts";

/** What the reply relay does with a frame. */
export type FrameAction =
  /** Forward it unchanged. */
  | { readonly type: "pass" }
  /** Forward it unchanged, and do not log it. */
  | { readonly type: "secret" }
  /** Do not forward it. */
  | { readonly type: "drop" }
  /** Treat its header as the whole frame, and forward or drop that: its elements are frames. */
  | { readonly type: "header"; readonly isDropped: boolean }
  /** Hold the frames from this header on until the answer to the marker, then match them. */
  | { readonly type: "hold"; readonly head: FrameHead }
  /** Forward it unchanged, and pass the integer at its end to `ReplyTracker.confirm`. */
  | { readonly type: "confirm" }
  | RewriteAction
  /** Forward it and all bytes that follow without parsing. */
  | { readonly type: "blind" };

/** Capture the frame until it is complete, then forward it rewritten. */
export interface RewriteAction {
  readonly type: "rewrite";
  readonly rewrite: Rewriter;
  readonly kind: RewriteKind;
  /** The frame answers no request. */
  readonly isUnsolicited?: true;
  /** The frame must not be logged. */
  readonly isSecret?: true | undefined;
}

/** Which kind of frame is rewritten, as statistics name it. */
export type RewriteKind = AddressReply | "redirect" | "migrate_error" | "echo" | "push";

/** All kinds of frames that are rewritten. */
export const REWRITE_KINDS: readonly RewriteKind[] = [
  ...Object.keys(REPLY_REWRITERS) as AddressReply[],
  "redirect",
  "migrate_error",
  "echo",
  "push",
];

/** The actions that have no variable part, one shared value each. */
export const FrameActions = {
  pass: { type: "pass" },
  secret: { type: "secret" },
  drop: { type: "drop" },
  header: { type: "header", isDropped: false },
  dropHeader: { type: "header", isDropped: true },
  confirm: { type: "confirm" },
  blind: { type: "blind" },
  rewritePush: { type: "rewrite", rewrite: rewritePush, kind: "push", isUnsolicited: true },
  rewriteRedirect: { type: "rewrite", rewrite: rewriteRedirect, kind: "redirect" },
  rewriteScriptRedirect: { type: "rewrite", rewrite: rewriteScriptRedirect, kind: "redirect" },
  rewriteMigrateError: { type: "rewrite", rewrite: rewriteMigrateError, kind: "migrate_error" },
  rewriteEcho: { type: "rewrite", rewrite: rewriteEchoedArguments, kind: "echo" },
} as const satisfies Record<string, FrameAction>;

/** Returns the action for a frame that answers a request. */
export function actionFor(reply: ExpectedReply, head: FrameHead): FrameAction {
  if (head.type === Byte.error) return actionForError(reply, head);
  if (reply.type === "ordinary" && reply.addresses !== undefined && !isErrorFrame(head)) {
    const { addresses } = reply;
    return { type: "rewrite", rewrite: REPLY_REWRITERS[addresses], kind: addresses };
  }
  return isSecretReply(reply) ? FrameActions.secret : FrameActions.pass;
}

/** Captures the errors that may name a node; all others pass. */
function actionForError(reply: ExpectedReply, head: FrameHead): FrameAction {
  if (isRedirect(head.text)) {
    if (reply.type !== "script") return FrameActions.rewriteRedirect;
    return reply.hasKeys ? FrameActions.rewriteScriptRedirect : FrameActions.pass;
  }
  const isSecret = isSecretReply(reply) || undefined;
  if (reply.type === "ordinary") {
    if (reply.relaysError && head.text.startsWith(MIGRATE_ERROR)) {
      return { ...FrameActions.rewriteMigrateError, isSecret };
    }
    if (reply.repeatsAddress && echoesArguments(head.text)) {
      return { ...FrameActions.rewriteEcho, isSecret };
    }
  }
  return isSecret ? FrameActions.secret : FrameActions.pass;
}
