// commands/ knows the commands that are not plain: one row for each, data only. It may import resp/
// and platform/. Start here: to support a new command, add a row to `COMMAND_ROWS`.
// expected_reply.ts lists the replies that the relay distinguishes; command_spec.ts builds the
// command table of the request scanner from the rows.

import type { AddressReply, SubscribeCommand } from "./expected_reply.ts";

/**
 * A command that is not plain. Everything that depends on a command is derived from its rows: which
 * arguments the request scanner keeps and buffers, which reply the relay expects, which addresses
 * of a request and of a reply are rewritten, and what must not be logged. The reply to a command
 * without a row is one frame that carries no address.
 */
export interface CommandRow {
  /** The name in lower case. */
  readonly name: string;
  /** The first argument in lower case, if the row is for that subcommand only. */
  readonly subcommand?: string;
  /** The reply, if it is not one frame without addresses. */
  readonly reply?: AddressReply | SubscribeCommand | SpecialReply;
  /** The position of the address of a node or a client in the request. */
  readonly address?: AddressArgument;
  /** Whether an error may contain an error of another node. */
  readonly relaysError?: true;
  /** Whether arguments and replies may be secrets; applies to all rows with this name. */
  readonly isSecret?: true;
}

/** Replies that depend on the arguments too, or change the state of the connection. */
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

/** The position of the address of a node or a client in a request. */
export type AddressArgument =
  /** A host and a port; `at` is the index of the host, and the command name has index 0. */
  | { readonly at: number }
  /** A host and a port after this option, at any index. */
  | { readonly after: string }
  /** CLUSTER MEET: an IP address, a port and an optional bus port. */
  | "meet"
  /** The address of a client, or filters with addresses. */
  | "client";

/** The rows of all commands that are not plain. */
export const COMMAND_ROWS: readonly CommandRow[] = [
  { name: "cluster", subcommand: "slots", reply: "slots" },
  { name: "cluster", subcommand: "shards", reply: "shards" },
  { name: "cluster", subcommand: "nodes", reply: "nodes" },
  { name: "cluster", subcommand: "replicas", reply: "replicas" },
  { name: "cluster", subcommand: "slaves", reply: "replicas" },
  { name: "cluster", subcommand: "meet", address: "meet" },
  // Nodes migrate slots with it. It starts a protocol between two nodes, which is not RESP alone.
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
  // DEBUG ERROR replies with any text of its arguments.
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
  // The arguments of a module or of another command may be secrets.
  { name: "module", isSecret: true },
  { name: "command", isSecret: true },
];
