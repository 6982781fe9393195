import { assertEquals } from "@std/assert";
import { RequestScanner } from "../../../src/resp/request_scanner.ts";
import { COMMANDS, type CommandSpec } from "../../../src/commands/table.ts";
import { ExpectedReplies, type ExpectedReply } from "../../../src/commands/expected_reply.ts";
import { wireOf } from "../../support/conversation.ts";
import { everyCut, type Piece, show } from "../../support/pieces.ts";

/** What of the words of each request makes a difference, and what for. */
const REQUESTS: Record<string, ExpectedReply> = {
  "CLUSTER SLOTS": ExpectedReplies.slots,
  "CLUSTER SLOTS extra": ExpectedReplies.slots,
  "CLUSTER SHARDS": ExpectedReplies.shards,
  "CLUSTER NODES": ExpectedReplies.nodes,
  "CLUSTER REPLICAS a": ExpectedReplies.replicas,
  "CLUSTER SLAVES a": ExpectedReplies.replicas,
  "CLUSTER SYNCSLOTS a": ExpectedReplies.unknown,
  "CLUSTER": ExpectedReplies.plain,
  "CLUSTER SLOT": ExpectedReplies.plain,
  "CLUSTER SLOTSX": ExpectedReplies.plain,
  "CLUSTER INFO": ExpectedReplies.plain,
  "CLUSTER MYID": ExpectedReplies.plain,
  "CLUSTER LINKS": ExpectedReplies.plain,
  "CLUSTER SLOT-STATS": ExpectedReplies.plain,
  "ROLE": ExpectedReplies.role,
  "INFO": ExpectedReplies.info,
  "INFO replication server": ExpectedReplies.info,
  "CLIENT LIST": ExpectedReplies.clients,
  "CLIENT LIST TYPE normal": ExpectedReplies.clients,
  "CLIENT INFO": ExpectedReplies.clients,
  "CLIENT": ExpectedReplies.plain,
  "CLIENT ID": ExpectedReplies.plain,
  "CLIENT KILL ID 1": ExpectedReplies.named,
  "CLIENT KILL 10.0.0.1:1": ExpectedReplies.named,
  "CLIENT REPLY ON": ExpectedReplies.replyOn,
  "CLIENT REPLY OFF": ExpectedReplies.replyOff,
  "CLIENT REPLY SKIP": ExpectedReplies.replySkip,
  "CLIENT REPLY": ExpectedReplies.plain,
  "CLIENT REPLY maybe": ExpectedReplies.plain,
  "CLIENT REPLY ON now": ExpectedReplies.plain,
  "CLIENT REPLY OFF now": ExpectedReplies.plain,
  "CLIENT REPLY SKIP now": ExpectedReplies.plain,
  "MIGRATE h 1 k 0 9": ExpectedReplies.migrate,
  "MIGRATE h 1 k 0 9 AUTH p": ExpectedReplies.migrateAuth,
  "CLUSTER MEET h 1": ExpectedReplies.named,
  "CLUSTER MEET": ExpectedReplies.named,
  "CLUSTER FORGET a": ExpectedReplies.plain,
  "REPLICAOF h 1": ExpectedReplies.named,
  "SLAVEOF NO ONE": ExpectedReplies.named,
  "FAILOVER TO h 1": ExpectedReplies.named,
  "EVAL s 0": ExpectedReplies.keylessEval,
  "EVAL s 0 x": ExpectedReplies.keylessEval,
  "EVAL s 1 k": ExpectedReplies.eval,
  "EVAL s 00": ExpectedReplies.eval,
  "EVAL s": ExpectedReplies.eval,
  "EVAL_RO s 0": ExpectedReplies.keylessEval,
  "EVALSHA s 0": ExpectedReplies.keylessScript,
  "EVALSHA s 2 k k": ExpectedReplies.script,
  "EVALSHA_RO s 1 k": ExpectedReplies.script,
  "FCALL f 0": ExpectedReplies.keylessScript,
  "FCALL_RO f 1 k": ExpectedReplies.script,
  "SCRIPT DEBUG YES": ExpectedReplies.debugScripts,
  "SCRIPT DEBUG SYNC": ExpectedReplies.debugScripts,
  "SCRIPT DEBUG NO": ExpectedReplies.runScripts,
  "SCRIPT DEBUG": ExpectedReplies.plain,
  "SCRIPT DEBUG YES SYNC": ExpectedReplies.plain,
  "SCRIPT LOAD s": ExpectedReplies.plain,
  "SUBSCRIBE a": { type: "subscription", word: "subscribe", channels: 1 },
  "SUBSCRIBE a b c": { type: "subscription", word: "subscribe", channels: 3 },
  "PSUBSCRIBE a": { type: "subscription", word: "psubscribe", channels: 1 },
  "SSUBSCRIBE a b": { type: "subscription", word: "ssubscribe", channels: 2 },
  "UNSUBSCRIBE": { type: "subscription", word: "unsubscribe", channels: 0 },
  "UNSUBSCRIBE a": { type: "subscription", word: "unsubscribe", channels: 1 },
  "PUNSUBSCRIBE": { type: "subscription", word: "punsubscribe", channels: 0 },
  "SUNSUBSCRIBE a b": { type: "subscription", word: "sunsubscribe", channels: 2 },
  "SUBSCRIBE": ExpectedReplies.plain,
  "PSUBSCRIBE": ExpectedReplies.plain,
  "SSUBSCRIBE": ExpectedReplies.plain,
  "MULTI": ExpectedReplies.multi,
  "MULTI x": ExpectedReplies.plain,
  "EXEC": ExpectedReplies.exec,
  "EXEC x": ExpectedReplies.abort,
  "DISCARD": ExpectedReplies.discard,
  "DISCARD x": ExpectedReplies.plain,
  "RESET": ExpectedReplies.reset,
  "RESET x": ExpectedReplies.plain,
  "MONITOR": ExpectedReplies.monitor,
  "MONITOR x": ExpectedReplies.plain,
  "HELLO": ExpectedReplies.hello,
  "HELLO 2": ExpectedReplies.hello,
  "HELLO 3": ExpectedReplies.hello,
  "HELLO 3 AUTH u p SETNAME n": ExpectedReplies.helloAuth,
  "HELLO 4": ExpectedReplies.hello,
  "SYNC": ExpectedReplies.stream,
  "PSYNC ? -1": ExpectedReplies.stream,
  "REPLCONF": ExpectedReplies.plain,
  "REPLCONF listening-port 1": ExpectedReplies.plain,
  "REPLCONF capa ack": ExpectedReplies.plain,
  "REPLCONF ACK": ExpectedReplies.plain,
  "REPLCONF ACK 1": ExpectedReplies.none,
  "REPLCONF ACK 1 FACK 2": ExpectedReplies.none,
  "REPLCONF GETACK *": ExpectedReplies.none,
  [`REPLCONF${" a b".repeat(40)}`]: ExpectedReplies.unknown,
  "AUTH p": ExpectedReplies.auth,
  "ACL GETUSER u": ExpectedReplies.secret,
  "ACL LIST": ExpectedReplies.secret,
  "ACL GENPASS": ExpectedReplies.secret,
  "ACL SETUSER u >p": ExpectedReplies.guarded,
  "ACL DRYRUN u AUTH p": ExpectedReplies.guarded,
  "ACL LOAD": ExpectedReplies.guarded,
  "ACL WHOAMI": ExpectedReplies.plain,
  "ACL LOG": ExpectedReplies.plain,
  "CONFIG GET requirepass": ExpectedReplies.secret,
  "CONFIG GET": ExpectedReplies.secret,
  "CONFIG REWRITE": ExpectedReplies.plain,
  "CONFIG": ExpectedReplies.plain,
  "SLOWLOG GET": ExpectedReplies.plain,
  "COMMANDLOG GET 10 slow": ExpectedReplies.plain,
  "CONFIG SET a b": ExpectedReplies.plain,
  "CONFIG SET a b masterauth p": ExpectedReplies.guarded,
  [`CONFIG SET${" a b".repeat(10)}`]: ExpectedReplies.guarded,
  "MODULE LOAD path word": ExpectedReplies.guarded,
  "MODULE LIST": ExpectedReplies.plain,
  "COMMAND GETKEYS GET a": ExpectedReplies.guarded,
  "COMMAND": ExpectedReplies.plain,
  "SENTINEL SET m auth-pass p": ExpectedReplies.guarded,
  "SENTINEL masters": ExpectedReplies.plain,
  "GET CLUSTER": ExpectedReplies.plain,
  "SET CLUSTER SLOTS": ExpectedReplies.plain,
  "CLUSTERS SLOTS": ExpectedReplies.plain,
  "WATCH a": ExpectedReplies.plain,
  "QUIT": ExpectedReplies.plain,
  "PING": ExpectedReplies.plain,
};

for (const [request, reply] of Object.entries(REQUESTS)) {
  Deno.test(`${request.slice(0, 40)} gets the reply '${reply.type}' in any case and cut`, () => {
    const inline = `${request}\r\n`;
    const upper = request.replace(/^\S+ ?\S*/, (words) => words.toUpperCase());
    const lower = request.toLowerCase();
    for (const text of [request, upper, lower, mixed(request)]) {
      for (const wire of [wireOf([text]), `${text}\r\n`, inline]) {
        for (const pieces of fewCuts(wire)) assertEquals(repliesTo(pieces), [reply], show(pieces));
      }
    }
  });
}

/** Each case is words, of which those that hold SECRET are hidden. */
const SECRETS = [
  "AUTH SECRET",
  "AUTH SECRET SECRET",
  "HELLO 3 AUTH SECRET SECRET",
  "HELLO 3 AUTH SECRET SECRET SETNAME name",
  "HELLO 3 SETNAME name AUTH SECRET SECRET",
  "HELLO 3 SETNAME name",
  "MIGRATE host 1 key 0 9 AUTH SECRET",
  "MIGRATE host 1 key 0 9 COPY REPLACE AUTH SECRET KEYS key",
  "MIGRATE host 1 key 0 9 AUTH2 SECRET SECRET",
  "MIGRATE auth 1 key 0 9 COPY",
  "CONFIG SET requirepass SECRET",
  "CONFIG SET maxmemory 1 masterauth SECRET appendonly no",
  "CONFIG SET masteruser user tls-key-file-pass SECRET",
  "CONFIG GET requirepass",
  "ACL SETUSER user SECRET SECRET",
  "ACL DRYRUN user AUTH SECRET",
  "MODULE LOADEX path SECRET SECRET SECRET",
  "MODULE LOAD path SECRET",
  "COMMAND GETKEYS MIGRATE SECRET",
  "COMMAND GETKEYSANDFLAGS AUTH SECRET",
  "COMMAND INFO get",
  "SENTINEL SET primary SECRET SECRET",
  "SENTINEL CONFIG SET SECRET SECRET",
  "ACL GETUSER user",
  "SET auth value",
];

for (const request of SECRETS) {
  Deno.test(`of ${request} only the secrets are hidden, however it is cut`, () => {
    for (
      const text of [
        request,
        request.replaceAll(/[a-z]+/gi, (word) => word === "SECRET" ? word : word.toLowerCase()),
      ]
    ) {
      const wire = wireOf([text]);
      for (const pieces of everyCut(wire)) {
        assertEquals(visibleOf(pieces), wire.replaceAll("SECRET", "######"), show(pieces));
      }
    }
  });
}

/** Every other letter in capitals. */
function mixed(request: string): string {
  const [name = "", second = "", ...rest] = request.split(" ");
  const mix = (word: string) =>
    word.replaceAll(
      /[a-z]/gi,
      (letter, at) => at % 2 ? letter.toUpperCase() : letter.toLowerCase(),
    );
  return [mix(name), ...(second === "" ? [] : [mix(second)]), ...rest].join(" ");
}

/** Every pair of cuts would be the scanner's own test again. */
function fewCuts(wire: string): Piece[][] {
  return [...everyCut(wire)].filter((pieces) => pieces.length !== 3);
}

function repliesTo(pieces: readonly Piece[]): ExpectedReply[] {
  const replies: ExpectedReply[] = [];
  const scanner = new RequestScanner<CommandSpec>(COMMANDS, {
    plain: (count) => replies.push(...Array<ExpectedReply>(count).fill(ExpectedReplies.plain)),
    known(command, argv, argc) {
      replies.push(command.reply(argv, argc));
      return false;
    },
    empty: () => replies.push(ExpectedReplies.empty),
    broken: () => replies.push(ExpectedReplies.protocolError),
  });
  for (const { bytes, from, to } of pieces) {
    for (let at = from; at < to;) at = scanner.advance(bytes, at, to);
  }
  return replies;
}

/** The wire text with a `#` for each byte that is hidden. */
function visibleOf(pieces: readonly Piece[]): string {
  const scanner = new RequestScanner<CommandSpec>(COMMANDS, {
    plain: () => {},
    known: () => false,
    empty: () => {},
    broken: () => {},
  });
  let visible = "";
  for (const { bytes, from, to } of pieces) {
    const shown = bytes.slice();
    for (let at = from; at < to;) {
      at = scanner.advance(bytes, at, to);
      for (let pair = 0; pair < scanner.hidden.length; pair += 2) {
        shown.fill("#".charCodeAt(0), scanner.hidden[pair]!, scanner.hidden[pair + 1]!);
      }
    }
    visible += String.fromCharCode(...shown.subarray(from, to));
  }
  return visible;
}
