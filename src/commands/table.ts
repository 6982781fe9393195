import { type Command, CommandTable } from "../resp/command_table.ts";
import { ExpectedReplies, type ExpectedReply } from "./expected_reply.ts";
import type { SubscribeWord } from "../relay/subscriptions.ts";

/** A command whose reply is not just any one frame, or whose words hold secrets. */
export interface CommandSpec extends Command {
  /** What the request makes the node send. */
  reply(argv: readonly string[], argc: number): ExpectedReply;
}

/** REPLCONF has pairs of words in any number; nobody sends more than a few. */
const MOST_REPLCONF_WORDS = 64;

/** Secrets follow at most this many words behind the name in the commands that hold some. */
const WORDS_WITH_SECRETS = 16;

/** The commands that a relay has to know. All others get one frame that says nothing of nodes. */
export const COMMANDS: CommandTable<CommandSpec> = new CommandTable<CommandSpec>({
  cluster: { keepArgs: 2, reply: clusterReply, bufferArgs: heldInCluster },
  role: always(ExpectedReplies.role),
  info: always(ExpectedReplies.info),
  client: { keepArgs: 3, reply: clientReply, bufferArgs: heldInClient },
  migrate: {
    keepArgs: WORDS_WITH_SECRETS,
    reply: (argv, argc) =>
      hidesAny(hidesInMigrate, argv, argc) ? ExpectedReplies.migrateAuth : ExpectedReplies.migrate,
    isSecretArg: hidesInMigrate,
    // Behind the address there may be any number of keys.
    bufferArgs: () => 3,
  },
  replicaof: { ...always(ExpectedReplies.named), bufferArgs: () => 3 },
  slaveof: { ...always(ExpectedReplies.named), bufferArgs: () => 3 },
  failover: { ...always(ExpectedReplies.named), bufferArgs: () => Infinity },

  eval: script(ExpectedReplies.eval, ExpectedReplies.keylessEval),
  eval_ro: script(ExpectedReplies.eval, ExpectedReplies.keylessEval),
  evalsha: script(ExpectedReplies.script, ExpectedReplies.keylessScript),
  evalsha_ro: script(ExpectedReplies.script, ExpectedReplies.keylessScript),
  fcall: script(ExpectedReplies.script, ExpectedReplies.keylessScript),
  fcall_ro: script(ExpectedReplies.script, ExpectedReplies.keylessScript),
  script: { keepArgs: 3, reply: scriptDebugReply },
  // DEBUG ERROR answers in any words it is given.
  debug: always(ExpectedReplies.keylessScript),

  subscribe: subscription("subscribe"),
  psubscribe: subscription("psubscribe"),
  ssubscribe: subscription("ssubscribe"),
  unsubscribe: subscription("unsubscribe"),
  punsubscribe: subscription("punsubscribe"),
  sunsubscribe: subscription("sunsubscribe"),

  multi: alone(ExpectedReplies.multi, ExpectedReplies.plain),
  exec: alone(ExpectedReplies.exec, ExpectedReplies.abort),
  discard: alone(ExpectedReplies.discard, ExpectedReplies.plain),
  reset: alone(ExpectedReplies.reset, ExpectedReplies.plain),
  monitor: alone(ExpectedReplies.monitor, ExpectedReplies.plain),
  hello: { keepArgs: WORDS_WITH_SECRETS, reply: helloReply, isSecretArg: hidesInHello },

  sync: always(ExpectedReplies.stream),
  psync: always(ExpectedReplies.stream),
  replconf: { keepArgs: MOST_REPLCONF_WORDS, reply: replconfReply },

  auth: { ...always(ExpectedReplies.auth), isSecretArg: (_argv, index) => index > 0 },
  acl: { keepArgs: 3, reply: aclReply, isSecretArg: hidesInAcl },
  config: { keepArgs: WORDS_WITH_SECRETS, reply: configReply, isSecretArg: hidesInConfig },
  // The settings of a module, and the words of another command, may be anything.
  module: hidesAllBut(3, "load", "loadex"),
  command: hidesAllBut(3, "getkeys", "getkeysandflags"),
  sentinel: hidesAllBut(3, "set", "config"),
});

function always(reply: ExpectedReply): CommandSpec {
  return { keepArgs: 1, reply: () => reply };
}

/** Of commands that take no arguments, and are refused with some. */
function alone(reply: ExpectedReply, refusal: ExpectedReply): CommandSpec {
  return { keepArgs: 1, reply: (_argv, argc) => argc === 1 ? reply : refusal };
}

/** Of commands of which, with some subcommands, only so many words are shown. */
function hidesAllBut(shown: number, ...subcommands: string[]): CommandSpec {
  const hides = ([, word = ""]: readonly string[]) => subcommands.includes(word);
  return {
    keepArgs: 2,
    reply: (argv) => hides(argv) ? ExpectedReplies.guarded : ExpectedReplies.plain,
    isSecretArg: (argv, index) => index >= shown && hides(argv),
  };
}

/** `EVAL script numkeys …`: a script without keys is never redirected by the node. */
function script(withKeys: ExpectedReply, keyless: ExpectedReply): CommandSpec {
  return { keepArgs: 3, reply: ([, , keys]) => keys === "0" ? keyless : withKeys };
}

/** `SCRIPT DEBUG YES|SYNC|NO` */
function scriptDebugReply([, subcommand, mode]: readonly string[], argc: number): ExpectedReply {
  if (subcommand !== "debug" || argc !== 3) return ExpectedReplies.plain;
  if (mode === "yes" || mode === "sync") return ExpectedReplies.debugScripts;
  return mode === "no" ? ExpectedReplies.runScripts : ExpectedReplies.plain;
}

/** Without a channel, subscribing is refused and unsubscribing means all there are. */
function subscription(word: SubscribeWord): CommandSpec {
  const refused = !word.includes("un");
  // One channel each is how clients subscribe to very many, and then there is nothing to tell apart.
  const one: ExpectedReply = { type: "subscription", word, channels: 1 };
  return {
    keepArgs: 1,
    reply(_argv, argc) {
      if (argc === 1 && refused) return ExpectedReplies.plain;
      return argc === 2 ? one : { type: "subscription", word, channels: argc - 1 };
    },
  };
}

function clusterReply([, subcommand]: readonly string[]): ExpectedReply {
  switch (subcommand) {
    case "slots":
      return ExpectedReplies.slots;
    case "shards":
      return ExpectedReplies.shards;
    case "nodes":
      return ExpectedReplies.nodes;
    case "replicas":
    case "slaves":
      return ExpectedReplies.replicas;
    case "meet":
      return ExpectedReplies.named;
    case "syncslots":
      // Nodes move slots by it: what follows is between them.
      return ExpectedReplies.unknown;
    default:
      return ExpectedReplies.plain;
  }
}

function heldInCluster([, subcommand]: readonly string[]): number {
  if (subcommand === undefined) return 2;
  return subcommand.toLowerCase() === "meet" ? Infinity : 0;
}

function heldInClient([, subcommand]: readonly string[]): number {
  if (subcommand === undefined) return 2;
  return /^(kill|list|reply)$/i.test(subcommand) ? Infinity : 0;
}

function clientReply([, subcommand, mode]: readonly string[], argc: number): ExpectedReply {
  switch (subcommand) {
    case "list":
    case "info":
      return ExpectedReplies.clients;
    case "kill":
      return ExpectedReplies.named;
    case "reply":
      if (argc !== 3) return ExpectedReplies.plain;
      if (mode === "on") return ExpectedReplies.replyOn;
      if (mode === "off") return ExpectedReplies.replyOff;
      return mode === "skip" ? ExpectedReplies.replySkip : ExpectedReplies.plain;
    default:
      return ExpectedReplies.plain;
  }
}

/** `HELLO version [AUTH user password] [SETNAME name]`: a name or a password may be `auth`. */
function helloReply(argv: readonly string[], argc: number): ExpectedReply {
  let at = 2;
  while (argv[at] === "setname") at += 2;
  const authenticates = argv[at] === "auth" || argc > WORDS_WITH_SECRETS;
  return authenticates ? ExpectedReplies.helloAuth : ExpectedReplies.hello;
}

/**
 * ACK and GETACK end the command without an answer. Behind other options, which nobody sends
 * with them, those may be refused first.
 */
function replconfReply(argv: readonly string[], argc: number): ExpectedReply {
  if (argc % 2 === 0) return ExpectedReplies.plain;
  const names = argv.filter((_word, index) => index % 2 === 1);
  if (names[0] === "ack" || names[0] === "getack") return ExpectedReplies.none;
  const unsure = argc > MOST_REPLCONF_WORDS || names.includes("ack") || names.includes("getack");
  return unsure ? ExpectedReplies.unknown : ExpectedReplies.plain;
}

function aclReply([, subcommand]: readonly string[]): ExpectedReply {
  switch (subcommand) {
    case "getuser":
    case "list":
    case "genpass":
      return ExpectedReplies.secret;
    case "setuser":
    case "dryrun":
    case "load":
      return ExpectedReplies.guarded;
    default:
      return ExpectedReplies.plain;
  }
}

function configReply(argv: readonly string[], argc: number): ExpectedReply {
  if (argv[1] === "get") return ExpectedReplies.secret;
  return hidesAny(hidesInConfig, argv, argc) ? ExpectedReplies.guarded : ExpectedReplies.plain;
}

/** Whether any word of a request is hidden. */
function hidesAny(
  hides: (argv: readonly string[], index: number) => boolean,
  argv: readonly string[],
  argc: number,
): boolean {
  // Of those behind the kept ones all are, or none.
  for (let index = 0; index < Math.min(argc, WORDS_WITH_SECRETS + 2); index++) {
    if (hides(argv, index)) return true;
  }
  return false;
}

/** `ACL SETUSER user rule …` and `ACL DRYRUN user command word …` */
function hidesInAcl([, subcommand]: readonly string[], index: number): boolean {
  return (subcommand === "setuser" && index > 2) || (subcommand === "dryrun" && index > 3);
}

/** `HELLO version AUTH user password SETNAME name` */
function hidesInHello(argv: readonly string[], index: number): boolean {
  return index >= WORDS_WITH_SECRETS || argv[index - 1] === "auth" || argv[index - 2] === "auth";
}

/** `MIGRATE host port key db timeout AUTH password`, or `AUTH2 user password` */
function hidesInMigrate(argv: readonly string[], index: number): boolean {
  const [before, twoBefore] = [argv[index - 1], argv[index - 2]];
  return index >= WORDS_WITH_SECRETS ||
    index > 6 && (before === "auth" || before === "auth2" || twoBefore === "auth2");
}

/** `CONFIG SET name value name value …`: requirepass, masterauth, tls-key-file-pass and more */
function hidesInConfig(argv: readonly string[], index: number): boolean {
  if (argv[1] !== "set" || index % 2 === 0) return false;
  return index >= WORDS_WITH_SECRETS || /pass|auth/.test(argv[index - 1] ?? "");
}
