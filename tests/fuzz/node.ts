import type { AddressReply } from "../../src/commands/expected_reply.ts";
import { COMMAND_ROWS, type CommandRow } from "../../src/commands/table.ts";
import { bulk, monitored, verbatim } from "../support/frames.ts";
import type { Random } from "../support/random.ts";
import { readRequests } from "./model.ts";
import { randomAnswer } from "./values.ts";

/** In what servers differ from each other. */
interface Traits {
  /** A client's own messages come before the reply that sends them, if need be inside EXEC. */
  readonly writesMessagesAtOnce: boolean;
  /** A wrong password is not told of while other replies wait to be sent. */
  readonly dropsAuthErrors: boolean;
  /** There is a password to be given first. */
  readonly wantsPassword: boolean;
  /** Commands that are renamed. */
  readonly unknown: ReadonlySet<string>;
  /** Commands that the user may not run. */
  readonly forbidden: ReadonlySet<string>;
}

/** The words of a request. */
type Words = readonly string[];

type Kind = "channels" | "patterns" | "shards";

const SUBSCRIPTIONS: Record<string, Kind> = {
  subscribe: "channels",
  unsubscribe: "channels",
  psubscribe: "patterns",
  punsubscribe: "patterns",
  ssubscribe: "shards",
  sunsubscribe: "shards",
};

/** The fewest and the most words of commands that are refused with others. */
const ARITIES: Record<string, [least: number, most: number]> = {
  ping: [1, 2],
  get: [2, 2],
  incr: [2, 2],
  multi: [1, 1],
  exec: [1, 1],
  discard: [1, 1],
  watch: [2, Infinity],
  reset: [1, 1],
  monitor: [1, 1],
  subscribe: [2, Infinity],
  psubscribe: [2, Infinity],
  ssubscribe: [2, Infinity],
  auth: [2, 3],
  cluster: [2, Infinity],
  client: [2, Infinity],
  migrate: [6, Infinity],
  replicaof: [3, 3],
  slaveof: [3, 3],
  eval: [3, Infinity],
};

/** Executed at once in a transaction. */
const NEVER_QUEUED = new Set(["exec", "discard", "multi", "watch", "reset"]);

/** All that a RESP2 subscriber may do, but for QUIT. */
const SUBSCRIBER_COMMANDS = new Set([...Object.keys(SUBSCRIPTIONS), "ping", "reset"]);

const SCRIPTS = /^(eval|evalsha|fcall)(_ro)?$/;

const MOVED = "MOVED 1 10.0.0.1:7000";

/**
 * A node as the servers' sources have it: one state, one request after the other. It says of
 * every frame that it sends whether it has to be rewritten, and by what.
 */
export class ModelNode {
  /** What is still to be sent. */
  out = "";
  /** All that a client should get, with what is to be rewritten marked. */
  expected = "";
  /** How many markers it got. */
  markers = 0;
  /** Some of that may be lost. */
  isLossy = false;
  /** Nothing more will come. */
  isClosed = false;
  /** What of this no one can follow who sees only what is sent; by the limits in README.md. */
  readonly untold = new Set<string>();
  /** Which lines of MONITOR the client gets depends on when they come. */
  dropsLines = false;

  readonly #random: Random;
  readonly #rows: readonly CommandRow[];
  readonly #traits: Traits;
  /** What CLIENT REPLY asked for each time; the node itself is told ON. */
  readonly #replyModes: string[];
  #received = "";
  #ignores = false;
  #authenticated = false;
  #resp3 = false;
  #monitors = false;
  #off = false;
  #skip = false;
  #skipNext = false;
  #transaction: Words[] | undefined;
  #failed = false;
  /** How many AUTH and HELLO AUTH the transaction has. */
  #authentications = 0;
  readonly #subscribed = {
    channels: new Set<string>(),
    patterns: new Set<string>(),
    shards: new Set<string>(),
  };
  #inExec = false;
  #executing = "";
  /** Messages that wait for the end of the request which sent them. */
  #later: (() => void)[] = [];

  /**
   * @param wire all that the client will send
   * @param rows the commands that have to do with addresses
   */
  constructor(random: Random, wire: string, rows: readonly CommandRow[] = COMMAND_ROWS) {
    this.#random = random;
    this.#rows = rows;
    this.#replyModes = readRequests(wire).requests.map(({ words }) => words)
      .filter(isReplyMode).map(([, , mode]) => mode!.toLowerCase());
    const rarely = (names: readonly string[]) =>
      new Set(random.chance(0.08) ? [random.pick(names)] : []);
    this.#traits = {
      writesMessagesAtOnce: random.chance(0.5),
      dropsAuthErrors: random.chance(0.5),
      wantsPassword: random.chance(0.1),
      unknown: rarely(["client", "replconf", "cluster", "migrate", "multi", "reset", "hello"]),
      forbidden: rarely([
        "client|reply",
        "replconf",
        "cluster",
        "monitor",
        "subscribe",
        "exec",
        "ping",
      ]),
    };
  }

  /** Bytes of the client have come. */
  receive(text: string): void {
    this.#received += text;
  }

  /** Carries out the next request; false if there is none. */
  step(): boolean {
    if (this.isClosed || this.#received === "") return false;
    if (this.#ignores) {
      this.#received = "";
      return true;
    }
    const { requests: [request], errorAt, stallsAt } = readRequests(this.#received);
    if (request!.end === undefined) {
      if (stallsAt !== undefined) this.#ignores = true;
      if (errorAt === undefined) return stallsAt !== undefined;
      // Whatever follows the error is ignored, and the connection closed.
      this.#error("ERR Protocol error: invalid");
      this.#ignores = this.isClosed = true;
      return true;
    }
    this.#received = this.#received.slice(request!.end);
    const { words } = request!;
    if (isMarker(words)) this.#answerMarker(words[1]!);
    else if (isReplyMode(words)) this.#take([...words.slice(0, 2), this.#nextReplyMode(words)]);
    else this.#take(words);
    return true;
  }

  /** Something happens that the client has not asked for. */
  event(): void {
    const random = this.#random;
    if (this.#ignores || this.isClosed) return;
    const { channels, patterns, shards } = this.#subscribed;
    const kinds: (() => void)[] = [];
    if (channels.size > 0) kinds.push(() => this.#message("message", random.pick([...channels])));
    if (patterns.size > 0) kinds.push(() => this.#message("pmessage", "p*", "p1"));
    if (shards.size > 0) {
      kinds.push(() => this.#message("smessage", random.pick([...shards])));
      kinds.push(() => this.#loseShard(random.pick([...shards])));
    }
    if (this.#monitors) kinds.push(() => this.#monitorLine());
    if (this.#resp3) {
      kinds.push(() => this.#send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"));
      kinds.push(() => this.#send(">2\r\n$10\r\ninvalidate\r\n_\r\n"));
      kinds.push(() =>
        this.#send(">4\r\n+MOVING\r\n:1\r\n:15\r\n$13\r\n10.0.0.1:7000\r\n", "push")
      );
      kinds.push(() => this.#send(">3\r\n$9\r\nSMIGRATED\r\n:1\r\n*0\r\n", "push"));
    }
    if (kinds.length > 0) random.pick(kinds)();
  }

  /** A marker must come out of any place in which it would change something. */
  #answerMarker(nonce: string): void {
    if (this.#transaction !== undefined) throw new Error("A marker came into a transaction");
    this.markers++;
    const before = this.expected;
    if (!this.#isAuthenticated) this.#send("-NOAUTH Authentication required.\r\n");
    else if (this.#traits.forbidden.has("ping")) {
      this.#send("-NOPERM User u has no permissions to run the 'ping' command\r\n");
    } else if (this.#isRestricted) this.#send(`*2\r\n$4\r\npong\r\n${bulk(nonce)}`);
    else this.#send(bulk(nonce));
    this.expected = before;
  }

  /** What the client asked for, where the node gets ON. */
  #nextReplyMode([, , mode]: Words): string {
    const asked = this.#replyModes.shift();
    if (asked === undefined || mode!.toLowerCase() !== "on") {
      throw new Error(`CLIENT REPLY ${mode} came for ${asked}`);
    }
    return asked;
  }

  #take(words: Words): void {
    if (words.length > 0) {
      this.#executing = words[0]!.toLowerCase();
      this.#process(words);
      for (const send of this.#later.splice(0)) send();
    }
    this.#skip = this.#skipNext;
    this.#skipNext = false;
  }

  #process(words: Words): void {
    const name = words[0]!.toLowerCase();
    const subcommand = `${name}|${words[1]?.toLowerCase()}`;
    const { unknown, forbidden } = this.#traits;
    if (name === "post" || name === "host:") {
      this.out = "";
      this.isLossy = this.isClosed = true;
      return;
    }
    if (name === "quit") {
      this.#reply("+OK\r\n");
      this.#ignores = this.isClosed = true;
      return;
    }
    if (name === "nosuch" || unknown.has(name)) {
      const args = words.slice(1).map((word) => `'${word}' `).join("");
      const text = `ERR unknown command '${words[0]}', with args beginning with: ${args}`;
      return this.#refuse(words, text);
    }
    const [least, most] = ARITIES[name] ?? [1, Infinity];
    if (words.length < least || words.length > most) {
      return this.#refuse(words, `ERR wrong number of arguments for '${name}' command`);
    }
    if (this.#transaction !== undefined && /^p?sync$/.test(name)) {
      return this.#refuse(words, "ERR Command not allowed inside a transaction");
    }
    if (!this.#isAuthenticated && !/^(auth|hello|reset)$/.test(name)) {
      return this.#refuse(words, "NOAUTH Authentication required.");
    }
    if (forbidden.has(name) || forbidden.has(subcommand)) {
      const shown = forbidden.has(name) ? name : subcommand;
      return this.#refuse(
        words,
        `NOPERM this user has no permissions to run the '${shown}' command`,
      );
    }
    if (words.includes("foreign")) {
      if (this.#transaction !== undefined) this.#failed = true;
      return this.#error(MOVED, words);
    }
    if (this.#isRestricted && !SUBSCRIBER_COMMANDS.has(name)) {
      return this.#refuse(words, `ERR Can't execute '${name}': only (P|S)SUBSCRIBE is allowed`);
    }
    if (this.#transaction !== undefined && !NEVER_QUEUED.has(name)) {
      this.#transaction.push(words);
      if (name === "auth" || (name === "hello" && words.length > 3)) this.#authentications++;
      return this.#reply("+QUEUED\r\n");
    }
    this.#run(words);
  }

  /** Says no before a command is carried out; a transaction then fails. */
  #refuse(words: Words, text: string): void {
    if (words[0]!.toLowerCase() === "exec") {
      this.#endTransaction();
      const reason = text.replace(/^ERR /, "");
      return this.#error(`EXECABORT Transaction discarded because of: ${reason}`, words);
    }
    if (this.#transaction !== undefined) this.#failed = true;
    this.#error(text, words);
  }

  #run(words: Words): void {
    const name = words[0]!.toLowerCase();
    const random = this.#random;
    const kind = SUBSCRIPTIONS[name];
    if (kind !== undefined) return this.#subscribe(name, kind, words.slice(1));
    switch (name) {
      case "ping":
        return this.#ping(words[1]);
      case "multi":
        if (this.#transaction !== undefined) {
          return this.#error("ERR MULTI calls can not be nested", words);
        }
        this.#transaction = [];
        return this.#reply("+OK\r\n");
      case "exec":
        return this.#exec(words);
      case "discard":
        if (this.#transaction === undefined) return this.#error("ERR DISCARD without MULTI", words);
        this.#endTransaction();
        return this.#reply("+OK\r\n");
      case "watch":
        if (this.#transaction === undefined) return this.#reply("+OK\r\n");
        return this.#error("ERR WATCH inside MULTI is not allowed", words);
      case "reset":
        return this.#reset();
      case "monitor":
        if (this.#inExec) {
          return this.#error("ERR MONITOR isn't allowed for DENY BLOCKING client", words);
        }
        if (this.#monitors) return;
        this.#monitors = true;
        this.dropsLines ||= this.#off || this.#skip;
        return this.#reply("+OK\r\n");
      case "hello":
        return this.#hello(words);
      case "auth":
        if (words.at(-1) === "wrong") return this.#authError(words);
        this.#authenticated = true;
        return this.#reply("+OK\r\n");
      case "replconf":
        return this.#replconf(words);
      case "sync":
      case "psync":
        return this.#sync(name);
      case "publish":
      case "spublish":
        return this.#publish(name, words[1]!);
      case "client":
        if (words[1]!.toLowerCase() === "reply") return this.#clientReply(words);
    }
    const addresses = this.#addresses(words);
    if (addresses !== undefined) return this.#reply(...addresses);
    if (SCRIPTS.test(name) || name === "debug") return this.#script(words);
    if (this.#rowOf(words)?.address !== undefined && random.chance(0.5)) {
      return this.#error(random.pick(REFUSALS), words);
    }
    if (name === "cluster" && words[1]!.toLowerCase() === "syncslots") {
      return this.#error("ERR unknown subcommand 'SYNCSLOTS'. Try CLUSTER HELP.", words);
    }
    const answer = randomAnswer(random);
    // A migration is answered with a status, what is else plain with anything.
    if (name === "migrate" || name === "asking") return this.#reply("+OK\r\n");
    if (this.#monitors && /^\+\d/.test(answer)) return this.#reply("+OK\r\n");
    this.#reply(
      answer,
      answer.startsWith("-") ? this.#errorMark(answer.slice(1), words) : undefined,
    );
  }

  #ping(word: string | undefined): void {
    if (!this.#resp3 && this.#subscriptions > 0) {
      return this.#reply(`*2\r\n$4\r\npong\r\n${bulk(word ?? "")}`);
    }
    this.#reply(word === undefined ? "+PONG\r\n" : bulk(word));
  }

  #exec(words: Words): void {
    const queued = this.#transaction;
    const failed = this.#failed;
    if (queued === undefined) return this.#error("ERR EXEC without MULTI", words);
    if (failed) {
      this.#endTransaction();
      return this.#error("EXECABORT Transaction discarded because of previous errors.", words);
    }
    if (this.#random.chance(0.1)) {
      this.#endTransaction();
      if (this.#random.chance(0.2)) return this.#error(MOVED, words);
      return this.#reply(this.#resp3 ? "_\r\n" : "*-1\r\n");
    }
    // Of several that are dropped or not by chance nobody can tell which.
    if (this.#authentications > 1) this.untold.add("passwords in EXEC");
    this.#reply(`*${queued.length}\r\n`);
    this.#inExec = true;
    for (const command of queued) {
      this.#executing = command[0]!.toLowerCase();
      if (this.#monitors && this.#random.chance(0.5)) this.#monitorLine();
      this.#run(command);
    }
    this.#inExec = false;
    this.#executing = "exec";
    this.#endTransaction();
  }

  #endTransaction(): void {
    this.#transaction = undefined;
    this.#failed = false;
    this.#authentications = 0;
  }

  #reset(): void {
    this.#endTransaction();
    this.#off =
      this.#skipNext =
      this.#resp3 =
      this.#monitors =
        false;
    for (const names of Object.values(this.#subscribed)) names.clear();
    this.#reply("+RESET\r\n");
  }

  #hello(words: Words): void {
    const version = words[1];
    if (version !== undefined && !/^[23]$/.test(version)) {
      return this.#error("NOPROTO unsupported protocol version", words);
    }
    if (words.at(-1) === "wrong") return this.#authError(words);
    if (words.length > 3) this.#authenticated = true;
    if (!this.#isAuthenticated) return this.#error("NOAUTH HELLO must be called with AUTH", words);
    if (version !== undefined) this.#resp3 = version === "3";
    const fields = "$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n";
    this.#reply((this.#resp3 ? "%3\r\n" : "*6\r\n") + fields);
  }

  #authError(words: Words): void {
    if (this.#traits.dropsAuthErrors && (this.out !== "" || this.#inExec)) return;
    this.#error("WRONGPASS invalid username-password pair or user is disabled.", words);
  }

  #replconf(words: Words): void {
    if (words.length % 2 === 0) return this.#error("ERR syntax error", words);
    const option = words[1]?.toLowerCase();
    if (option === "ack" || option === "getack") return;
    if (option === "foo") return this.#error("ERR Unrecognized REPLCONF option: foo", words);
    this.#reply("+OK\r\n");
  }

  /** From here on there is no conversation any more. */
  #sync(name: string): void {
    if (this.#monitors) return;
    if (this.out !== "") return this.#error("ERR SYNC and PSYNC are invalid with pending output");
    if (name === "psync") this.#send(this.#random.pick(["+CONTINUE\r\n", "+FULLRESYNC id 0\r\n"]));
    else if (this.#random.chance(0.5)) this.#send("\n\n");
    this.#send(`$EOF:${"0".repeat(40)}\r\nREDIS\xff\0-${MOVED}\r\n*1\r\n$4\r\nPING\r\n`);
    this.#ignores = true;
  }

  #clientReply(words: Words): void {
    const mode = words[2]?.toLowerCase();
    if (mode === "on") {
      this.#off = this.#skip = false;
      this.#reply("+OK\r\n");
    } else if (mode === "off" || mode === "skip") {
      this.dropsLines ||= this.#monitors;
      if (mode === "off") this.#off = true;
      else if (!this.#off) this.#skipNext = true;
      this.out += "+OK\r\n";
    } else this.#error("ERR syntax error", words);
  }

  #script(words: Words): void {
    const random = this.#random;
    if (random.chance(0.4)) {
      return this.#error(
        random.pick([MOVED, "ASK 1 10.0.0.1:7000", "ERR x", "WRONGTYPE x"]),
        words,
      );
    }
    if (random.chance(0.4)) {
      return this.#reply(
        random.pick(["+QUEUED\r\n", "+OK\r\n", "+RESET\r\n", "*2\r\n-MOVED 1 h:1\r\n:1\r\n"]),
      );
    }
    const answer = randomAnswer(random);
    this.#reply(
      answer,
      answer.startsWith("-") ? this.#errorMark(answer.slice(1), words) : undefined,
    );
  }

  #addresses(words: Words): [frame: string, mark: string] | undefined {
    const mark = addressesOf(this.#rowOf(words));
    if (mark === undefined) return undefined;
    const attribute = this.#resp3 && this.#random.chance(0.1) ? "|1\r\n+ttl\r\n:1\r\n" : "";
    if (/nodes|info|clients/.test(mark)) {
      const text = `id 10.0.0.1:7000 ${"x".repeat(this.#random.chance(0.1) ? 700 : 3)}\n`;
      return [attribute + (this.#resp3 ? verbatim(text) : bulk(text)), mark];
    }
    return [`${attribute}*2\r\n:1\r\n*2\r\n$8\r\n10.0.0.1\r\n:7000\r\n`, mark];
  }

  #subscribe(name: string, kind: Kind, channels: Words): void {
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
    if (all.length === 0) this.#confirm(name, this.#resp3 ? "_\r\n" : "$-1\r\n");
  }

  #confirm(name: string, channel: string): void {
    const { channels, patterns, shards } = this.#subscribed;
    const count = /^ss|^sun/.test(name) ? shards.size : channels.size + patterns.size;
    this.#send(`${this.#pushMark}3\r\n${bulk(name)}${channel}:${count}\r\n`);
  }

  #loseShard(channel: string): void {
    this.#subscribed.shards.delete(channel);
    this.#confirm("sunsubscribe", bulk(channel));
  }

  #publish(name: string, channel: string): void {
    const { channels, shards } = this.#subscribed;
    const isOwn = (name === "publish" ? channels : shards).has(channel);
    if (isOwn) {
      const send = () => this.#message(name === "publish" ? "message" : "smessage", channel);
      if (this.#traits.writesMessagesAtOnce) send();
      else this.#later.push(send);
    }
    this.#reply(":1\r\n");
  }

  #message(kind: string, ...channels: string[]): void {
    const names = channels.map(bulk).join("");
    this.#send(`${this.#pushMark}${channels.length + 2}\r\n${bulk(kind)}${names}${bulk("hi")}`);
  }

  /** Tells a monitor of a request, of this client or of another. */
  #monitorLine(): void {
    const random = this.#random;
    const client = random.pick(MONITORED_CLIENTS);
    const [first, ...words] = random.chance(0.5)
      ? [this.#executing, "k"]
      : random.pick(MONITORED_REQUESTS);
    const rest = random.chance(0.03) ? "\0".repeat(10_000) : "x".repeat(random.int(400));
    const line = monitored(client, [first!, ...words, ...random.chance(0.3) ? [rest] : []]);
    this.#sendLine(line);
  }

  /** Whether it takes no notice any more of what it gets. */
  get ignores(): boolean {
    return this.#ignores;
  }

  get #pushMark(): string {
    return this.#resp3 ? ">" : "*";
  }

  get #subscriptions(): number {
    const { channels, patterns, shards } = this.#subscribed;
    return channels.size + patterns.size + shards.size;
  }

  get #isAuthenticated(): boolean {
    return this.#authenticated || !this.#traits.wantsPassword;
  }

  get #isRestricted(): boolean {
    return !this.#resp3 && this.#subscriptions > 0;
  }

  get #isSilent(): boolean {
    return this.#off || this.#skip;
  }

  /** What errors are rewritten, and by what. */
  #errorMark(text: string, words: Words): string | undefined {
    const name = words[0]!.toLowerCase();
    const row = this.#rowOf(words);
    if (/^(MOVED|ASK|REDIRECT) /.test(text)) {
      if (name === "debug") return undefined;
      if (!SCRIPTS.test(name)) return "redirect";
      return words[2] === "0" ? undefined : "scriptredirect";
    }
    if (row?.relaysError && text.startsWith("ERR Target instance replied with error: ")) {
      return "migrateerror";
    }
    const repeats = /^ERR (unknown command |Invalid node address specified: )/.test(text);
    const names = row?.address !== undefined || addressesOf(row) !== undefined;
    return repeats && names ? "echoedarguments" : undefined;
  }

  #rowOf(words: Words): CommandRow | undefined {
    const [name, subcommand] = words.map((word) => word.toLowerCase());
    return this.#rows.find((row) =>
      row.name === name && (row.subcommand === undefined || row.subcommand === subcommand)
    );
  }

  #error(text: string, words: Words = [""]): void {
    this.#reply(`-${text}\r\n`, this.#errorMark(text, words));
  }

  /** Sends a reply, which the client gets unless replies are off or skipped. */
  #reply(frame: string, mark?: string): void {
    if (this.#isSilent) this.out += frame;
    else this.#send(frame, mark);
  }

  #send(frame: string, mark?: string): void {
    this.#sendAs(frame, mark === undefined ? frame : `«${mark} ${frame}»`);
  }

  /** Lines are not sent while replies are not. */
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
  const reply = row?.reply as AddressReply;
  return ADDRESS_REPLIES.includes(reply) ? reply : undefined;
}

const ADDRESS_REPLIES: readonly AddressReply[] = [
  "slots",
  "shards",
  "nodes",
  "replicas",
  "role",
  "info",
  "clients",
];

function isMarker(words: Words): boolean {
  return words.length === 2 && words[0] === "PING" && /^nat-[0-9a-f]{16}$/.test(words[1]!);
}

/** Whether a request is CLIENT REPLY with a mode that there is. */
export function isReplyMode(words: Words): boolean {
  const [name, subcommand, mode] = words.map((word) => word.toLowerCase());
  return words.length === 3 && name === "client" && subcommand === "reply" &&
    /^(on|off|skip)$/.test(mode!);
}

/** Of whom MONITOR tells, and what of them. */
const MONITORED_CLIENTS = [
  "10.0.0.9:4711",
  "10.0.0.9:4711",
  "[fd00::9]:4711",
  "lua",
  "unix:/run/redis.sock",
  "unix:/run/a [0 b:7000",
];

const MONITORED_REQUESTS: readonly Words[] = [
  ["MIGRATE", "10.0.0.1", "7000", "k", "0", "9"],
  ["migrate", "10.0.0.1", "7000", "", "0", "9", "KEYS", 'a"b', "\\", "\r\n"],
  ["CLUSTER", "MEET", "10.0.0.1", "7000"],
  ["CLUSTER", "NODES"],
  ["CLIENT", "KILL", "10.0.0.9:4711"],
  ["CLIENT", "SETNAME", "10.0.0.9:4711"],
  ["client", "list", "ADDR", "10.0.0.9:4711"],
  ["ReplicaOf", "10.0.0.1", "7000"],
  ["FAILOVER", "TO", "10.0.0.1", "7000"],
  ["get", '"MIGRATE" "10.0.0.1" "7000"'],
  ['"migrate', "10.0.0.1", "7000"],
  ["MOVED", "1", "10.0.0.1:7000"],
  ["x".repeat(300)],
];

const REFUSALS = [
  "ERR Invalid node address specified: 10.0.0.1:1",
  "ERR Target instance replied with error: MOVED 1 10.0.0.1:7000",
  "ERR No such client",
];
