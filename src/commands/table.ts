import { type Command, Vocabulary } from "../resp/request_scanner.ts";
import { Replies, type Reply } from "./expected_reply.ts";
import type { SubscribeWord } from "../relay/subscriptions.ts";

/** A command whose reply is not just any one frame, or whose words hold secrets. */
export interface NotedCommand extends Command {
  /** What the request makes the node send. */
  reply(argv: readonly string[], argc: number): Reply;
}

/** REPLCONF has pairs of words in any number; nobody sends more than a few. */
const MOST_REPLCONF_WORDS = 64;

/** Secrets follow at most this many words behind the name in the commands that hold some. */
const WORDS_WITH_SECRETS = 16;

/** The commands that a relay has to know. All others get one frame that says nothing of nodes. */
export const COMMANDS: Vocabulary<NotedCommand> = new Vocabulary<NotedCommand>({
  cluster: { keep: 2, reply: clusterReply, holds: heldInCluster },
  role: always(Replies.role),
  info: always(Replies.info),
  client: { keep: 3, reply: clientReply, holds: heldInClient },
  migrate: {
    keep: WORDS_WITH_SECRETS,
    reply: (argv, argc) =>
      hidesAny(hidesInMigrate, argv, argc) ? Replies.migrateAuth : Replies.migrate,
    hides: hidesInMigrate,
    // Behind the address there may be any number of keys.
    holds: () => 3,
  },
  replicaof: { ...always(Replies.named), holds: () => 3 },
  slaveof: { ...always(Replies.named), holds: () => 3 },
  failover: { ...always(Replies.named), holds: () => Infinity },

  eval: script(Replies.eval, Replies.keylessEval),
  eval_ro: script(Replies.eval, Replies.keylessEval),
  evalsha: script(Replies.script, Replies.keylessScript),
  evalsha_ro: script(Replies.script, Replies.keylessScript),
  fcall: script(Replies.script, Replies.keylessScript),
  fcall_ro: script(Replies.script, Replies.keylessScript),
  script: { keep: 3, reply: scriptDebugReply },
  // DEBUG ERROR answers in any words it is given.
  debug: always(Replies.keylessScript),

  subscribe: subscription("subscribe"),
  psubscribe: subscription("psubscribe"),
  ssubscribe: subscription("ssubscribe"),
  unsubscribe: subscription("unsubscribe"),
  punsubscribe: subscription("punsubscribe"),
  sunsubscribe: subscription("sunsubscribe"),

  multi: alone(Replies.multi, Replies.plain),
  exec: alone(Replies.exec, Replies.abort),
  discard: alone(Replies.discard, Replies.plain),
  reset: alone(Replies.reset, Replies.plain),
  monitor: alone(Replies.monitor, Replies.plain),
  hello: { keep: WORDS_WITH_SECRETS, reply: helloReply, hides: hidesInHello },

  sync: always(Replies.stream),
  psync: always(Replies.stream),
  replconf: { keep: MOST_REPLCONF_WORDS, reply: replconfReply },

  auth: { ...always(Replies.auth), hides: (_argv, index) => index > 0 },
  acl: { keep: 3, reply: aclReply, hides: hidesInAcl },
  config: { keep: WORDS_WITH_SECRETS, reply: configReply, hides: hidesInConfig },
  // The settings of a module, and the words of another command, may be anything.
  module: hidesAllBut(3, "load", "loadex"),
  command: hidesAllBut(3, "getkeys", "getkeysandflags"),
  sentinel: hidesAllBut(3, "set", "config"),
  slowlog: { keep: 2, reply: slowlogReply },
  commandlog: { keep: 2, reply: slowlogReply },
});

function always(reply: Reply): NotedCommand {
  return { keep: 1, reply: () => reply };
}

/** Of commands that take no arguments, and are refused with some. */
function alone(reply: Reply, refusal: Reply): NotedCommand {
  return { keep: 1, reply: (_argv, argc) => argc === 1 ? reply : refusal };
}

/** Of commands of which, with some subcommands, only so many words are shown. */
function hidesAllBut(shown: number, ...subcommands: string[]): NotedCommand {
  const hides = ([, word = ""]: readonly string[]) => subcommands.includes(word);
  return {
    keep: 2,
    reply: (argv) => hides(argv) ? Replies.guarded : Replies.plain,
    hides: (argv, index) => index >= shown && hides(argv),
  };
}

/** `EVAL script numkeys …`: a script without keys is never redirected by the node. */
function script(withKeys: Reply, keyless: Reply): NotedCommand {
  return { keep: 3, reply: ([, , keys]) => keys === "0" ? keyless : withKeys };
}

/** `SCRIPT DEBUG YES|SYNC|NO` */
function scriptDebugReply([, subcommand, mode]: readonly string[], argc: number): Reply {
  if (subcommand !== "debug" || argc !== 3) return Replies.plain;
  if (mode === "yes" || mode === "sync") return Replies.debugScripts;
  return mode === "no" ? Replies.runScripts : Replies.plain;
}

/** Without a channel, subscribing is refused and unsubscribing means all there are. */
function subscription(word: SubscribeWord): NotedCommand {
  const refused = !word.includes("un");
  // One channel each is how clients subscribe to very many, and then there is nothing to tell apart.
  const one: Reply = { type: "subscription", word, channels: 1 };
  return {
    keep: 1,
    reply(_argv, argc) {
      if (argc === 1 && refused) return Replies.plain;
      return argc === 2 ? one : { type: "subscription", word, channels: argc - 1 };
    },
  };
}

function clusterReply([, subcommand]: readonly string[]): Reply {
  switch (subcommand) {
    case "slots":
      return Replies.slots;
    case "shards":
      return Replies.shards;
    case "nodes":
      return Replies.nodes;
    case "replicas":
    case "slaves":
      return Replies.replicas;
    case "meet":
      return Replies.named;
    case "syncslots":
      // Nodes move slots by it: what follows is between them.
      return Replies.unknown;
    default:
      return Replies.plain;
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

function clientReply([, subcommand, mode]: readonly string[], argc: number): Reply {
  switch (subcommand) {
    case "list":
    case "info":
      return Replies.clients;
    case "kill":
      return Replies.named;
    case "reply":
      if (argc !== 3) return Replies.plain;
      if (mode === "on") return Replies.replyOn;
      if (mode === "off") return Replies.replyOff;
      return mode === "skip" ? Replies.replySkip : Replies.plain;
    default:
      return Replies.plain;
  }
}

function helloReply(argv: readonly string[], argc: number): Reply {
  const authenticates = argv.includes("auth") || argc > WORDS_WITH_SECRETS;
  return authenticates ? Replies.helloAuth : Replies.hello;
}

/**
 * ACK and GETACK end the command without an answer. Behind other options, which nobody sends
 * with them, those may be refused first.
 */
function replconfReply(argv: readonly string[], argc: number): Reply {
  if (argc % 2 === 0) return Replies.plain;
  const names = argv.filter((_word, index) => index % 2 === 1);
  if (names[0] === "ack" || names[0] === "getack") return Replies.none;
  const unsure = argc > MOST_REPLCONF_WORDS || names.includes("ack") || names.includes("getack");
  return unsure ? Replies.unknown : Replies.plain;
}

function aclReply([, subcommand, word]: readonly string[]): Reply {
  switch (subcommand) {
    case "getuser":
    case "list":
    case "genpass":
      return Replies.secret;
    case "setuser":
    case "dryrun":
    case "load":
      return Replies.guarded;
    case "log":
      return word === "reset" ? Replies.plain : Replies.aclLog;
    default:
      return Replies.plain;
  }
}

function configReply(argv: readonly string[], argc: number): Reply {
  if (argv[1] === "get") return Replies.secret;
  return hidesAny(hidesInConfig, argv, argc) ? Replies.guarded : Replies.plain;
}

/** COMMANDLOG, which Valkey has had since 8.1, is SLOWLOG for more than what is slow. */
function slowlogReply([, subcommand]: readonly string[]): Reply {
  return subcommand === "get" ? Replies.slowlog : Replies.plain;
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
