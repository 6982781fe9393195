import { type Command, CommandTable } from "../resp/command_table.ts";
import {
  type AddressReply,
  ExpectedReplies,
  type RequestReply,
  type SubscribeWord,
} from "./expected_reply.ts";
import { type AddressArgument, COMMAND_ROWS, type CommandRow } from "./table.ts";

/** What the relay knows of a command: its rows, made ready for the request scanner. */
export interface CommandSpec extends Command {
  /** The reply to a request; `argv` holds its first arguments in lower case. */
  reply(argv: readonly string[], argc: number): RequestReply;
  /** Where a request with these first arguments names a node or a client. */
  address(args: readonly string[]): AddressArgument | undefined;
}

/** REPLCONF takes any number of pairs; no client sends more than a few. */
const MAX_REPLCONF_ARGS = 64;

/** HELLO has an option AUTH among at most this many arguments, or is refused. */
const MAX_HELLO_ARGS = 16;

/** Builds the commands that scanner and relay recognize from rows. */
export function buildCommands(rows: readonly CommandRow[]): CommandTable<CommandSpec> {
  const byName = Map.groupBy(rows, ({ name }) => name);
  return new CommandTable(
    Object.fromEntries([...byName].map(([name, own]) => [name, specOf(own)])),
  );
}

/** The commands of the table. */
export const COMMANDS: CommandTable<CommandSpec> = buildCommands(COMMAND_ROWS);

function specOf(rows: readonly CommandRow[]): CommandSpec {
  const rowFor = (subcommand: string | undefined) =>
    rows.find((row) => row.subcommand === undefined || row.subcommand === subcommand);
  const replies = new Map(rows.map((row) => [row, replyTo(row)]));
  const isSecret = rows.some((row) => row.isSecret);
  return {
    keepArgs: Math.max(...rows.map(keptArgs)),
    ...isSecret && { isSecret },
    ...rows.some(needsArgs) && { bufferArgs: (args) => bufferedArgs(rows, args) },
    reply(argv, argc) {
      const reply = replies.get(rowFor(argv[1])!);
      return reply === undefined ? ExpectedReplies.plain : reply(argv, argc);
    },
    address: (args) => rowFor(args[1]?.toLowerCase())?.address,
  };
}

/** How many arguments the reply of a row depends on. */
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

/** Whether some arguments must be complete before a request is forwarded. */
function needsArgs({ address, reply }: CommandRow): boolean {
  return address !== undefined || reply === "client reply";
}

/** How many arguments must be complete, given the first of them, see `Command.bufferArgs`. */
function bufferedArgs(rows: readonly CommandRow[], args: readonly string[]): number {
  const subcommand = args[1]?.toLowerCase();
  const wanted = rows.filter(needsArgs);
  if (subcommand === undefined && wanted.every((row) => row.subcommand !== undefined)) return 2;
  const row = wanted.find((row) => row.subcommand === undefined || row.subcommand === subcommand);
  if (row === undefined) return 0;
  // Any number of keys may follow the address of MIGRATE.
  return typeof row.address === "object" && "at" in row.address ? row.address.at + 2 : Infinity;
}

/** How the reply to a request is found. */
type ReplyTo = (argv: readonly string[], argc: number) => RequestReply;

function replyTo(row: CommandRow): ReplyTo {
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

function always(reply: RequestReply): ReplyTo {
  return () => reply;
}

/** Commands that take no arguments are refused with some. */
function withoutArgs(reply: RequestReply, refusal: RequestReply): ReplyTo {
  return (_argv, argc) => argc === 1 ? reply : refusal;
}

/** `EVAL script numkeys …`: the node never redirects a script without keys. */
function scriptReply(withKeys: RequestReply, keyless: RequestReply): ReplyTo {
  return ([, , keys]) => keys === "0" ? keyless : withKeys;
}

/** `SCRIPT DEBUG YES|SYNC|NO` */
function scriptDebugReply([, , mode]: readonly string[], argc: number): RequestReply {
  if (argc !== 3) return ExpectedReplies.plain;
  if (mode === "yes" || mode === "sync") return ExpectedReplies.debugScripts;
  return mode === "no" ? ExpectedReplies.runScripts : ExpectedReplies.plain;
}

/** Without a channel, subscribing is refused, and unsubscribing ends all subscriptions. */
function subscriptionReply(word: SubscribeWord): ReplyTo {
  const isRefused = !word.includes("un");
  // Clients subscribe to many channels by one request each; these replies form one run.
  const one: RequestReply = { type: "subscription", word, channels: 1 };
  return (_argv, argc) => {
    if (argc === 1 && isRefused) return ExpectedReplies.plain;
    return argc === 2 ? one : { type: "subscription", word, channels: argc - 1 };
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
 * ACK and GETACK end the command without a reply. Other options before them, which no client sends
 * with them, may be refused first.
 */
function replconfReply(argv: readonly string[], argc: number): RequestReply {
  if (argc % 2 === 0) return ExpectedReplies.plain;
  const options = argv.filter((_word, index) => index % 2 === 1);
  if (options[0] === "ack" || options[0] === "getack") return ExpectedReplies.none;
  const mayBeSilent = argc > MAX_REPLCONF_ARGS || options.includes("ack") ||
    options.includes("getack");
  return mayBeSilent ? ExpectedReplies.unknown : ExpectedReplies.plain;
}
