import { rewriteClients } from "../rewrite/clients.ts";
import type { Rewriter } from "../rewrite/naming.ts";
import { rewriteNodes, rewriteReplicas } from "../rewrite/nodes.ts";
import { rewriteInfo, rewriteRole } from "../rewrite/replication.ts";
import { rewriteShards } from "../rewrite/shards.ts";
import { rewriteSlots } from "../rewrite/slots.ts";

/** The subscribe commands; their names are also the first words of what confirms them. */
export type SubscribeWord =
  | "subscribe"
  | "psubscribe"
  | "ssubscribe"
  | "unsubscribe"
  | "punsubscribe"
  | "sunsubscribe";

/** What a request makes the node send, as far as a relay has to know it. */
export type Reply =
  /** One frame. */
  | { readonly type: "plain" }
  /** One frame, not to be shown in an echo of the traffic. */
  | { readonly type: "secret" }
  /** One frame of a script: with keys it may be a redirect, without it never is one. */
  | { readonly type: "script"; readonly keyless: boolean }
  /** One frame, whose error may carry another node's redirect. */
  | { readonly type: "migrate" }
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
  | { readonly type: "hello"; readonly version: number }
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
  script: { type: "script", keyless: false },
  keylessScript: { type: "script", keyless: true },
  migrate: { type: "migrate" },
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
  hello: { type: "hello", version: 0 },
  hello2: { type: "hello", version: 2 },
  hello3: { type: "hello", version: 3 },
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
