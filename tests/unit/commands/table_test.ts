import { assertEquals } from "@std/assert";
import { RequestScanner } from "../../../src/resp/request_scanner.ts";
import { COMMANDS, type NotedCommand } from "../../../src/commands/table.ts";
import { Replies, type Reply } from "../../../src/commands/expected_reply.ts";
import { wireOf } from "../../support/conversation.ts";
import { everyCut, type Piece, show } from "../../support/pieces.ts";

/** What of the words of each request makes a difference, and what for. */
const REQUESTS: Record<string, Reply> = {
  "CLUSTER SLOTS": Replies.slots,
  "CLUSTER SLOTS extra": Replies.slots,
  "CLUSTER SHARDS": Replies.shards,
  "CLUSTER NODES": Replies.nodes,
  "CLUSTER REPLICAS a": Replies.replicas,
  "CLUSTER SLAVES a": Replies.replicas,
  "CLUSTER SYNCSLOTS a": Replies.unknown,
  "CLUSTER": Replies.plain,
  "CLUSTER SLOT": Replies.plain,
  "CLUSTER SLOTSX": Replies.plain,
  "CLUSTER INFO": Replies.plain,
  "CLUSTER MYID": Replies.plain,
  "CLUSTER LINKS": Replies.plain,
  "CLUSTER SLOT-STATS": Replies.plain,
  "ROLE": Replies.role,
  "INFO": Replies.info,
  "INFO replication server": Replies.info,
  "CLIENT LIST": Replies.clients,
  "CLIENT LIST TYPE normal": Replies.clients,
  "CLIENT INFO": Replies.clients,
  "CLIENT": Replies.plain,
  "CLIENT ID": Replies.plain,
  "CLIENT KILL ID 1": Replies.named,
  "CLIENT KILL 10.0.0.1:1": Replies.named,
  "CLIENT REPLY ON": Replies.replyOn,
  "CLIENT REPLY OFF": Replies.replyOff,
  "CLIENT REPLY SKIP": Replies.replySkip,
  "CLIENT REPLY": Replies.plain,
  "CLIENT REPLY maybe": Replies.plain,
  "CLIENT REPLY ON now": Replies.plain,
  "CLIENT REPLY OFF now": Replies.plain,
  "CLIENT REPLY SKIP now": Replies.plain,
  "MIGRATE h 1 k 0 9": Replies.migrate,
  "MIGRATE h 1 k 0 9 AUTH p": Replies.migrateAuth,
  "CLUSTER MEET h 1": Replies.named,
  "CLUSTER MEET": Replies.named,
  "CLUSTER FORGET a": Replies.plain,
  "REPLICAOF h 1": Replies.named,
  "SLAVEOF NO ONE": Replies.named,
  "FAILOVER TO h 1": Replies.named,
  "EVAL s 0": Replies.keylessEval,
  "EVAL s 0 x": Replies.keylessEval,
  "EVAL s 1 k": Replies.eval,
  "EVAL s 00": Replies.eval,
  "EVAL s": Replies.eval,
  "EVAL_RO s 0": Replies.keylessEval,
  "EVALSHA s 0": Replies.keylessScript,
  "EVALSHA s 2 k k": Replies.script,
  "EVALSHA_RO s 1 k": Replies.script,
  "FCALL f 0": Replies.keylessScript,
  "FCALL_RO f 1 k": Replies.script,
  "SCRIPT DEBUG YES": Replies.debugScripts,
  "SCRIPT DEBUG SYNC": Replies.debugScripts,
  "SCRIPT DEBUG NO": Replies.runScripts,
  "SCRIPT DEBUG": Replies.plain,
  "SCRIPT DEBUG YES SYNC": Replies.plain,
  "SCRIPT LOAD s": Replies.plain,
  "SUBSCRIBE a": { type: "subscription", word: "subscribe", channels: 1 },
  "SUBSCRIBE a b c": { type: "subscription", word: "subscribe", channels: 3 },
  "PSUBSCRIBE a": { type: "subscription", word: "psubscribe", channels: 1 },
  "SSUBSCRIBE a b": { type: "subscription", word: "ssubscribe", channels: 2 },
  "UNSUBSCRIBE": { type: "subscription", word: "unsubscribe", channels: 0 },
  "UNSUBSCRIBE a": { type: "subscription", word: "unsubscribe", channels: 1 },
  "PUNSUBSCRIBE": { type: "subscription", word: "punsubscribe", channels: 0 },
  "SUNSUBSCRIBE a b": { type: "subscription", word: "sunsubscribe", channels: 2 },
  "SUBSCRIBE": Replies.plain,
  "PSUBSCRIBE": Replies.plain,
  "SSUBSCRIBE": Replies.plain,
  "MULTI": Replies.multi,
  "MULTI x": Replies.plain,
  "EXEC": Replies.exec,
  "EXEC x": Replies.abort,
  "DISCARD": Replies.discard,
  "DISCARD x": Replies.plain,
  "RESET": Replies.reset,
  "RESET x": Replies.plain,
  "MONITOR": Replies.monitor,
  "MONITOR x": Replies.plain,
  "HELLO": Replies.hello,
  "HELLO 2": Replies.hello,
  "HELLO 3": Replies.hello,
  "HELLO 3 AUTH u p SETNAME n": Replies.helloAuth,
  "HELLO 4": Replies.hello,
  "SYNC": Replies.stream,
  "PSYNC ? -1": Replies.stream,
  "REPLCONF": Replies.plain,
  "REPLCONF listening-port 1": Replies.plain,
  "REPLCONF capa ack": Replies.plain,
  "REPLCONF ACK": Replies.plain,
  "REPLCONF ACK 1": Replies.none,
  "REPLCONF ACK 1 FACK 2": Replies.none,
  "REPLCONF GETACK *": Replies.none,
  [`REPLCONF${" a b".repeat(40)}`]: Replies.unknown,
  "AUTH p": Replies.auth,
  "ACL GETUSER u": Replies.secret,
  "ACL LIST": Replies.secret,
  "ACL GENPASS": Replies.secret,
  "ACL SETUSER u >p": Replies.guarded,
  "ACL DRYRUN u AUTH p": Replies.guarded,
  "ACL LOAD": Replies.guarded,
  "ACL WHOAMI": Replies.plain,
  "ACL LOG": Replies.aclLog,
  "ACL LOG 10": Replies.aclLog,
  "ACL LOG RESET": Replies.plain,
  "CONFIG GET requirepass": Replies.secret,
  "CONFIG GET": Replies.secret,
  "CONFIG REWRITE": Replies.plain,
  "CONFIG": Replies.plain,
  "SLOWLOG GET": Replies.slowlog,
  "SLOWLOG GET 10": Replies.slowlog,
  "SLOWLOG LEN": Replies.plain,
  "SLOWLOG RESET": Replies.plain,
  "SLOWLOG": Replies.plain,
  "COMMANDLOG GET 10 slow": Replies.slowlog,
  "COMMANDLOG LEN slow": Replies.plain,
  "CONFIG SET a b": Replies.plain,
  "CONFIG SET a b masterauth p": Replies.guarded,
  [`CONFIG SET${" a b".repeat(10)}`]: Replies.guarded,
  "MODULE LOAD path word": Replies.guarded,
  "MODULE LIST": Replies.plain,
  "COMMAND GETKEYS GET a": Replies.guarded,
  "COMMAND": Replies.plain,
  "SENTINEL SET m auth-pass p": Replies.guarded,
  "SENTINEL masters": Replies.plain,
  "GET CLUSTER": Replies.plain,
  "SET CLUSTER SLOTS": Replies.plain,
  "CLUSTERS SLOTS": Replies.plain,
  "WATCH a": Replies.plain,
  "QUIT": Replies.plain,
  "PING": Replies.plain,
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

function repliesTo(pieces: readonly Piece[]): Reply[] {
  const replies: Reply[] = [];
  const scanner = new RequestScanner<NotedCommand>(COMMANDS, {
    plain: (count) => replies.push(...Array<Reply>(count).fill(Replies.plain)),
    known(command, argv, argc) {
      replies.push(command.reply(argv, argc));
      return false;
    },
    empty: () => replies.push(Replies.empty),
    broken: () => replies.push(Replies.protocolError),
  });
  for (const { bytes, from, to } of pieces) {
    for (let at = from; at < to;) at = scanner.advance(bytes, at, to);
  }
  return replies;
}

/** The wire text with a `#` for each byte that is hidden. */
function visibleOf(pieces: readonly Piece[]): string {
  const scanner = new RequestScanner<NotedCommand>(COMMANDS, {
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
