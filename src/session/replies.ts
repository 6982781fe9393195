import { Byte } from "../resp/bytes.ts";
import { rewriteClients } from "../rewrite/clients.ts";
import { rewriteConfig } from "../rewrite/config.ts";
import type { Rewriter } from "../rewrite/naming.ts";
import { rewriteInfo } from "../rewrite/info.ts";
import { rewriteNodes, rewriteReplicas } from "../rewrite/nodes.ts";
import { rewriteAclLog, rewriteSlowlog } from "../rewrite/records.ts";
import { rewriteRole } from "../rewrite/role.ts";
import { rewriteShards } from "../rewrite/shards.ts";
import { rewriteSlots } from "../rewrite/slots.ts";
import { type FrameHead, isFailure } from "./head.ts";
import type { SubscribeWord } from "./subscriptions.ts";

/** What a request makes the node send, as far as a relay has to know it. */
export type Reply =
  /** One frame. */
  | { readonly type: "plain" }
  /** One frame, not to be shown in an echo of the traffic. */
  | { readonly type: "secret" }
  /** One frame, whose error may repeat a secret of the request. */
  | { readonly type: "guarded" }
  /** One frame of a script: with keys it may be a redirect, without it never is one. */
  | { readonly type: "script"; readonly keyless: boolean }
  /** One frame, whose error may repeat an address that the request names. */
  | { readonly type: "named" }
  /** The same, and the error may carry another node's redirect, or repeat a secret. */
  | { readonly type: "migrate"; readonly authenticates: boolean }
  /** One frame that carries addresses, in an array, in pairs or in lines of text. */
  | {
    readonly type: "addresses";
    readonly form: "list" | "pairs" | "text";
    readonly rewrite: Rewriter;
    /** It is not to be shown in an echo of the traffic, either. */
    readonly secret?: true | undefined;
  }
  /** A confirmation for each named channel (0: for each subscribed one), or one error. */
  | { readonly type: "subscription"; readonly word: SubscribeWord; readonly channels: number }
  | { readonly type: "multi" }
  | { readonly type: "exec" }
  /** An EXEC that is refused for its form, which ends the transaction all the same. */
  | { readonly type: "abort" }
  | { readonly type: "discard" }
  | { readonly type: "hello"; readonly authenticates: boolean }
  /** One frame; but see `mayBeDropped`. */
  | { readonly type: "auth" }
  | { readonly type: "reset" }
  | { readonly type: "monitor" }
  | { readonly type: "reply on" }
  /** Nothing, from here on. */
  | { readonly type: "reply off" }
  /** Nothing, and nothing for the next request. */
  | { readonly type: "reply skip" }
  /** Nothing: the one before together with a request that would get one frame. */
  | { readonly type: "skipped" }
  /** Nothing: any request that came while replies were off. */
  | { readonly type: "unseen" }
  /** Nothing: a REPLCONF that only a replica's link answers. */
  | { readonly type: "none" }
  /** Nothing: a request without words, which yet counts as the next one for SKIP. */
  | { readonly type: "empty" }
  /** The connection becomes a replication stream, or one error. */
  | { readonly type: "stream" }
  /** One protocol error and the end. */
  | { readonly type: "protocol error" }
  /** One error, or no telling. */
  | { readonly type: "unknown" };

/** The replies that need no more to be said of them. */
export const Replies = {
  plain: { type: "plain" },
  secret: { type: "secret" },
  guarded: { type: "guarded" },
  script: { type: "script", keyless: false },
  keylessScript: { type: "script", keyless: true },
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
  config: { type: "addresses", form: "pairs", rewrite: rewriteConfig, secret: true },
  slowlog: { type: "addresses", form: "list", rewrite: rewriteSlowlog },
  aclLog: { type: "addresses", form: "list", rewrite: rewriteAclLog },
  multi: { type: "multi" },
  exec: { type: "exec" },
  abort: { type: "abort" },
  discard: { type: "discard" },
  auth: { type: "auth" },
  hello: { type: "hello", authenticates: false },
  helloAuth: { type: "hello", authenticates: true },
  reset: { type: "reset" },
  monitor: { type: "monitor" },
  replyOn: { type: "reply on" },
  replyOff: { type: "reply off" },
  replySkip: { type: "reply skip" },
  skipped: { type: "skipped" },
  unseen: { type: "unseen" },
  none: { type: "none" },
  empty: { type: "empty" },
  stream: { type: "stream" },
  protocolError: { type: "protocol error" },
  unknown: { type: "unknown" },
} as const satisfies Record<string, Reply>;

/** Whether a server that has seen MULTI queues the request (server.c `processCommand`). */
export function isQueued(reply: Reply): boolean {
  switch (reply.type) {
    case "exec":
    case "abort":
    case "discard":
    case "multi":
    case "reset":
    case "empty":
    case "skipped":
      return false;
    default:
      return true;
  }
}

/** Whether the next frame may answer a later request than this, a subscription for one. */
export function mayStaySilent(reply: Reply): boolean {
  switch (reply.type) {
    case "subscription":
    case "reply on":
    case "reply off":
    case "reply skip":
    case "skipped":
    case "unseen":
    case "none":
    case "empty":
      return true;
    default:
      return false;
  }
}

/** Whether a request under CLIENT REPLY OFF leaves nothing behind that has to be known. */
export function isForgettable(reply: Reply): boolean {
  switch (reply.type) {
    case "plain":
    case "secret":
    case "guarded":
    case "script":
    case "named":
    case "migrate":
    case "addresses":
    case "multi":
    case "exec":
    case "abort":
    case "discard":
    case "none":
    case "empty":
    case "reply skip":
    case "skipped":
      return true;
    default:
      return false;
  }
}

/**
 * Whether a node may keep the answer to itself: Redis 8.0 and Valkey 8.1 do not tell that a
 * password was wrong while other replies wait to be sent (acl.c `addAuthErrReply`).
 */
export function mayBeDropped(reply: Reply): boolean {
  return reply.type === "auth" || (reply.type === "hello" && reply.authenticates);
}

/** For what a reply is looked for among others that are outstanding. */
export type Trait =
  /** It may be an error in the words of any other. */
  | "imitates"
  /** As a result of EXEC it, or those behind it, may not come. */
  | "left out"
  /** It confirms the end of subscriptions to shard channels. */
  | "sunsubscribe";

/** What a reply is looked for, if anything. */
export function traitOf(reply: Reply): Trait | undefined {
  switch (reply.type) {
    case "script":
    case "reset":
      return "imitates";
    case "none":
      return "left out";
    case "subscription":
      return reply.word === "sunsubscribe" ? reply.word : undefined;
    default:
      return silences(reply) ? "left out" : undefined;
  }
}

/** Whether a request may keep the node from answering those behind it. */
export function silences({ type }: Reply): boolean {
  return type === "reply off" || type === "reply skip" || type === "skipped" || type === "unseen";
}

/** Whether the frame is of a form in which a node answers such a request, if it does. */
export function fits(reply: Reply, head: FrameHead): boolean {
  if (isFailure(head)) return true;
  switch (reply.type) {
    case "addresses":
      return head.type === Byte.attribute || FORMS[reply.form].includes(head.type);
    case "auth":
    case "multi":
    case "discard":
    case "monitor":
    case "reply on":
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

/** The types of frames with addresses. RESP2 has an array of all names and values for a map. */
const FORMS: Record<"list" | "pairs" | "text", readonly number[]> = {
  list: [Byte.array],
  pairs: [Byte.array, Byte.map],
  text: [Byte.bulk, Byte.verbatim],
};

/** How a node answers PSYNC when it goes on with a stream; SYNC has no line before it. */
const STREAM_BEGINS = /^(FULLRESYNC|CONTINUE|DUALCHANNELSYNC|RDBCHANNELSYNC)\b/;
