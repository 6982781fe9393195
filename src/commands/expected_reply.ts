import { Byte } from "../resp/bytes.ts";
import { rewriteClients } from "../rewrite/replies/client_list.ts";
import type { Rewriter } from "../rewrite/public_addresses.ts";
import { rewriteInfo } from "../rewrite/replies/info.ts";
import { rewriteNodes, rewriteReplicas } from "../rewrite/replies/nodes.ts";
import { rewriteRole } from "../rewrite/replies/role.ts";
import { rewriteShards } from "../rewrite/replies/shards.ts";
import { rewriteSlots } from "../rewrite/replies/slots.ts";
import { type FrameHead, isFailure } from "../relay/frame_head.ts";
import type { SubscribeWord } from "../relay/subscriptions.ts";

/** What a request makes the node send, as far as a relay has to know it. */
export type ExpectedReply =
  /** One frame. */
  | { readonly type: "plain" }
  /** One frame, not to be shown in an echo of the traffic. */
  | { readonly type: "secret" }
  /** One frame, whose error may repeat a secret of the request. */
  | { readonly type: "guarded" }
  /**
   * One frame of a script: with keys it may be a redirect, without it never is one. The debugger
   * runs the scripts of EVAL only, see "script debug".
   */
  | { readonly type: "script"; readonly keyless: boolean; readonly debuggable: boolean }
  /** One frame, whose error may repeat an address that the request names. */
  | { readonly type: "named" }
  /** The same, and the error may carry another node's redirect, or repeat a secret. */
  | { readonly type: "migrate"; readonly authenticates: boolean }
  /** One frame that carries addresses, in an array or in lines of text. */
  | {
    readonly type: "addresses";
    readonly form: "list" | "text";
    readonly rewrite: Rewriter;
  }
  /** A confirmation for each named channel (0: for each subscribed one), or one error. */
  | { readonly type: "subscription"; readonly word: SubscribeWord; readonly channels: number }
  | { readonly type: "multi" }
  | { readonly type: "exec" }
  /** An EXEC that is refused for its form, which ends the transaction all the same. */
  | { readonly type: "abort" }
  | { readonly type: "discard" }
  | { readonly type: "hello"; readonly authenticates: boolean }
  /** One frame, unless the node drops the error, see `PendingReplies.isDoubtful`. */
  | { readonly type: "auth" }
  | { readonly type: "reset" }
  | { readonly type: "monitor" }
  /** One frame. The node gets CLIENT REPLY ON in each case, and the client what the mode says. */
  | { readonly type: "client reply"; readonly mode: ClientReplyMode }
  /** One frame; if it is no error, an EVAL that follows may start a session of the debugger. */
  | { readonly type: "script debug"; readonly active: boolean }
  /** Nothing, or one error: a REPLCONF that only a replica's connection answers. */
  | { readonly type: "none" }
  /** Nothing: a request without words, which yet counts as the next one for SKIP. */
  | { readonly type: "empty" }
  /** The connection becomes a replication stream, or one error. */
  | { readonly type: "stream" }
  /** One protocol error and the end. */
  | { readonly type: "protocol error" }
  /** One error; nothing is known of any other answer. */
  | { readonly type: "unknown" }
  | MarkedReply;

/**
 * What a request makes the node send that has a marker behind it, and then the answer to the
 * marker: so it shows whether the request was answered at all.
 */
export interface MarkedReply {
  readonly type: "marked";
  readonly reply: Exclude<ExpectedReply, MarkedReply>;
  readonly nonce: string;
}

/** What CLIENT REPLY asks for: every reply, none, or none for the next request. */
export type ClientReplyMode = "on" | "off" | "skip";

/** The replies that need no more to be said of them. */
export const ExpectedReplies = {
  plain: { type: "plain" },
  secret: { type: "secret" },
  guarded: { type: "guarded" },
  eval: { type: "script", keyless: false, debuggable: true },
  keylessEval: { type: "script", keyless: true, debuggable: true },
  script: { type: "script", keyless: false, debuggable: false },
  keylessScript: { type: "script", keyless: true, debuggable: false },
  named: { type: "named" },
  migrate: { type: "migrate", authenticates: false },
  migrateAuth: { type: "migrate", authenticates: true },
  slots: { type: "addresses", form: "list", rewrite: rewriteSlots },
  shards: { type: "addresses", form: "list", rewrite: rewriteShards },
  nodes: { type: "addresses", form: "text", rewrite: rewriteNodes },
  replicas: { type: "addresses", form: "list", rewrite: rewriteReplicas },
  role: { type: "addresses", form: "list", rewrite: rewriteRole },
  info: { type: "addresses", form: "text", rewrite: rewriteInfo },
  clients: { type: "addresses", form: "text", rewrite: rewriteClients },
  multi: { type: "multi" },
  exec: { type: "exec" },
  abort: { type: "abort" },
  discard: { type: "discard" },
  auth: { type: "auth" },
  hello: { type: "hello", authenticates: false },
  helloAuth: { type: "hello", authenticates: true },
  reset: { type: "reset" },
  monitor: { type: "monitor" },
  replyOn: { type: "client reply", mode: "on" },
  replyOff: { type: "client reply", mode: "off" },
  replySkip: { type: "client reply", mode: "skip" },
  debugScripts: { type: "script debug", active: true },
  runScripts: { type: "script debug", active: false },
  none: { type: "none" },
  empty: { type: "empty" },
  stream: { type: "stream" },
  protocolError: { type: "protocol error" },
  unknown: { type: "unknown" },
} as const satisfies Record<string, ExpectedReply>;

/** Whether a server that has seen MULTI queues the request (server.c `processCommand`). */
export function isQueued(reply: ExpectedReply): boolean {
  switch (reply.type) {
    case "exec":
    case "abort":
    case "discard":
    case "multi":
    case "reset":
    case "empty":
      return false;
    default:
      return true;
  }
}

/** Whether the frame is of a form in which a node answers such a request, if it does. */
export function fits(reply: ExpectedReply, head: FrameHead): boolean {
  if (isFailure(head)) return true;
  switch (reply.type) {
    case "addresses":
      return head.type === Byte.attribute || FORMS[reply.form].includes(head.type);
    case "auth":
    case "multi":
    case "discard":
    case "monitor":
    case "client reply":
    case "script debug":
      return head.type === Byte.status && head.text === "OK";
    case "reset":
      return head.type === Byte.status && head.text === "RESET";
    case "migrate":
      return head.type === Byte.status;
    case "hello":
      return head.type === Byte.map || head.type === Byte.array;
    case "exec":
      return head.type === Byte.array || head.type === Byte.null;
    case "stream":
      return head.type === Byte.lf || head.type === Byte.bulk ||
        (head.type === Byte.status && STREAM_BEGINS.test(head.text));
    case "plain":
    case "secret":
    case "guarded":
    case "script":
    case "named":
      return true;
    default:
      return false;
  }
}

/** The types of frames with addresses. */
const FORMS: Record<"list" | "text", readonly number[]> = {
  list: [Byte.array],
  text: [Byte.bulk, Byte.verbatim],
};

/** How a node answers PSYNC when it goes on with a stream; SYNC has no line before it. */
const STREAM_BEGINS = /^(FULLRESYNC|CONTINUE|DUALCHANNELSYNC|RDBCHANNELSYNC)\b/;
