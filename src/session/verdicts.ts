import { Byte } from "../resp/bytes.ts";
import type { Rewriter } from "../rewrite/naming.ts";
import { rewritePush } from "../rewrite/pushes.ts";
import {
  isRedirect,
  MIGRATE_ERROR,
  rewriteMigrateError,
  rewriteRedirect,
  rewriteScriptRedirect,
} from "../rewrite/redirects.ts";
import { repeatsRequest, rewriteRefusal } from "../rewrite/refusals.ts";
import { type FrameHead } from "./head.ts";
import type { Reply } from "./replies.ts";

/** What is to be done with a frame. */
export type Verdict =
  /** It goes to the client as it is. */
  | { readonly type: "pass" }
  /** The same, but an echo of the traffic must not show it. */
  | { readonly type: "secret" }
  /** Only its header is one: its elements are frames of their own. */
  | { readonly type: "header" }
  /** It goes on as it is, and who paired it wants to know the integer that ends it. */
  | { readonly type: "confirm" }
  | RewriteVerdict
  /** From here on the connection is no conversation of requests and replies. */
  | { readonly type: "blind" };

/** The frame is kept until it is whole, and goes on rewritten. */
export interface RewriteVerdict {
  readonly type: "rewrite";
  readonly rewrite: Rewriter;
  /** The frame is a push, which no request waits for. */
  readonly push?: true;
  /** An echo of the traffic must not show it. */
  readonly secret?: true | undefined;
}

/** The verdicts that need no more to be said of them. */
export const Verdicts = {
  pass: { type: "pass" },
  secret: { type: "secret" },
  header: { type: "header" },
  confirm: { type: "confirm" },
  blind: { type: "blind" },
  rewritePush: { type: "rewrite", rewrite: rewritePush, push: true },
  rewriteRedirect: { type: "rewrite", rewrite: rewriteRedirect },
  rewriteScriptRedirect: { type: "rewrite", rewrite: rewriteScriptRedirect },
  rewriteMigrateError: { type: "rewrite", rewrite: rewriteMigrateError },
  rewriteRefusal: { type: "rewrite", rewrite: rewriteRefusal },
} as const satisfies Record<string, Verdict>;

/** What to do with a frame that answers a request which would be answered by `reply`. */
export function verdictOn(reply: Reply, head: FrameHead): Verdict {
  if (head.type === Byte.error) return verdictOnError(reply, head);
  if (reply.type === "addresses") {
    return { type: "rewrite", rewrite: reply.rewrite, secret: reply.secret };
  }
  return reply.type === "secret" ? Verdicts.secret : Verdicts.pass;
}

/** Of errors only those pass unread that cannot name a node. */
function verdictOnError(reply: Reply, head: FrameHead): Verdict {
  if (isRedirect(head.text)) {
    if (reply.type !== "script") return Verdicts.rewriteRedirect;
    return reply.keyless ? Verdicts.pass : Verdicts.rewriteScriptRedirect;
  }
  switch (reply.type) {
    case "migrate":
      if (head.text.startsWith(MIGRATE_ERROR)) return Verdicts.rewriteMigrateError;
      return repeatsRequest(head.text) ? Verdicts.rewriteRefusal : Verdicts.pass;
    case "named":
    case "addresses":
      return repeatsRequest(head.text) ? Verdicts.rewriteRefusal : Verdicts.pass;
    default:
      return Verdicts.pass;
  }
}
