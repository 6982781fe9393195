import { type ExpectedReply, isSecretReply } from "../commands/expected_reply.ts";
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
import { type FrameHead, isFailure } from "./frame_head.ts";

/** What is to be done with a frame. */
export type FrameAction =
  /** It goes to the client as it is. */
  | { readonly type: "pass" }
  /** The same, but an echo of the traffic must not show it. */
  | { readonly type: "secret" }
  /** The client does not get it. */
  | { readonly type: "drop" }
  /** Only its header is one: its elements are frames of their own. The client may not get that. */
  | { readonly type: "header"; readonly isDropped: boolean }
  /** Only its header is one, and all is kept until a marker has come, to be judged then. */
  | { readonly type: "hold"; readonly head: FrameHead }
  /** It goes on as it is, and who paired it wants to know the integer that ends it. */
  | { readonly type: "confirm" }
  | RewriteAction
  /** From here on the connection is no conversation of requests and replies. */
  | { readonly type: "blind" };

/** The frame is kept until it is whole, and goes on rewritten. */
export interface RewriteAction {
  readonly type: "rewrite";
  readonly rewrite: Rewriter;
  /** No request waits for the frame. */
  readonly unasked?: true;
  /** It must not be logged. */
  readonly isSecret?: true | undefined;
}

/** The verdicts that need no more to be said of them. */
export const FrameActions = {
  pass: { type: "pass" },
  secret: { type: "secret" },
  drop: { type: "drop" },
  header: { type: "header", isDropped: false },
  dropHeader: { type: "header", isDropped: true },
  confirm: { type: "confirm" },
  blind: { type: "blind" },
  rewritePush: { type: "rewrite", rewrite: rewritePush, unasked: true },
  rewriteRedirect: { type: "rewrite", rewrite: rewriteRedirect },
  rewriteScriptRedirect: { type: "rewrite", rewrite: rewriteScriptRedirect },
  rewriteMigrateError: { type: "rewrite", rewrite: rewriteMigrateError },
  rewriteEcho: { type: "rewrite", rewrite: rewriteEchoedArguments },
} as const satisfies Record<string, FrameAction>;

/** What to do with a frame that answers a request. */
export function actionFor(reply: ExpectedReply, head: FrameHead): FrameAction {
  if (head.type === Byte.error) return actionForError(reply, head);
  if (reply.type === "ordinary" && reply.addresses !== undefined && !isFailure(head)) {
    return { type: "rewrite", rewrite: REPLY_REWRITERS[reply.addresses] };
  }
  return isSecretReply(reply) ? FrameActions.secret : FrameActions.pass;
}

/** Only errors that cannot name a node pass without being read. */
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
