/** The replies that carry addresses; each has its own rewriter. */
export type AddressReply = "slots" | "shards" | "nodes" | "replicas" | "role" | "info" | "clients";

/** The subscribe commands, whose names are also the first values of their confirmations. */
export type SubscribeCommand =
  | "subscribe"
  | "psubscribe"
  | "ssubscribe"
  | "unsubscribe"
  | "punsubscribe"
  | "sunsubscribe";

/** The modes of CLIENT REPLY: all replies, none, or none for the next request. */
export type ClientReplyMode = "on" | "off" | "skip";

/** The frames that a node sends for a request, as far as the relay distinguishes them. */
export type ExpectedReply =
  | OrdinaryReply
  /** A confirmation for each channel (0: for each subscribed one), or one error. */
  | { readonly type: "subscription"; readonly command: SubscribeCommand; readonly channels: number }
  | { readonly type: "multi" }
  | { readonly type: "exec" }
  /** One error to an EXEC with arguments, which ends the transaction. */
  | { readonly type: "abort" }
  | { readonly type: "discard" }
  /** One frame, but a node may drop the error for a wrong password. */
  | { readonly type: "auth" }
  /** One frame, which the client does not get: the answer to an AUTH of the proxy itself. */
  | { readonly type: "login" }
  | { readonly type: "hello"; readonly authenticates: boolean }
  | { readonly type: "reset" }
  | { readonly type: "monitor" }
  /** One frame: the node gets CLIENT REPLY ON for every mode, and the proxy drops replies. */
  | { readonly type: "client reply"; readonly mode: ClientReplyMode }
  /** One frame, the result of a script. The Lua debugger only runs scripts of EVAL. */
  | { readonly type: "script"; readonly hasKeys: boolean; readonly debuggable: boolean }
  /** One frame. If `active` and it is no error, the next EVAL starts the Lua debugger. */
  | { readonly type: "script debug"; readonly active: boolean }
  /** No frame, or one error: REPLCONF ACK and GETACK. */
  | { readonly type: "none" }
  /** No frame: a request without arguments. */
  | { readonly type: "empty" }
  /** A replication stream, or one error. */
  | { readonly type: "stream" }
  /** One error, and the node closes the connection. */
  | { readonly type: "protocol error" }
  /** One error; any other frame ends the session, because it cannot be paired. */
  | { readonly type: "unknown" }
  | MarkedReply;

/** One frame of any type. */
export interface OrdinaryReply {
  readonly type: "ordinary";
  /** The kind of addresses that the frame carries. */
  readonly addresses?: AddressReply;
  /** Whether an error may repeat an address of the request. */
  readonly repeatsAddress?: true;
  /** Whether an error may contain an error of another node, as with MIGRATE. */
  readonly relaysError?: true;
  /** Whether the frame must not be logged. */
  readonly isSecret?: true;
}

/** The reply to a request, and the answer to the marker after it, whose text is `nonce`. */
export interface MarkedReply {
  readonly type: "marked";
  readonly reply: RequestReply;
  readonly nonce: string;
}

/** The reply to a request without a marker. */
export type RequestReply = Exclude<ExpectedReply, MarkedReply>;

/** The replies without a variable part, one shared value each; they are compared by identity. */
export const ExpectedReplies = {
  plain: { type: "ordinary" },
  multi: { type: "multi" },
  exec: { type: "exec" },
  abort: { type: "abort" },
  discard: { type: "discard" },
  auth: { type: "auth" },
  login: { type: "login" },
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
  scriptDebugOn: { type: "script debug", active: true },
  scriptDebugOff: { type: "script debug", active: false },
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

/** Whether a request authenticates its client: a node may drop the error to it. */
export function authenticates(reply: ExpectedReply): boolean {
  return reply.type === "auth" || (reply.type === "hello" && reply.authenticates);
}

/** Whether the reply must not be logged: it may contain a secret, or one of the request. */
export function isSecretReply(reply: ExpectedReply): boolean {
  return reply.type === "auth" || reply.type === "hello" ||
    (reply.type === "ordinary" && reply.isSecret === true);
}
