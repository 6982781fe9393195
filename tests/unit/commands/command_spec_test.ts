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

/** Requests by the reply they expect. */
const REQUESTS: readonly [reply: ExpectedReply, requests: string][] = [
  [withAddresses("slots"), "CLUSTER SLOTS, CLUSTER SLOTS extra"],
  [withAddresses("shards"), "CLUSTER SHARDS"],
  [withAddresses("nodes"), "CLUSTER NODES"],
  [withAddresses("replicas"), "CLUSTER REPLICAS a, CLUSTER SLAVES a"],
  [ExpectedReplies.unknown, `CLUSTER SYNCSLOTS a, REPLCONF${" a b".repeat(40)}`],
  [
    ExpectedReplies.plain,
    `
    CLUSTER, CLUSTER SLOT, CLUSTER SLOTSX, CLUSTER INFO, CLUSTER MYID, CLUSTER LINKS,
    CLUSTER SLOT-STATS, CLIENT, CLIENT ID, CLIENT REPLY, CLIENT REPLY maybe,
    CLIENT REPLY ON now, CLIENT REPLY OFF now, CLIENT REPLY SKIP now, CLUSTER FORGET a,
    SCRIPT DEBUG, SCRIPT DEBUG YES SYNC, SCRIPT LOAD s, SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE,
    MULTI x, DISCARD x, RESET x, MONITOR x, REPLCONF, REPLCONF listening-port 1,
    REPLCONF capa ack, REPLCONF ACK, SLOWLOG GET, COMMANDLOG GET 10 slow, GET CLUSTER,
    SET CLUSTER SLOTS, CLUSTERS SLOTS, WATCH a, QUIT, PING`,
  ],
  [withAddresses("role"), "ROLE"],
  [withAddresses("info"), "INFO, INFO replication server"],
  [withAddresses("clients"), "CLIENT LIST, CLIENT LIST TYPE normal, CLIENT INFO"],
  [
    WITH_ADDRESS_ARGUMENT,
    `
    CLIENT KILL ID 1, CLIENT KILL 10.0.0.1:1, CLUSTER MEET h 1, CLUSTER MEET, REPLICAOF h 1,
    SLAVEOF NO ONE, FAILOVER TO h 1`,
  ],
  [ExpectedReplies.replyOn, "CLIENT REPLY ON"],
  [ExpectedReplies.replyOff, "CLIENT REPLY OFF"],
  [ExpectedReplies.replySkip, "CLIENT REPLY SKIP"],
  [MIGRATE, "MIGRATE h 1 k 0 9, MIGRATE h 1 k 0 9 AUTH p"],
  [ExpectedReplies.keylessEval, "EVAL s 0, EVAL s 0 x, EVAL_RO s 0"],
  [ExpectedReplies.eval, "EVAL s 1 k, EVAL s 00, EVAL s"],
  [ExpectedReplies.keylessScript, "EVALSHA s 0, FCALL f 0"],
  [ExpectedReplies.script, "EVALSHA s 2 k k, EVALSHA_RO s 1 k, FCALL_RO f 1 k"],
  [ExpectedReplies.scriptDebugOn, "SCRIPT DEBUG YES, SCRIPT DEBUG SYNC"],
  [ExpectedReplies.scriptDebugOff, "SCRIPT DEBUG NO"],
  [{ type: "subscription", command: "subscribe", channels: 1 }, "SUBSCRIBE a"],
  [{ type: "subscription", command: "subscribe", channels: 3 }, "SUBSCRIBE a b c"],
  [{ type: "subscription", command: "psubscribe", channels: 1 }, "PSUBSCRIBE a"],
  [{ type: "subscription", command: "ssubscribe", channels: 2 }, "SSUBSCRIBE a b"],
  [{ type: "subscription", command: "unsubscribe", channels: 0 }, "UNSUBSCRIBE"],
  [{ type: "subscription", command: "unsubscribe", channels: 1 }, "UNSUBSCRIBE a"],
  [{ type: "subscription", command: "punsubscribe", channels: 0 }, "PUNSUBSCRIBE"],
  [{ type: "subscription", command: "sunsubscribe", channels: 2 }, "SUNSUBSCRIBE a b"],
  [ExpectedReplies.multi, "MULTI"],
  [ExpectedReplies.exec, "EXEC"],
  [ExpectedReplies.abort, "EXEC x"],
  [ExpectedReplies.discard, "DISCARD"],
  [ExpectedReplies.reset, "RESET"],
  [ExpectedReplies.monitor, "MONITOR"],
  [ExpectedReplies.hello, "HELLO, HELLO 2, HELLO 3, HELLO 4"],
  [ExpectedReplies.helloAuth, "HELLO 3 AUTH u p SETNAME n"],
  [ExpectedReplies.stream, "SYNC, PSYNC ? -1"],
  [ExpectedReplies.none, "REPLCONF ACK 1, REPLCONF ACK 1 FACK 2, REPLCONF GETACK *"],
  [ExpectedReplies.auth, "AUTH p"],
  [
    SECRET,
    `
    ACL GETUSER u, ACL LIST, ACL GENPASS, ACL SETUSER u >p, ACL DRYRUN u AUTH p, ACL LOAD,
    ACL WHOAMI, ACL LOG, CONFIG GET requirepass, CONFIG GET, CONFIG REWRITE, CONFIG,
    CONFIG SET a b, CONFIG SET a b masterauth p, CONFIG SET${" a b".repeat(10)},
    MODULE LOAD path word, MODULE LIST, COMMAND GETKEYS GET a, COMMAND,
    SENTINEL SET m auth-pass p, SENTINEL masters`,
  ],
];

for (const [reply, requests] of REQUESTS) {
  for (const request of requests.trim().split(/,\s+/)) {
    Deno.test(`${request.slice(0, 40)} expects the reply '${reply.type}', in any case and at every cut`, () => {
      const upper = request.replace(/^\S+ ?\S*/, (words) => words.toUpperCase());
      for (const text of [request, upper, request.toLowerCase(), mixed(request)]) {
        for (const wire of [wireOf([text]), `${text}\r\n`]) {
          for (const pieces of fewCuts(wire)) {
            assertEquals(repliesTo(pieces), [reply], show(pieces));
          }
        }
      }
    });
  }
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
