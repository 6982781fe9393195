import type { AddressReply } from "../../src/commands/expected_reply.ts";
import { COMMAND_ROWS, type CommandRow } from "../../src/commands/command_rows.ts";
import { bulk, monitored, NIL, NULL, OK, PONG, QUEUED, verbatim } from "../support/frames.ts";
import { frames } from "../support/notation.ts";
import type { Random } from "../support/random.ts";
import { readRequests } from "./model.ts";
import { randomAnswer } from "./values.ts";

/** The differences between servers and their configurations. */
interface Traits {
  /** Whether a message of the connection itself precedes the reply to PUBLISH, also in EXEC. */
  readonly writesMessagesAtOnce: boolean;
  /** Whether the error for a wrong password is dropped while other replies wait to be sent. */
  readonly dropsAuthErrors: boolean;
  /** Whether the client must authenticate. */
  readonly requiresPassword: boolean;
  /** Renamed commands. */
  readonly unknown: ReadonlySet<string>;
  /** Commands that the user may not run. */
  readonly forbidden: ReadonlySet<string>;
}

/** The arguments of a request, with the command name. */
type Args = readonly string[];

type Kind = "channels" | "patterns" | "shards";

const SUBSCRIBE_COMMANDS: Record<string, Kind> = {};
for (const start of ["", "un"]) {
  SUBSCRIBE_COMMANDS[`${start}subscribe`] = "channels";
  SUBSCRIBE_COMMANDS[`p${start}subscribe`] = "patterns";
  SUBSCRIBE_COMMANDS[`s${start}subscribe`] = "shards";
}

/** The least and the most arguments that commands take, with their names. */
const ARITIES: readonly [names: string, least: number, most: number][] = [
  ["multi exec discard reset monitor", 1, 1],
  ["ping", 1, 2],
  ["get incr", 2, 2],
  ["auth", 2, 3],
  ["watch subscribe psubscribe ssubscribe cluster client", 2, Infinity],
  ["replicaof slaveof", 3, 3],
  ["eval", 3, Infinity],
  ["migrate", 6, Infinity],
];

/** Commands that a transaction does not queue. */
const NEVER_QUEUED = new Set(["exec", "discard", "multi", "watch", "reset"]);

/** The commands that a RESP2 subscriber may send, except QUIT. */
const SUBSCRIBER_COMMANDS = new Set([...Object.keys(SUBSCRIBE_COMMANDS), "ping", "reset"]);

const SCRIPTS = /^(eval|evalsha|fcall)(_ro)?$/;

const MOVED = "MOVED 1 10.0.0.1:7000";

/**
 * A model of a node, after the sources of the servers. It executes one request after the other, and
 * marks each frame that must be rewritten with its rewriter.
 */
export class ModelNode {
  /** The bytes that are still to be sent. */
  out = "";
  /** The bytes that the client must get, with the frames to be rewritten in marks. */
  expected = "";
  /** How many markers it got. */
  markers = 0;
  /** Whether the client may get only a part of `expected`. */
  isLossy = false;
  /** Whether the node sends no more bytes than those in `out`. */
  isClosed = false;
  /** What makes the pairing ambiguous, so that the proxy may end the session. */
  readonly ambiguities = new Set<string>();
  /** Whether the time of a line of MONITOR decides if the client gets it. */
  mayDropLines = false;

  readonly #random: Random;
  readonly #rows: readonly CommandRow[];
  readonly #traits: Traits;
  /** The modes of all CLIENT REPLY requests of the client; the node itself gets ON. */
  readonly #replyModes: string[];
  #received = "";
  #ignoresInput = false;
  #authenticated = false;
  #resp3 = false;
  #monitors = false;
  #off = false;
  #skip = false;
  #skipNext = false;
  #transaction: Args[] | undefined;
  #isAborted = false;
  /** How many AUTH and HELLO AUTH commands the transaction has. */
  #authentications = 0;
  readonly #subscribed = {
    channels: new Set<string>(),
    patterns: new Set<string>(),
    shards: new Set<string>(),
  };
  #inExec = false;
  #executing = "";
  /** Messages to send when the request that published them ends. */
  #deferred: (() => void)[] = [];

  /**
   * @param wire all bytes that the client will send
   * @param rows the command rows that decide which frames carry addresses
   */
  constructor(random: Random, wire: string, rows: readonly CommandRow[] = COMMAND_ROWS) {
    this.#random = random;
    this.#rows = rows;
    this.#replyModes = readRequests(wire).requests.map(({ args }) => args)
      .filter(isReplyMode).map(([, , mode]) => mode!.toLowerCase());
    const rarely = (names: readonly string[]) =>
      new Set(random.chance(0.08) ? [random.pick(names)] : []);
    this.#traits = {
      writesMessagesAtOnce: random.chance(0.5),
      dropsAuthErrors: random.chance(0.5),
      requiresPassword: random.chance(0.1),
      unknown: rarely("client replconf cluster migrate multi reset hello".split(" ")),
      forbidden: rarely("client|reply replconf cluster monitor subscribe exec ping".split(" ")),
    };
  }

  /** Receives bytes of the client. */
  receive(text: string): void {
    this.#received += text;
  }

  /** Executes the next request; false if there is none. */
  step(): boolean {
    if (this.isClosed || this.#received === "") return false;
    if (this.#ignoresInput) {
      this.#received = "";
      return true;
    }
    const { requests: [request], errorAt, stallsAt } = readRequests(this.#received);
    if (request!.end === undefined) {
      if (stallsAt !== undefined) this.#ignoresInput = true;
      if (errorAt === undefined) return stallsAt !== undefined;
      // The node ignores the bytes after the error, and closes the connection.
      this.#error("ERR Protocol error: invalid");
      this.#ignoresInput = this.isClosed = true;
      return true;
    }
    this.#received = this.#received.slice(request!.end);
    const { args } = request!;
    if (isMarker(args)) this.#answerMarker(args[1]!);
    else if (isReplyMode(args)) this.#execute([...args.slice(0, 2), this.#nextReplyMode(args)]);
    else this.#execute(args);
    return true;
  }

  /** Sends a random unsolicited frame, if the connection may get one. */
  event(): void {
    const random = this.#random;
    if (this.#ignoresInput || this.isClosed) return;
    const { channels, patterns, shards } = this.#subscribed;
    const kinds: (() => void)[] = [];
    if (channels.size > 0) kinds.push(() => this.#message("message", random.pick([...channels])));
    if (patterns.size > 0) kinds.push(() => this.#message("pmessage", "p*", "p1"));
    if (shards.size > 0) {
      kinds.push(() => this.#message("smessage", random.pick([...shards])));
      kinds.push(() => this.#endShardSubscription(random.pick([...shards])));
    }
    if (this.#monitors) kinds.push(() => this.#sendMonitorLine());
    if (this.#resp3) {
      for (const text of [">[invalidate [k]]", ">[invalidate NULL]"]) {
        kinds.push(() => this.#send(frames(text)));
      }
      for (const text of [">[+MOVING :1 :15 10.0.0.1:7000]", ">['SMIGRATED' :1 []]"]) {
        kinds.push(() => this.#send(frames(text), "push"));
      }
    }
    if (kinds.length > 0) random.pick(kinds)();
  }

  /** Answers a marker, which the client does not get. */
  #answerMarker(nonce: string): void {
    if (this.#transaction !== undefined) throw new Error("A marker was sent inside a transaction");
    this.markers++;
    const before = this.expected;
    if (!this.#isAuthenticated) this.#send("-NOAUTH Authentication required.\r\n");
    else if (this.#traits.forbidden.has("ping")) {
      this.#send("-NOPERM User u has no permissions to run the 'ping' command\r\n");
    } else if (this.#isRestricted) this.#send(`*2\r\n$4\r\npong\r\n${bulk(nonce)}`);
    else this.#send(bulk(nonce));
    this.expected = before;
  }

  /** Returns the mode that the client sent in the CLIENT REPLY that arrives as ON. */
  #nextReplyMode([, , mode]: Args): string {
    const asked = this.#replyModes.shift();
    if (asked === undefined || mode!.toLowerCase() !== "on") {
      throw new Error(`The node got CLIENT REPLY ${mode} instead of ON for ${asked}`);
    }
    return asked;
  }

  #execute(args: Args): void {
    if (args.length > 0) {
      this.#executing = args[0]!.toLowerCase();
      this.#check(args);
      for (const send of this.#deferred.splice(0)) send();
    }
    this.#skip = this.#skipNext;
    this.#skipNext = false;
  }

  #check(args: Args): void {
    const name = args[0]!.toLowerCase();
    const subcommand = `${name}|${args[1]?.toLowerCase()}`;
    const { unknown, forbidden } = this.#traits;
    if (name === "post" || name === "host:") {
      this.out = "";
      this.isLossy = this.isClosed = true;
      return;
    }
    if (name === "quit") {
      this.#reply(OK);
      this.#ignoresInput = this.isClosed = true;
      return;
    }
    if (name === "nosuch" || unknown.has(name)) {
      const echoed = args.slice(1).map((arg) => `'${arg}' `).join("");
      const text = `ERR unknown command '${args[0]}', with args beginning with: ${echoed}`;
      return this.#refuse(args, text);
    }
    const [, least, most] = ARITIES.find(([names]) => names.split(" ").includes(name)) ??
      ["", 1, Infinity];
    if (args.length < least || args.length > most) {
      return this.#refuse(args, `ERR wrong number of arguments for '${name}' command`);
    }
    if (this.#transaction !== undefined && /^p?sync$/.test(name)) {
      return this.#refuse(args, "ERR Command not allowed inside a transaction");
    }
    if (!this.#isAuthenticated && !/^(auth|hello|reset)$/.test(name)) {
      return this.#refuse(args, "NOAUTH Authentication required.");
    }
    if (forbidden.has(name) || forbidden.has(subcommand)) {
      const shown = forbidden.has(name) ? name : subcommand;
      return this.#refuse(
        args,
        `NOPERM this user has no permissions to run the '${shown}' command`,
      );
    }
    if (args.includes("foreign")) {
      if (this.#transaction !== undefined) this.#isAborted = true;
      return this.#error(MOVED, args);
    }
    if (this.#isRestricted && !SUBSCRIBER_COMMANDS.has(name)) {
      return this.#refuse(args, `ERR Can't execute '${name}': only (P|S)SUBSCRIBE is allowed`);
    }
    if (this.#transaction !== undefined && !NEVER_QUEUED.has(name)) {
      this.#transaction.push(args);
      if (name === "auth" || (name === "hello" && args.length > 3)) this.#authentications++;
      return this.#reply(QUEUED);
    }
    this.#run(args);
  }

  /** Refuses a command before it is executed, which aborts an open transaction. */
  #refuse(args: Args, text: string): void {
    if (args[0]!.toLowerCase() === "exec") {
      this.#endTransaction();
      const reason = text.replace(/^ERR /, "");
      return this.#error(`EXECABORT Transaction discarded because of: ${reason}`, args);
    }
    if (this.#transaction !== undefined) this.#isAborted = true;
    this.#error(text, args);
  }

  #run(args: Args): void {
    const name = args[0]!.toLowerCase();
    const random = this.#random;
    const kind = SUBSCRIBE_COMMANDS[name];
    if (kind !== undefined) return this.#subscribe(name, kind, args.slice(1));
    switch (name) {
      case "ping":
        return this.#ping(args[1]);
      case "multi":
        if (this.#transaction !== undefined) {
          return this.#error("ERR MULTI calls can not be nested", args);
        }
        this.#transaction = [];
        return this.#reply(OK);
      case "exec":
        return this.#exec(args);
      case "discard":
        if (this.#transaction === undefined) return this.#error("ERR DISCARD without MULTI", args);
        this.#endTransaction();
        return this.#reply(OK);
      case "watch":
        if (this.#transaction === undefined) return this.#reply(OK);
        return this.#error("ERR WATCH inside MULTI is not allowed", args);
      case "reset":
        return this.#reset();
      case "monitor":
        if (this.#inExec) {
          return this.#error("ERR MONITOR isn't allowed for DENY BLOCKING client", args);
        }
        if (this.#monitors) return;
        this.#monitors = true;
        this.mayDropLines ||= this.#off || this.#skip;
        return this.#reply(OK);
      case "hello":
        return this.#hello(args);
      case "auth":
        if (args.at(-1) === "wrong") return this.#authError(args);
        this.#authenticated = true;
        return this.#reply(OK);
      case "replconf":
        return this.#replconf(args);
      case "sync":
      case "psync":
        return this.#sync(name);
      case "publish":
      case "spublish":
        return this.#publish(name, args[1]!);
      case "client":
        if (args[1]!.toLowerCase() === "reply") return this.#clientReply(args);
    }
    const addresses = this.#addresses(args);
    if (addresses !== undefined) return this.#reply(...addresses);
    if (SCRIPTS.test(name) || name === "debug") return this.#script(args);
    if (this.#rowOf(args)?.address !== undefined && random.chance(0.5)) {
      return this.#error(random.pick(ADDRESS_ERRORS), args);
    }
    if (name === "cluster" && args[1]!.toLowerCase() === "syncslots") {
      return this.#error("ERR unknown subcommand 'SYNCSLOTS'. Try CLUSTER HELP.", args);
    }
    const answer = randomAnswer(random);
    // MIGRATE and ASKING reply a status; other plain commands reply any value.
    if (name === "migrate" || name === "asking") return this.#reply(OK);
    if (this.#monitors && /^\+\d/.test(answer)) return this.#reply(OK);
    this.#answer(answer, args);
  }

  #ping(arg: string | undefined): void {
    if (!this.#resp3 && this.#subscriptions > 0) {
      return this.#reply(`*2\r\n$4\r\npong\r\n${bulk(arg ?? "")}`);
    }
    this.#reply(arg === undefined ? PONG : bulk(arg));
  }

  #exec(args: Args): void {
    const queued = this.#transaction;
    const isAborted = this.#isAborted;
    if (queued === undefined) return this.#error("ERR EXEC without MULTI", args);
    if (isAborted) {
      this.#endTransaction();
      return this.#error("EXECABORT Transaction discarded because of previous errors.", args);
    }
    if (this.#random.chance(0.1)) {
      this.#endTransaction();
      if (this.#random.chance(0.2)) return this.#error(MOVED, args);
      return this.#reply(this.#resp3 ? NULL : "*-1\r\n");
    }
    // If one of several errors is dropped, the frames do not show which.
    if (this.#authentications > 1) this.ambiguities.add("several AUTH in EXEC");
    this.#reply(`*${queued.length}\r\n`);
    this.#inExec = true;
    for (const command of queued) {
      this.#executing = command[0]!.toLowerCase();
      if (this.#monitors && this.#random.chance(0.5)) this.#sendMonitorLine();
      this.#run(command);
    }
    this.#inExec = false;
    this.#executing = "exec";
    this.#endTransaction();
  }

  #endTransaction(): void {
    this.#transaction = undefined;
    this.#isAborted = false;
    this.#authentications = 0;
  }

  #reset(): void {
    this.#endTransaction();
    this.#off = this.#skipNext = false;
    this.#resp3 = this.#monitors = false;
    for (const names of Object.values(this.#subscribed)) names.clear();
    this.#reply("+RESET\r\n");
  }

  #hello(args: Args): void {
    const version = args[1];
    if (version !== undefined && !/^[23]$/.test(version)) {
      return this.#error("NOPROTO unsupported protocol version", args);
    }
    if (args.at(-1) === "wrong") return this.#authError(args);
    if (args.length > 3) this.#authenticated = true;
    if (!this.#isAuthenticated) return this.#error("NOAUTH HELLO must be called with AUTH", args);
    if (version !== undefined) this.#resp3 = version === "3";
    this.#reply(frames(`${this.#resp3 ? "%3" : "*6"} server redis proto :3 modules []`));
  }

  #authError(args: Args): void {
    if (this.#traits.dropsAuthErrors && (this.out !== "" || this.#inExec)) return;
    this.#error("WRONGPASS invalid username-password pair or user is disabled.", args);
  }

  #replconf(args: Args): void {
    if (args.length % 2 === 0) return this.#error("ERR syntax error", args);
    const option = args[1]?.toLowerCase();
    if (option === "ack" || option === "getack") return;
    if (option === "foo") return this.#error("ERR Unrecognized REPLCONF option: foo", args);
    this.#reply(OK);
  }

  /** Begins a replication stream; the node ignores all requests after it. */
  #sync(name: string): void {
    if (this.#monitors) return;
    if (this.out !== "") return this.#error("ERR SYNC and PSYNC are invalid with pending output");
    if (name === "psync") this.#send(this.#random.pick(["+CONTINUE\r\n", "+FULLRESYNC id 0\r\n"]));
    else if (this.#random.chance(0.5)) this.#send("\n\n");
    this.#send(`$EOF:${"0".repeat(40)}\r\nREDIS\xff\0-${MOVED}\r\n*1\r\n$4\r\nPING\r\n`);
    this.#ignoresInput = true;
  }

  #clientReply(args: Args): void {
    const mode = args[2]?.toLowerCase();
    if (mode === "on") {
      this.#off = this.#skip = false;
      this.#reply(OK);
    } else if (mode === "off" || mode === "skip") {
      this.mayDropLines ||= this.#monitors;
      if (mode === "off") this.#off = true;
      else if (!this.#off) this.#skipNext = true;
      this.out += OK;
    } else this.#error("ERR syntax error", args);
  }

  #script(args: Args): void {
    const random = this.#random;
    if (random.chance(0.4)) {
      const errors = [MOVED, "ASK 1 10.0.0.1:7000", "ERR x", "WRONGTYPE x"];
      return this.#error(random.pick(errors), args);
    }
    if (random.chance(0.4)) {
      const values = ["QUEUED", "OK", "+RESET", "[(-MOVED 1 h:1) :1]"];
      return this.#reply(frames(random.pick(values)));
    }
    this.#answer(randomAnswer(random), args);
  }

  /** Replies a value that may be an error. */
  #answer(frame: string, args: Args): void {
    this.#reply(frame, frame.startsWith("-") ? this.#errorMark(frame.slice(1), args) : undefined);
  }

  #addresses(args: Args): [frame: string, mark: string] | undefined {
    const mark = addressesOf(this.#rowOf(args));
    if (mark === undefined) return undefined;
    const attribute = this.#resp3 && this.#random.chance(0.1) ? "|1\r\n+ttl\r\n:1\r\n" : "";
    if (/nodes|info|clients/.test(mark)) {
      const text = `id 10.0.0.1:7000 ${"x".repeat(this.#random.chance(0.1) ? 700 : 3)}\n`;
      return [attribute + (this.#resp3 ? verbatim(text) : bulk(text)), mark];
    }
    return [`${attribute}*2\r\n:1\r\n*2\r\n$8\r\n10.0.0.1\r\n:7000\r\n`, mark];
  }

  #subscribe(name: string, kind: Kind, channels: Args): void {
    if (name === "ssubscribe" && this.#inExec) {
      return this.#error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client", [name]);
    }
    const names = this.#subscribed[kind];
    const ends = name.includes("un");
    const all = channels.length > 0 ? channels : [...names];
    for (const channel of all) {
      if (ends) names.delete(channel);
      else names.add(channel);
      this.#confirm(name, bulk(channel));
    }
    if (all.length === 0) this.#confirm(name, this.#resp3 ? NULL : NIL);
  }

  #confirm(name: string, channel: string): void {
    const { channels, patterns, shards } = this.#subscribed;
    const count = /^ss|^sun/.test(name) ? shards.size : channels.size + patterns.size;
    this.#send(`${this.#pushMark}3\r\n${bulk(name)}${channel}:${count}\r\n`);
  }

  #endShardSubscription(channel: string): void {
    this.#subscribed.shards.delete(channel);
    this.#confirm("sunsubscribe", bulk(channel));
  }

  #publish(name: string, channel: string): void {
    const { channels, shards } = this.#subscribed;
    const isOwn = (name === "publish" ? channels : shards).has(channel);
    if (isOwn) {
      const send = () => this.#message(name === "publish" ? "message" : "smessage", channel);
      if (this.#traits.writesMessagesAtOnce) send();
      else this.#deferred.push(send);
    }
    this.#reply(":1\r\n");
  }

  #message(kind: string, ...channels: string[]): void {
    const names = channels.map(bulk).join("");
    this.#send(`${this.#pushMark}${channels.length + 2}\r\n${bulk(kind)}${names}${bulk("hi")}`);
  }

  /** Sends a line of MONITOR for a request of this or another client. */
  #sendMonitorLine(): void {
    const random = this.#random;
    const client = random.pick(MONITORED_CLIENTS);
    const [first, ...args] = random.chance(0.5)
      ? [this.#executing, "k"]
      : random.pick(MONITORED_REQUESTS);
    const rest = random.chance(0.03) ? "\0".repeat(10_000) : "x".repeat(random.int(400));
    const line = monitored(client, [first!, ...args, ...random.chance(0.3) ? [rest] : []]);
    this.#sendLine(line);
  }

  /** Whether the node ignores all further bytes. */
  get ignoresInput(): boolean {
    return this.#ignoresInput;
  }

  get #pushMark(): string {
    return this.#resp3 ? ">" : "*";
  }

  get #subscriptions(): number {
    const { channels, patterns, shards } = this.#subscribed;
    return channels.size + patterns.size + shards.size;
  }

  get #isAuthenticated(): boolean {
    return this.#authenticated || !this.#traits.requiresPassword;
  }

  get #isRestricted(): boolean {
    return !this.#resp3 && this.#subscriptions > 0;
  }

  get #isSilent(): boolean {
    return this.#off || this.#skip;
  }

  /** The rewriter of an error; undefined if it passes unchanged. */
  #errorMark(text: string, args: Args): string | undefined {
    const name = args[0]!.toLowerCase();
    const row = this.#rowOf(args);
    if (/^(MOVED|ASK|REDIRECT) /.test(text)) {
      if (name === "debug") return undefined;
      if (!SCRIPTS.test(name)) return "redirect";
      return args[2] === "0" ? undefined : "scriptredirect";
    }
    if (row?.relaysError && text.startsWith("ERR Target instance replied with error: ")) {
      return "migrateerror";
    }
    const repeats = /^ERR (unknown command |Invalid node address specified: )/.test(text);
    const names = row?.address !== undefined || addressesOf(row) !== undefined;
    return repeats && names ? "echoedarguments" : undefined;
  }

  #rowOf(args: Args): CommandRow | undefined {
    const [name, subcommand] = args.map((arg) => arg.toLowerCase());
    return this.#rows.find((row) =>
      row.name === name && (row.subcommand === undefined || row.subcommand === subcommand)
    );
  }

  #error(text: string, args: Args = [""]): void {
    this.#reply(`-${text}\r\n`, this.#errorMark(text, args));
  }

  /** Sends a reply, which the client does not get if CLIENT REPLY is OFF or SKIP. */
  #reply(frame: string, mark?: string): void {
    if (this.#isSilent) this.out += frame;
    else this.#send(frame, mark);
  }

  #send(frame: string, mark?: string): void {
    this.#sendAs(frame, mark === undefined ? frame : `«${mark} ${frame}»`);
  }

  /** Sends a line of MONITOR, which the client does not get under CLIENT REPLY OFF or SKIP. */
  #sendLine(line: string): void {
    this.#sendAs(line, this.#isSilent ? "" : line);
  }

  #sendAs(frame: string, expected: string): void {
    this.out += frame;
    this.expected += expected;
  }
}

/** The kind of addresses in the reply to a command. */
function addressesOf(row: CommandRow | undefined): AddressReply | undefined {
  const isKind = /^(slots|shards|nodes|replicas|role|info|clients)$/.test(String(row?.reply));
  return isKind ? row?.reply as AddressReply : undefined;
}

function isMarker(args: Args): boolean {
  return args.length === 2 && args[0] === "PING" && /^nat-[0-9a-f]{16}$/.test(args[1]!);
}

/** Whether a request is CLIENT REPLY with a valid mode. */
export function isReplyMode(args: Args): boolean {
  const [name, subcommand, mode] = args.map((arg) => arg.toLowerCase());
  return args.length === 3 && name === "client" && subcommand === "reply" &&
    /^(on|off|skip)$/.test(mode!);
}

/** The clients and the requests in random lines of MONITOR. */
const MONITORED_CLIENTS = ["10.0.0.9:4711", "10.0.0.9:4711", "[fd00::9]:4711", "lua"]
  .concat("unix:/run/redis.sock", "unix:/run/a [0 b:7000");

const MONITORED_REQUESTS: readonly Args[] = [
  ["migrate", "10.0.0.1", "7000", "", "0", "9", "KEYS", 'a"b', "\\", "\r\n"],
  ["get", '"MIGRATE" "10.0.0.1" "7000"'],
  ["x".repeat(300)],
  ...[
    "MIGRATE 10.0.0.1 7000 k 0 9",
    "CLUSTER MEET 10.0.0.1 7000",
    "CLUSTER NODES",
    "CLIENT KILL 10.0.0.9:4711",
    "CLIENT SETNAME 10.0.0.9:4711",
    "client list ADDR 10.0.0.9:4711",
    "ReplicaOf 10.0.0.1 7000",
    "FAILOVER TO 10.0.0.1 7000",
    '"migrate 10.0.0.1 7000',
    "MOVED 1 10.0.0.1:7000",
  ].map((request) => request.split(" ")),
];

const ADDRESS_ERRORS = [
  "ERR Invalid node address specified: 10.0.0.1:1",
  "ERR Target instance replied with error: MOVED 1 10.0.0.1:7000",
  "ERR No such client",
];
