import { assertEquals } from "@std/assert";
import { RequestScanner } from "../../../src/resp/request_scanner.ts";
import { COMMANDS, type CommandSpec } from "../../../src/commands/command_spec.ts";
import {
  type AddressReply,
  ExpectedReplies,
  type ExpectedReply,
} from "../../../src/commands/expected_reply.ts";
import { wireOf } from "../../support/conversation.ts";
import { everyCut, type Piece, show } from "../../support/pieces.ts";

const WITH_ADDRESS_ARGUMENT: ExpectedReply = { type: "ordinary", repeatsAddress: true };
const SECRET: ExpectedReply = { type: "ordinary", isSecret: true };
const MIGRATE: ExpectedReply = {
  type: "ordinary",
  repeatsAddress: true,
  relaysError: true,
  isSecret: true,
};

function withAddresses(addresses: AddressReply): ExpectedReply {
  return { type: "ordinary", addresses, repeatsAddress: true };
}

/** The expected reply to each request. */
const REQUESTS: Record<string, ExpectedReply> = {
  "CLUSTER SLOTS": withAddresses("slots"),
  "CLUSTER SLOTS extra": withAddresses("slots"),
  "CLUSTER SHARDS": withAddresses("shards"),
  "CLUSTER NODES": withAddresses("nodes"),
  "CLUSTER REPLICAS a": withAddresses("replicas"),
  "CLUSTER SLAVES a": withAddresses("replicas"),
  "CLUSTER SYNCSLOTS a": ExpectedReplies.unknown,
  "CLUSTER": ExpectedReplies.plain,
  "CLUSTER SLOT": ExpectedReplies.plain,
  "CLUSTER SLOTSX": ExpectedReplies.plain,
  "CLUSTER INFO": ExpectedReplies.plain,
  "CLUSTER MYID": ExpectedReplies.plain,
  "CLUSTER LINKS": ExpectedReplies.plain,
  "CLUSTER SLOT-STATS": ExpectedReplies.plain,
  "ROLE": withAddresses("role"),
  "INFO": withAddresses("info"),
  "INFO replication server": withAddresses("info"),
  "CLIENT LIST": withAddresses("clients"),
  "CLIENT LIST TYPE normal": withAddresses("clients"),
  "CLIENT INFO": withAddresses("clients"),
  "CLIENT": ExpectedReplies.plain,
  "CLIENT ID": ExpectedReplies.plain,
  "CLIENT KILL ID 1": WITH_ADDRESS_ARGUMENT,
  "CLIENT KILL 10.0.0.1:1": WITH_ADDRESS_ARGUMENT,
  "CLIENT REPLY ON": ExpectedReplies.replyOn,
  "CLIENT REPLY OFF": ExpectedReplies.replyOff,
  "CLIENT REPLY SKIP": ExpectedReplies.replySkip,
  "CLIENT REPLY": ExpectedReplies.plain,
  "CLIENT REPLY maybe": ExpectedReplies.plain,
  "CLIENT REPLY ON now": ExpectedReplies.plain,
  "CLIENT REPLY OFF now": ExpectedReplies.plain,
  "CLIENT REPLY SKIP now": ExpectedReplies.plain,
  "MIGRATE h 1 k 0 9": MIGRATE,
  "MIGRATE h 1 k 0 9 AUTH p": MIGRATE,
  "CLUSTER MEET h 1": WITH_ADDRESS_ARGUMENT,
  "CLUSTER MEET": WITH_ADDRESS_ARGUMENT,
  "CLUSTER FORGET a": ExpectedReplies.plain,
  "REPLICAOF h 1": WITH_ADDRESS_ARGUMENT,
  "SLAVEOF NO ONE": WITH_ADDRESS_ARGUMENT,
  "FAILOVER TO h 1": WITH_ADDRESS_ARGUMENT,
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
  "SCRIPT DEBUG YES": ExpectedReplies.scriptDebugOn,
  "SCRIPT DEBUG SYNC": ExpectedReplies.scriptDebugOn,
  "SCRIPT DEBUG NO": ExpectedReplies.scriptDebugOff,
  "SCRIPT DEBUG": ExpectedReplies.plain,
  "SCRIPT DEBUG YES SYNC": ExpectedReplies.plain,
  "SCRIPT LOAD s": ExpectedReplies.plain,
  "SUBSCRIBE a": { type: "subscription", command: "subscribe", channels: 1 },
  "SUBSCRIBE a b c": { type: "subscription", command: "subscribe", channels: 3 },
  "PSUBSCRIBE a": { type: "subscription", command: "psubscribe", channels: 1 },
  "SSUBSCRIBE a b": { type: "subscription", command: "ssubscribe", channels: 2 },
  "UNSUBSCRIBE": { type: "subscription", command: "unsubscribe", channels: 0 },
  "UNSUBSCRIBE a": { type: "subscription", command: "unsubscribe", channels: 1 },
  "PUNSUBSCRIBE": { type: "subscription", command: "punsubscribe", channels: 0 },
  "SUNSUBSCRIBE a b": { type: "subscription", command: "sunsubscribe", channels: 2 },
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
  "ACL GETUSER u": SECRET,
  "ACL LIST": SECRET,
  "ACL GENPASS": SECRET,
  "ACL SETUSER u >p": SECRET,
  "ACL DRYRUN u AUTH p": SECRET,
  "ACL LOAD": SECRET,
  "ACL WHOAMI": SECRET,
  "ACL LOG": SECRET,
  "CONFIG GET requirepass": SECRET,
  "CONFIG GET": SECRET,
  "CONFIG REWRITE": SECRET,
  "CONFIG": SECRET,
  "SLOWLOG GET": ExpectedReplies.plain,
  "COMMANDLOG GET 10 slow": ExpectedReplies.plain,
  "CONFIG SET a b": SECRET,
  "CONFIG SET a b masterauth p": SECRET,
  [`CONFIG SET${" a b".repeat(10)}`]: SECRET,
  "MODULE LOAD path word": SECRET,
  "MODULE LIST": SECRET,
  "COMMAND GETKEYS GET a": SECRET,
  "COMMAND": SECRET,
  "SENTINEL SET m auth-pass p": SECRET,
  "SENTINEL masters": SECRET,
  "GET CLUSTER": ExpectedReplies.plain,
  "SET CLUSTER SLOTS": ExpectedReplies.plain,
  "CLUSTERS SLOTS": ExpectedReplies.plain,
  "WATCH a": ExpectedReplies.plain,
  "QUIT": ExpectedReplies.plain,
  "PING": ExpectedReplies.plain,
};

for (const [request, reply] of Object.entries(REQUESTS)) {
  Deno.test(`${request.slice(0, 40)} expects the reply '${reply.type}', in any case and at every cut`, () => {
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

/** Whether the log hides the arguments of a request. */
const LOGGED: Record<string, "hidden" | "shown"> = {
  "AUTH user password": "hidden",
  "HELLO 3 AUTH user password SETNAME name": "hidden",
  "MIGRATE host 1 key 0 9 AUTH2 user password": "hidden",
  "CONFIG SET requirepass password": "hidden",
  "ACL SETUSER user >password": "hidden",
  "MODULE LOADEX path CONFIG name password": "hidden",
  "COMMAND GETKEYS AUTH password": "hidden",
  "SENTINEL SET primary auth-pass password": "hidden",
  "SET auth value": "shown",
  "CLUSTER MEET host 1": "shown",
};

for (const [request, visibility] of Object.entries(LOGGED)) {
  Deno.test(`the arguments of ${request} are ${visibility} in the log, at every cut`, () => {
    for (const text of [request, request.toLowerCase()]) {
      const wire = wireOf([text]);
      const visible = visibility === "shown" ? wire : withoutArgs(text, wire);
      for (const pieces of everyCut(wire)) assertEquals(visibleOf(pieces), visible, show(pieces));
    }
  });
}

function withoutArgs(text: string, wire: string): string {
  const [name, ...args] = text.split(" ");
  const hidden = [name!, ...args.map((arg) => "#".repeat(arg.length))].join(" ");
  return wireOf([hidden]).length === wire.length ? wireOf([hidden]) : wire;
}

/** Changes the case of every other letter. */
function mixed(request: string): string {
  const [name = "", second = "", ...rest] = request.split(" ");
  const mix = (word: string) =>
    word.replaceAll(
      /[a-z]/gi,
      (letter, at) => at % 2 ? letter.toUpperCase() : letter.toLowerCase(),
    );
  return [mix(name), ...(second === "" ? [] : [mix(second)]), ...rest].join(" ");
}

/** Leaves out pairs of cuts, which the scanner's own tests have. */
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
    protocolError: () => replies.push(ExpectedReplies.protocolError),
  });
  for (const { bytes, from, to } of pieces) {
    for (let at = from; at < to;) at = scanner.advance(bytes, at, to);
  }
  return replies;
}

/** Returns the wire text with a `#` for each hidden byte. */
function visibleOf(pieces: readonly Piece[]): string {
  const scanner = new RequestScanner<CommandSpec>(COMMANDS, {
    plain: () => {},
    known: () => false,
    empty: () => {},
    protocolError: () => {},
  });
  let visible = "";
  for (const { bytes, from, to } of pieces) {
    const shown = bytes.slice();
    for (let at = from; at < to;) {
      at = scanner.advance(bytes, at, to);
      for (let pair = 0; pair < scanner.secrets.length; pair += 2) {
        shown.fill("#".charCodeAt(0), scanner.secrets[pair]!, scanner.secrets[pair + 1]!);
      }
    }
    visible += String.fromCharCode(...shown.subarray(from, to));
  }
  return visible;
}
