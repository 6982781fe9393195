/** The replies that carry addresses, each with a rewriter of its own. */
export type AddressReply = "slots" | "shards" | "nodes" | "replicas" | "role" | "info" | "clients";

/** The subscribe commands; their names are also the first values of their confirmations. */
export type SubscribeWord =
  | "subscribe"
  | "psubscribe"
  | "ssubscribe"
  | "unsubscribe"
  | "punsubscribe"
  | "sunsubscribe";

/** What CLIENT REPLY asks for: every reply, none, or none for the next request. */
export type ClientReplyMode = "on" | "off" | "skip";

/** What a node sends for a request, as far as the relay has to know. */
export type ExpectedReply =
  | OrdinaryReply
  /** A confirmation for each channel (0: for each subscribed one), or one error. */
  | { readonly type: "subscription"; readonly word: SubscribeWord; readonly channels: number }
  | { readonly type: "multi" }
  | { readonly type: "exec" }
  /** An EXEC with arguments is refused, and ends the transaction all the same. */
  | { readonly type: "abort" }
  | { readonly type: "discard" }
  /** One frame; a node may drop the error for a wrong password. */
  | { readonly type: "auth" }
  | { readonly type: "hello"; readonly authenticates: boolean }
  | { readonly type: "reset" }
  | { readonly type: "monitor" }
  /** One frame. The node gets CLIENT REPLY ON in each case, and the proxy does the rest. */
  | { readonly type: "client reply"; readonly mode: ClientReplyMode }
  /** One frame of a script. The Lua debugger runs the scripts of EVAL only. */
  | { readonly type: "script"; readonly hasKeys: boolean; readonly debuggable: boolean }
  /** One frame; if it is no error, the next EVAL starts a session of the Lua debugger. */
  | { readonly type: "script debug"; readonly active: boolean }
  /** Nothing, or one error: a REPLCONF that only the connection of a replica answers. */
  | { readonly type: "none" }
  /** Nothing: a request without arguments. */
  | { readonly type: "empty" }
  /** The connection becomes a replication stream, or one error. */
  | { readonly type: "stream" }
  /** One error; the connection is then closed. */
  | { readonly type: "protocol error" }
  /** One error; no other reply can be followed. */
  | { readonly type: "unknown" }
  | MarkedReply;

/** One frame. */
export interface OrdinaryReply {
  readonly type: "ordinary";
  /** The frame carries addresses. */
  readonly addresses?: AddressReply;
  /** An error may repeat an address of the request. */
  readonly repeatsAddress?: true;
  /** An error may carry an error of another node, as with MIGRATE. */
  readonly relaysError?: true;
  /** The frame must not be logged. */
  readonly isSecret?: true;
}

/** The reply to a request, and then the answer to the marker behind it, which has `nonce`. */
export interface MarkedReply {
  readonly type: "marked";
  readonly reply: RequestReply;
  readonly nonce: string;
}

/** What a request gets without a marker. */
export type RequestReply = Exclude<ExpectedReply, MarkedReply>;

/** The replies that are not made for one request; the tracker compares them by identity. */
export const ExpectedReplies = {
  plain: { type: "ordinary" },
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
  eval: { type: "script", hasKeys: true, debuggable: true },
  keylessEval: { type: "script", hasKeys: false, debuggable: true },
  script: { type: "script", hasKeys: true, debuggable: false },
  keylessScript: { type: "script", hasKeys: false, debuggable: false },
  debugScripts: { type: "script debug", active: true },
  runScripts: { type: "script debug", active: false },
  none: { type: "none" },
  empty: { type: "empty" },
  stream: { type: "stream" },
  protocolError: { type: "protocol error" },
  unknown: { type: "unknown" },
} as const satisfies Record<string, RequestReply>;

/** Whether a server queues the request after MULTI (server.c `processCommand`). */
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

/** Whether the reply must not be logged: it may hold a secret, or repeat one of the request. */
export function isSecretReply(reply: ExpectedReply): boolean {
  return reply.type === "auth" || reply.type === "hello" ||
    (reply.type === "ordinary" && reply.isSecret === true);
}
