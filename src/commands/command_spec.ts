import { type Command, CommandTable } from "../resp/command_table.ts";
import {
  type AddressReply,
  ExpectedReplies,
  type RequestReply,
  type SubscribeCommand,
} from "./expected_reply.ts";
import { type AddressArgument, COMMAND_ROWS, type CommandRow } from "./command_rows.ts";

/** The rows of one command name, in the form that the request scanner and the relay use. */
export interface CommandSpec extends Command {
  /** The expected reply; `argv` holds the first `keepArgs` arguments in lower case. */
  reply(argv: readonly string[], argc: number): RequestReply;
  /** The position of the address in a request with these first arguments. */
  address(args: readonly string[]): AddressArgument | undefined;
}

/** REPLCONF takes any number of option pairs; clients send a few. */
const MAX_REPLCONF_ARGS = 64;

/** A longer HELLO counts as one with AUTH. */
const MAX_HELLO_ARGS = 16;

/** Builds the command table of the request scanner from rows. */
export function buildCommands(rows: readonly CommandRow[]): CommandTable<CommandSpec> {
  const byName = Map.groupBy(rows, ({ name }) => name);
  return new CommandTable(
    Object.fromEntries([...byName].map(([name, own]) => [name, specOf(own)])),
  );
}

/** The command table built from `COMMAND_ROWS`. */
export const COMMANDS: CommandTable<CommandSpec> = buildCommands(COMMAND_ROWS);

function specOf(rows: readonly CommandRow[]): CommandSpec {
  const rules = new Map(rows.map((row) => [row, replyRule(row)]));
  const isSecret = rows.some((row) => row.isSecret);
  return {
    keepArgs: Math.max(...rows.map(keptArgs)),
    ...isSecret && { isSecret },
    ...rows.some(needsArgs) && { bufferArgs: (args) => bufferedArgs(rows, args) },
    reply(argv, argc) {
      const rule = rules.get(findRow(rows, argv[1])!);
      return rule === undefined ? ExpectedReplies.plain : rule(argv, argc);
    },
    address: (args) => findRow(rows, args[1]?.toLowerCase())?.address,
  };
}

/** The row for a subcommand in lower case; undefined if no row applies to it. */
function findRow(
  rows: readonly CommandRow[],
  subcommand: string | undefined,
): CommandRow | undefined {
  return rows.find((row) => row.subcommand === undefined || row.subcommand === subcommand);
}

/** How many arguments determine the reply of a row. */
function keptArgs({ subcommand, reply }: CommandRow): number {
  switch (reply) {
    case "replconf":
      return MAX_REPLCONF_ARGS;
    case "hello":
      return MAX_HELLO_ARGS;
    case "client reply":
    case "script debug":
    case "eval":
    case "script":
      return 3;
    default:
      return subcommand === undefined ? 1 : 2;
  }
}

/** Whether arguments must be complete before any byte of the request is forwarded. */
function needsArgs({ address, reply }: CommandRow): boolean {
  return address !== undefined || reply === "client reply";
}

/** How many arguments must be complete, given the first of them; see `Command.bufferArgs`. */
function bufferedArgs(rows: readonly CommandRow[], args: readonly string[]): number {
  const subcommand = args[1]?.toLowerCase();
  const buffering = rows.filter(needsArgs);
  if (subcommand === undefined && buffering.every((row) => row.subcommand !== undefined)) return 2;
  const row = findRow(buffering, subcommand);
  if (row === undefined) return 0;
  // MIGRATE may have any number of keys after the address, which need not be buffered.
  return typeof row.address === "object" && "at" in row.address ? row.address.at + 2 : Infinity;
}

/** Determines the expected reply from the arguments of a request. */
type ReplyRule = (argv: readonly string[], argc: number) => RequestReply;

function replyRule(row: CommandRow): ReplyRule {
  const { plain } = ExpectedReplies;
  switch (row.reply) {
    case "multi":
    case "discard":
    case "reset":
    case "monitor":
      return withoutArgs(ExpectedReplies[row.reply], plain);
    case "exec":
      return withoutArgs(ExpectedReplies.exec, ExpectedReplies.abort);
    case "auth":
    case "stream":
    case "unknown":
      return always(ExpectedReplies[row.reply]);
    case "hello":
      return helloReply;
    case "client reply":
      return clientReplyReply;
    case "eval":
      return scriptReply(ExpectedReplies.eval, ExpectedReplies.keylessEval);
    case "script":
      return scriptReply(ExpectedReplies.script, ExpectedReplies.keylessScript);
    case "keyless script":
      return always(ExpectedReplies.keylessScript);
    case "script debug":
      return scriptDebugReply;
    case "replconf":
      return replconfReply;
    case "subscribe":
    case "psubscribe":
    case "ssubscribe":
    case "unsubscribe":
    case "punsubscribe":
    case "sunsubscribe":
      return subscriptionReply(row.reply);
    default:
      return always(ordinaryReply(row, row.reply));
  }
}

function ordinaryReply(row: CommandRow, addresses: AddressReply | undefined): RequestReply {
  const repeatsAddress = row.address !== undefined || addresses !== undefined;
  if (!repeatsAddress && !row.relaysError && !row.isSecret) return ExpectedReplies.plain;
  return {
    type: "ordinary",
    ...addresses !== undefined && { addresses },
    ...repeatsAddress && { repeatsAddress },
    ...row.relaysError && { relaysError: true },
    ...row.isSecret && { isSecret: true },
  };
}

function always(reply: RequestReply): ReplyRule {
  return () => reply;
}

/** For commands that a server refuses if they have arguments. */
function withoutArgs(reply: RequestReply, refusal: RequestReply): ReplyRule {
  return (_argv, argc) => argc === 1 ? reply : refusal;
}

/** `EVAL script numkeys …`: a node never redirects a script without keys. */
function scriptReply(withKeys: RequestReply, keyless: RequestReply): ReplyRule {
  return ([, , keys]) => keys === "0" ? keyless : withKeys;
}

/** `SCRIPT DEBUG YES|SYNC|NO` */
function scriptDebugReply([, , mode]: readonly string[], argc: number): RequestReply {
  if (argc !== 3) return ExpectedReplies.plain;
  if (mode === "yes" || mode === "sync") return ExpectedReplies.scriptDebugOn;
  return mode === "no" ? ExpectedReplies.scriptDebugOff : ExpectedReplies.plain;
}

/** A server refuses SUBSCRIBE without a channel; UNSUBSCRIBE without one ends all subscriptions. */
function subscriptionReply(command: SubscribeCommand): ReplyRule {
  const needsChannel = !command.includes("un");
  // One shared value, so that many requests with one channel each form one run.
  const one: RequestReply = { type: "subscription", command, channels: 1 };
  return (_argv, argc) => {
    if (argc === 1 && needsChannel) return ExpectedReplies.plain;
    return argc === 2 ? one : { type: "subscription", command, channels: argc - 1 };
  };
}

/** `CLIENT REPLY ON|OFF|SKIP` */
function clientReplyReply([, , mode]: readonly string[], argc: number): RequestReply {
  if (argc !== 3) return ExpectedReplies.plain;
  if (mode === "on") return ExpectedReplies.replyOn;
  if (mode === "off") return ExpectedReplies.replyOff;
  return mode === "skip" ? ExpectedReplies.replySkip : ExpectedReplies.plain;
}

/** `HELLO version [AUTH user password] [SETNAME name]`: a name or a password may be `auth`. */
function helloReply(argv: readonly string[], argc: number): RequestReply {
  let at = 2;
  while (argv[at] === "setname") at += 2;
  const authenticates = argv[at] === "auth" || argc > MAX_HELLO_ARGS;
  return authenticates ? ExpectedReplies.helloAuth : ExpectedReplies.hello;
}

/**
 * A server ignores all options after ACK or GETACK and sends no reply. It may refuse an option
 * before them, but no client sends one.
 */
function replconfReply(argv: readonly string[], argc: number): RequestReply {
  if (argc % 2 === 0) return ExpectedReplies.plain;
  const options = argv.filter((_arg, index) => index % 2 === 1);
  if (options[0] === "ack" || options[0] === "getack") return ExpectedReplies.none;
  const mayBeSilent = argc > MAX_REPLCONF_ARGS || options.includes("ack") ||
    options.includes("getack");
  return mayBeSilent ? ExpectedReplies.unknown : ExpectedReplies.plain;
}
