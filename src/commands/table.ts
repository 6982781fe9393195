import type { AddressReply, SubscribeWord } from "./expected_reply.ts";

/**
 * The commands that the proxy has to know, one row each. Everything that depends on a command reads
 * this table: which arguments the request scanner keeps and buffers, which reply the relay expects,
 * which addresses of a request and of a reply are rewritten, and what must not be logged. A command
 * without a row gets one frame that carries no address.
 */
export interface CommandRow {
  /** The name in lower case. */
  readonly name: string;
  /** The first argument in lower case, if the row is for that subcommand only. */
  readonly subcommand?: string;
  /** The reply, if it is not one frame without addresses. */
  readonly reply?: AddressReply | SubscribeWord | SpecialReply;
  /** Where the request names a node or a client. */
  readonly address?: AddressArgument;
  /** An error may carry an error of another node. */
  readonly relaysError?: true;
  /** Arguments and replies may be secrets; this goes for the command with any subcommand. */
  readonly isSecret?: true;
}

/** Replies whose form depends on more than the row, see `replyTo`. */
export type SpecialReply =
  | "multi"
  | "exec"
  | "discard"
  | "reset"
  | "monitor"
  | "auth"
  | "hello"
  | "client reply"
  | "eval"
  | "script"
  | "keyless script"
  | "script debug"
  | "replconf"
  | "stream"
  | "unknown";

/** Where the address of a node or of a client stands in a request. */
export type AddressArgument =
  /** A host and a port, the host at this index; the command name has index 0. */
  | { readonly at: number }
  /** A host and a port behind this option, wherever that is. */
  | { readonly after: string }
  /** CLUSTER MEET: an IP address, a port, and perhaps a bus port. */
  | "meet"
  /** The address of a client, or filters that name some. */
  | "client";

/** All rows. */
export const COMMAND_ROWS: readonly CommandRow[] = [
  { name: "cluster", subcommand: "slots", reply: "slots" },
  { name: "cluster", subcommand: "shards", reply: "shards" },
  { name: "cluster", subcommand: "nodes", reply: "nodes" },
  { name: "cluster", subcommand: "replicas", reply: "replicas" },
  { name: "cluster", subcommand: "slaves", reply: "replicas" },
  { name: "cluster", subcommand: "meet", address: "meet" },
  // Nodes move slots by it; what follows is a conversation between them.
  { name: "cluster", subcommand: "syncslots", reply: "unknown" },
  { name: "role", reply: "role" },
  { name: "info", reply: "info" },
  { name: "client", subcommand: "list", reply: "clients", address: "client" },
  { name: "client", subcommand: "info", reply: "clients" },
  { name: "client", subcommand: "kill", address: "client" },
  { name: "client", subcommand: "reply", reply: "client reply" },
  { name: "migrate", address: { at: 1 }, relaysError: true, isSecret: true },
  { name: "replicaof", address: { at: 1 } },
  { name: "slaveof", address: { at: 1 } },
  { name: "failover", address: { after: "to" } },

  { name: "eval", reply: "eval" },
  { name: "eval_ro", reply: "eval" },
  { name: "evalsha", reply: "script" },
  { name: "evalsha_ro", reply: "script" },
  { name: "fcall", reply: "script" },
  { name: "fcall_ro", reply: "script" },
  { name: "script", subcommand: "debug", reply: "script debug" },
  // DEBUG ERROR answers with any text that it is given.
  { name: "debug", reply: "keyless script" },

  { name: "subscribe", reply: "subscribe" },
  { name: "psubscribe", reply: "psubscribe" },
  { name: "ssubscribe", reply: "ssubscribe" },
  { name: "unsubscribe", reply: "unsubscribe" },
  { name: "punsubscribe", reply: "punsubscribe" },
  { name: "sunsubscribe", reply: "sunsubscribe" },

  { name: "multi", reply: "multi" },
  { name: "exec", reply: "exec" },
  { name: "discard", reply: "discard" },
  { name: "reset", reply: "reset" },
  { name: "monitor", reply: "monitor" },
  { name: "hello", reply: "hello", isSecret: true },
  { name: "auth", reply: "auth", isSecret: true },

  { name: "sync", reply: "stream" },
  { name: "psync", reply: "stream" },
  { name: "replconf", reply: "replconf" },

  { name: "acl", isSecret: true },
  { name: "config", isSecret: true },
  { name: "sentinel", isSecret: true },
  // The arguments of a module, or of another command, may be anything.
  { name: "module", isSecret: true },
  { name: "command", isSecret: true },
];
