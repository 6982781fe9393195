import { Byte } from "../resp/bytes.ts";
import type { Rewriter } from "../rewrite/naming.ts";
import { isAddressPush, rewritePush } from "../rewrite/pushes.ts";
import {
  isRedirect,
  MIGRATE_ERROR,
  rewriteMigrateError,
  rewriteRedirect,
  rewriteScriptRedirect,
} from "../rewrite/redirects.ts";
import { Replies, type Reply, type SubscribeWord } from "./replies.ts";
import { ReplyRuns } from "./runs.ts";

/** The beginning of a frame, as far as it tells what the frame is. */
export interface FrameHead {
  /** The first byte. */
  readonly type: number;
  /** Of an error or a status: the line, or so much of it as the head holds. */
  readonly text: string;
  /** Whether `text` is less than the line. */
  readonly cut: boolean;
  /** Of an aggregate: the number in its header. */
  readonly count: number;
  /** Of an aggregate whose first value was read: its text, if it is a short one. */
  readonly word: string;
}

/** What is to be done with a frame. */
export type Verdict =
  /** It goes to the client as it is. */
  | { readonly type: "pass" }
  /** The same, but an echo of the traffic must not show it. */
  | { readonly type: "secret" }
  /** Only its header is one: its elements are frames of their own. */
  | { readonly type: "header" }
  /** It goes on as it is, and `confirm` wants to know the integer that ends it. */
  | { readonly type: "confirm" }
  | { readonly type: "rewrite"; readonly rewrite: Rewriter }
  /** From here on the connection is no conversation of requests and replies. */
  | { readonly type: "blind" };

/** A frame came that answers nothing; which reply is whose is not known any more. */
export class PairingError extends Error {
  override readonly name = "PairingError";
}

const PASS: Verdict = { type: "pass" };
const SECRET: Verdict = { type: "secret" };
const HEADER: Verdict = { type: "header" };
const CONFIRM: Verdict = { type: "confirm" };
const BLIND: Verdict = { type: "blind" };
const REWRITE_PUSH: Verdict = { type: "rewrite", rewrite: rewritePush };
const REWRITE_REDIRECT: Verdict = { type: "rewrite", rewrite: rewriteRedirect };
const REWRITE_SCRIPT_REDIRECT: Verdict = { type: "rewrite", rewrite: rewriteScriptRedirect };
const REWRITE_MIGRATE_ERROR: Verdict = { type: "rewrite", rewrite: rewriteMigrateError };

/** `1700000000.123456 [0 10.0.0.9:4711] "get" "key"` (replication.c `replicationFeedMonitors`) */
const MONITOR_LINE = /^\d+\.\d+ \[/;

/**
 * Which request each frame of a node answers.
 *
 * The request side adds what every request will make the node send; the reply side asks, frame
 * by frame, what is to be done with it. Most requests get one frame and need no thought: `run`
 * tells how many such replies come next, `take` that they came. For the others this class
 * follows what the server does with the connection: transactions, whose results are matched one
 * by one like replies of their own (so that an address is found in any of them, and a server
 * that sends more or fewer elements than it announced does no harm); subscriptions, which are
 * confirmed once per channel; MONITOR; and CLIENT REPLY, under which requests get no answer at
 * all. Whether such a request was carried out or refused shows only in the frame that comes
 * next, so it is decided then.
 *
 * A frame that fits nothing throws PairingError: to guess would be to let an address through.
 */
export class PendingReplies {
  readonly #queue = new ReplyRuns();
  /** What the commands queued since MULTI will send. */
  #transaction = new ReplyRuns();
  /** What is left of an EXEC whose results are coming in. */
  #results = new ReplyRuns();
  #inResults = false;
  /** Assumed: MULTI was sent where its own answer was suppressed. */
  #multi: "closed" | "assumed" | "open" = "closed";
  /** CLIENT REPLY ON was queued where nothing told so, or refused. */
  #queuedReplyOn = false;

  /** CLIENT REPLY OFF is in force. */
  #off = false;
  /** The reply of the first request in the queue is suppressed by CLIENT REPLY SKIP. */
  #skip = false;
  /** So will be that of the request after it. */
  #skipNext = false;

  #resp3 = false;
  #monitoring = false;
  #channels = 0;
  #patterns = 0;
  #shardChannels = 0;
  /** The last frame took a SUNSUBSCRIBE to be answered, but may have been a loss of its slot. */
  #unsureOfShards = false;
  /** Confirmations still to come for the subscription at the front; 0 before the first. */
  #unconfirmed = 0;
  #confirming:
    | { readonly word: SubscribeWord; readonly asked: boolean; readonly resp3: boolean }
    | undefined;

  /** Adds what a request that is about to reach the node will make it send. */
  expect(reply: Reply): void {
    if (reply === Replies.empty && !this.#skip) {
      // It counts as the next request for SKIP and does nothing else.
      const last = this.#queue.last;
      if (last === undefined || last === Replies.plain) return;
    }
    this.#queue.add(reply, 1);
  }

  /**
   * How many of the next frames, unless one is an error or a push, go to the client with no
   * further question. 0: ask `judge` about each.
   */
  get run(): number {
    if (this.watchful || this.#off || this.#skip || this.#multi === "assumed") return 0;
    const coming = this.#coming;
    return coming.first === Replies.plain ? coming.run : 0;
  }

  /** `frames` of the `run` came. */
  take(frames: number): void {
    if (this.#multi === "open" && !this.#inResults) this.#transaction.add(Replies.plain, frames);
    this.#done(frames);
  }

  /** Whether frames come that nobody asked for and that look like replies. */
  get watchful(): boolean {
    return this.#monitoring || this.#isRestricted || this.#unsureOfShards;
  }

  /** Whether the first value in the next array must be known. */
  get wantsWord(): boolean {
    const reply = this.#coming.first;
    return this.watchful || this.#off || this.#skip ||
      (reply !== undefined && mayStaySilent(reply));
  }

  /** Whether the next bytes may be a replication stream rather than a frame. */
  get mayStream(): boolean {
    return this.#coming.first?.type === "stream";
  }

  /**
   * Says what is to be done with the frame that begins with `head`.
   *
   * @throws {PairingError} if it answers nothing
   */
  judge(head: FrameHead): Verdict {
    if (head.type === Byte.push) return this.#judgePush(head);
    if (head.type === Byte.array && this.watchful) {
      if (this.#isMessage(head)) return PASS;
      if (this.#isShardLoss(head)) return this.#judgeConfirmation(head, "sunsubscribe");
    }
    if (head.type === Byte.status && this.#monitoring && MONITOR_LINE.test(head.text)) return PASS;
    for (;;) {
      const reply = this.#coming.first;
      if (reply === undefined) return this.#judgeUnasked(head);
      const verdict = this.#answer(reply, head);
      if (verdict !== undefined) return verdict;
      // That request was never answered, or not yet carried out: the frame is for a later one.
    }
  }

  /** A confirmation came whole; `count` is the number that ends it. */
  confirm(count: number): void {
    const { word, asked, resp3 } = this.#confirming!;
    this.#confirming = undefined;
    if (asked) {
      const reply = this.#coming.first;
      if (this.#unconfirmed === 0 && reply?.type === "subscription") {
        this.#unconfirmed = reply.channels || Math.max(1, this.#subscribed(word));
      }
      if (--this.#unconfirmed === 0) this.#done();
    }
    this.#resp3 = resp3;
    switch (word) {
      case "subscribe":
      case "unsubscribe":
        this.#channels = count - this.#patterns;
        break;
      case "psubscribe":
      case "punsubscribe":
        this.#patterns = count - this.#channels;
        break;
      case "sunsubscribe":
        this.#unsureOfShards ||= asked && this.#shardChannels > 0;
        this.#shardChannels = count;
        break;
      case "ssubscribe":
        this.#shardChannels = count;
    }
  }

  get #coming(): ReplyRuns {
    return this.#inResults ? this.#results : this.#queue;
  }

  get #subscriptions(): number {
    return this.#channels + this.#patterns + this.#shardChannels;
  }

  #subscribed(word: SubscribeWord): number {
    if (word === "unsubscribe") return this.#channels;
    return word === "punsubscribe" ? this.#patterns : this.#shardChannels;
  }

  /** The first request is over, whether it was answered or not. */
  #done(count = 1): void {
    this.#coming.take(count);
    if (this.#inResults) {
      if (this.#results.total > 0) return;
      this.#inResults = false;
    }
    // As `resetClient` (networking.c) does after each request.
    this.#skip = this.#skipNext;
    this.#skipNext = false;
  }

  #judgePush(head: FrameHead): Verdict {
    if (isAddressPush(head.word)) return REWRITE_PUSH;
    if (!isSubscribeWord(head.word)) return PASS;
    return this.#judgeConfirmation(head, head.word);
  }

  #judgeConfirmation(head: FrameHead, word: SubscribeWord): Verdict {
    const resp3 = head.type === Byte.push;
    // Only `sunsubscribe` comes unasked, when a slot moves away, and may do so at any time; all
    // others tell that the requests before theirs were carried out.
    const unasked = word === "sunsubscribe" && this.#mayLoseShards;
    while (!unasked && !this.#awaits(word)) {
      const reply = this.#coming.first;
      if (reply === undefined || this.#answer(reply, head) !== undefined) {
        throw new PairingError(`A '${word}' came that was not asked for`);
      }
    }
    this.#confirming = { word, asked: this.#awaits(word), resp3 };
    return CONFIRM;
  }

  #awaits(word: SubscribeWord): boolean {
    // What never has an answer, or only a refusal, does not stand in the way.
    while (this.#coming.first === Replies.empty) this.#passEmpty();
    while (this.#coming.first === Replies.none && isSubscription(this.#coming.second, word)) {
      this.#unanswered();
    }
    return isSubscription(this.#coming.first, word);
  }

  /** A message to a RESP2 subscriber: an array like any reply, but nobody asked for it. */
  #isMessage(head: FrameHead): boolean {
    if (!this.#isRestricted) return false;
    switch (head.word) {
      case "message":
      case "smessage":
        return head.count === 3;
      case "pmessage":
        return head.count === 4;
      default:
        return false;
    }
  }

  get #mayLoseShards(): boolean {
    return this.#shardChannels > 0 || this.#unsureOfShards;
  }

  /** What a node sends to RESP2 subscribers of a slot that it loses, just like a confirmation. */
  #isShardLoss(head: FrameHead): boolean {
    return this.#mayLoseShards && head.word === "sunsubscribe" && head.count === 3;
  }

  #judgeUnasked(head: FrameHead): Verdict {
    // A node says so when it refuses or closes a connection.
    if (head.type === Byte.error) return judgeError(Replies.plain, head);
    throw new PairingError("A reply came to no request");
  }

  /** What to do with a frame if it answers `reply`; undefined, and `reply` is over, if not. */
  #answer(reply: Reply, head: FrameHead): Verdict | undefined {
    if (this.#multi !== "closed" && !this.#inResults && isQueued(reply)) {
      if (this.#isSilent) {
        if (reply.type === "subscription") this.#transaction.add(reply, 1);
        this.#queuedReplyOn ||= reply.type === "reply on";
        return this.#unanswered();
      }
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#multi = "open";
        this.#transaction.add(reply, 1);
        this.#done();
        return PASS;
      }
      if (head.type === Byte.error) return this.#answered(reply, head);
      // The MULTI whose answer was suppressed had been refused.
      if (this.#multi === "assumed") this.#closeTransaction();
    }
    switch (reply.type) {
      case "subscription":
        return this.#answerSubscription(reply.word, head);
      case "reply on":
        return this.#answerReplyOn(head);
      case "reply off":
      case "reply skip":
        return this.#answerQuieting(reply, head);
      case "none":
        return this.#answerIfRefused("replconf", head);
      case "empty":
        return this.#passEmpty();
      case "reset":
        return this.#answerReset(head);
      case "stream":
        return head.type === Byte.error ? this.#answered(reply, head) : BLIND;
      case "unknown":
        throw new PairingError("A request came whose reply cannot be told");
      case "protocol error":
        if (head.type === Byte.error) return this.#answered(reply, head);
        throw new PairingError("A reply came to a request that is none");
      default:
        return this.#isSilent ? this.#carryOutSilently(reply) : this.#answerPlainly(reply, head);
    }
  }

  get #isSilent(): boolean {
    return !this.#inResults ? this.#off || this.#skip : this.#off;
  }

  /** The frame answers the first request. */
  #answered(reply: Reply, head: FrameHead): Verdict {
    this.#unsureOfShards = false;
    this.#done();
    if (head.type === Byte.error) return judgeError(reply, head);
    if (reply.type === "addresses") return { type: "rewrite", rewrite: reply.rewrite };
    return reply.type === "secret" ? SECRET : PASS;
  }

  /** The first request gets no answer. */
  #unanswered(): undefined {
    this.#done();
    return undefined;
  }

  #closeTransaction(): void {
    this.#multi = "closed";
    this.#queuedReplyOn = false;
    this.#transaction.clear();
  }

  #answerPlainly(reply: Reply, head: FrameHead): Verdict | undefined {
    const failed = head.type === Byte.error;
    switch (reply.type) {
      case "multi":
        if (!failed) this.#multi = "open";
        break;
      case "discard":
        if (!failed) this.#closeTransaction();
        break;
      case "abort":
        this.#closeTransaction();
        break;
      case "exec":
        return this.#answerExec(reply, head);
      case "hello":
        if (!failed) this.#resp3 = head.type === Byte.map;
        break;
      case "monitor":
        // A second MONITOR is ignored, if it is not refused.
        if (this.#monitoring) return this.#answerIfRefused("monitor", head);
        this.#monitoring = !failed;
    }
    return this.#answered(reply, head);
  }

  #answerExec(reply: Reply, head: FrameHead): Verdict {
    if (head.type !== Byte.array || head.count < 0) {
      // Refused, aborted, or a watched key had changed: in each case the transaction is over.
      this.#closeTransaction();
      return this.#answered(reply, head);
    }
    if (this.#multi === "closed" || head.count !== this.#transaction.total) {
      throw new PairingError("The results of a transaction do not fit its commands");
    }
    if (head.count === 0) {
      this.#closeTransaction();
      return this.#answered(reply, head);
    }
    this.#beginResults();
    return HEADER;
  }

  /** EXEC is over, and with it what SKIP may do, when its last result is there. */
  #beginResults(): void {
    this.#queue.take(1);
    [this.#transaction, this.#results] = [this.#results, this.#transaction];
    this.#closeTransaction();
    this.#inResults = true;
  }

  /** CLIENT REPLY keeps the node from answering, but not from doing what it was told. */
  #carryOutSilently(reply: Reply): undefined {
    if (reply.type === "exec" && this.#multi !== "closed") return this.#execSilently();
    if (!this.#isRestricted) this.#carryOut(reply);
    return this.#unanswered();
  }

  /** Of the results of a silent EXEC only confirmations are seen, and those if it is not refused. */
  #execSilently(): undefined {
    if (this.#queuedReplyOn) {
      throw new PairingError("Nothing tells whether an EXEC in CLIENT REPLY OFF turned it on");
    }
    if (this.#transaction.total > 0) this.#beginResults();
    else {
      this.#closeTransaction();
      this.#done();
    }
    return undefined;
  }

  /** RESP2 subscribers may do nothing but subscribe, unsubscribe, PING, QUIT and RESET. */
  get #isRestricted(): boolean {
    return !this.#resp3 && this.#subscriptions > 0;
  }

  #carryOut(reply: Reply): void {
    switch (reply.type) {
      case "multi":
        if (this.#multi === "closed") this.#multi = "assumed";
        break;
      case "discard":
      case "abort":
        this.#closeTransaction();
        break;
      case "hello":
        if (reply.version > 0) this.#resp3 = reply.version === 3;
        break;
      case "monitor":
        this.#monitoring = true;
    }
  }

  /**
   * A request without words gets no answer. Redis 7 and Valkey 8.1 and 9.1 count it as the one
   * that SKIP is for, Redis 8.0 does not (seen on running servers).
   */
  #passEmpty(): undefined {
    if (this.#skip && !this.#off) {
      throw new PairingError("Servers differ on an empty request behind CLIENT REPLY SKIP");
    }
    return this.#unanswered();
  }

  /** Confirmations are sent even where replies are suppressed; an error is not. */
  #answerSubscription(word: SubscribeWord, head: FrameHead): Verdict | undefined {
    if (head.word === word && (head.type === Byte.array || head.type === Byte.push)) {
      this.#confirming = { word, asked: true, resp3: head.type === Byte.push };
      return CONFIRM;
    }
    if (this.#isSilent) return this.#unanswered();
    if (head.type === Byte.error) return this.#answered(Replies.plain, head);
    throw new PairingError(`No confirmation came to '${word}'`);
  }

  /** ON is answered even where replies are suppressed, for it ends that first. */
  #answerReplyOn(head: FrameHead): Verdict | undefined {
    const confirmed = head.type === Byte.status && head.text === "OK";
    if (!confirmed && this.#isSilent) return this.#unanswered();
    if (confirmed) this.#off = this.#skip = false;
    return this.#answered(Replies.replyOn, head);
  }

  /** OFF and SKIP are answered only if they are refused. */
  #answerQuieting(reply: Reply, head: FrameHead): Verdict | undefined {
    const verdict = this.#isSilent ? undefined : this.#refusal("client|reply", head);
    if (verdict !== undefined) return verdict;
    if (reply.type === "reply off") this.#off = true;
    else if (!this.#off) this.#skipNext = true;
    return this.#unanswered();
  }

  #answerIfRefused(command: string, head: FrameHead): Verdict | undefined {
    const verdict = this.#isSilent ? undefined : this.#refusal(command, head);
    return verdict ?? this.#unanswered();
  }

  /** If the frame says that `command` was refused, that is what answers the first request. */
  #refusal(command: string, head: FrameHead): Verdict | undefined {
    if (head.type !== Byte.error) return undefined;
    const { text } = head;
    const refused = this.#isRestricted || text.startsWith("NOAUTH ") || text.startsWith("BUSY ") ||
      (text.startsWith("NOPERM ") && text.includes(`'${command}'`));
    if (refused) return this.#answered(Replies.plain, head);
    // Servers before 7.0 do not say which subcommand was refused.
    const [name] = command.split("|");
    if (text.startsWith("NOPERM ") && (head.cut || text.includes(`'${name}'`))) {
      throw new PairingError("An error does not tell which request it answers");
    }
    return undefined;
  }

  /** RESET ends OFF and is then answered; right after SKIP it is not. */
  #answerReset(head: FrameHead): Verdict | undefined {
    if (head.type === Byte.status && head.text === "RESET") {
      this.#resetConnection();
      return this.#answered(Replies.reset, head);
    }
    // Servers before 6.2 do not know it.
    if (!this.#isSilent) return this.#answered(Replies.reset, head);
    if (!this.#off) this.#resetConnection();
    return this.#unanswered();
  }

  /** As `resetCommand` (networking.c) does. */
  #resetConnection(): void {
    this.#closeTransaction();
    this.#off = false;
    this.#resp3 = this.#monitoring = this.#unsureOfShards = false;
    this.#channels = this.#patterns = this.#shardChannels = 0;
  }
}

/** Whether a server that has seen MULTI queues the request (server.c `processCommand`). */
function isQueued(reply: Reply): boolean {
  switch (reply.type) {
    case "exec":
    case "abort":
    case "discard":
    case "multi":
    case "reset":
    case "empty":
      return false;
    default:
      return true;
  }
}

/** Whether the next frame may answer a later request than this, a subscription for one. */
function mayStaySilent(reply: Reply): boolean {
  switch (reply.type) {
    case "subscription":
    case "reply on":
    case "reply off":
    case "reply skip":
    case "none":
    case "empty":
      return true;
    default:
      return false;
  }
}

/** Of errors only those pass unread that cannot name a node. */
function judgeError(reply: Reply, head: FrameHead): Verdict {
  if (isRedirect(head.text)) {
    if (reply.type !== "script") return REWRITE_REDIRECT;
    return reply.keyless ? PASS : REWRITE_SCRIPT_REDIRECT;
  }
  if (reply.type === "migrate" && head.text.startsWith(MIGRATE_ERROR)) return REWRITE_MIGRATE_ERROR;
  return PASS;
}

const SUBSCRIBE_WORDS: ReadonlySet<string> = new Set<SubscribeWord>([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
]);

function isSubscription(reply: Reply | undefined, word: SubscribeWord): boolean {
  return reply?.type === "subscription" && reply.word === word;
}

function isSubscribeWord(word: string): word is SubscribeWord {
  return SUBSCRIBE_WORDS.has(word);
}
