import { Byte } from "../resp/bytes.ts";
import { isAddressPush } from "../rewrite/replies/push.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";
import { HeldResults, NOTHING_UNUSUAL, type Reading } from "./held_results.ts";
import { isMarkerAnswer, isMarkerLine } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import {
  type ClientReplyMode,
  ExpectedReplies,
  type ExpectedReply,
  fits,
  isQueued,
  type MarkedReply,
} from "../commands/expected_reply.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { isMessage, isSubscribeWord, type SubscribeWord, Subscriptions } from "./subscriptions.ts";
import { actionFor, type FrameAction, FrameActions } from "./frame_action.ts";

/** A frame came that answers nothing; which reply is whose is not known any more. */
export class PairingError extends Error {
  override readonly name = "PairingError";
}

/** The node will send nothing more: whoever waits for a reply need not. */
export class AbandonedError extends Error {
  override readonly name = "AbandonedError";

  constructor() {
    super("The node has ended the connection before all its replies");
  }
}

/** An EXEC whose results are coming in. */
interface Results {
  /** What is left of them. */
  readonly left: ReplyQueue;
  readonly reading: Reading;
}

/**
 * Which request each frame of a node answers.
 *
 * The request side adds what every request will make the node send; the reply side asks, frame
 * by frame, what is to be done with it. Most requests get one frame and need no thought: `run`
 * tells how many such replies come next, `take` that they came. For the others this class
 * follows what the server does with the connection:
 *
 * ```
 *   transaction   none ──MULTI──▶ open ──EXEC──▶ results, matched one by one ──▶ none
 *   replies       on ◀──CLIENT REPLY──▶ off, or skipped for the next request
 *   connection    requests and replies ──SYNC, debugger──▶ blind
 * ```
 *
 * An address is so found in any result of a transaction, and a server that sends more or fewer
 * elements than it announced does no harm.
 *
 * The node answers every request, because CLIENT REPLY is emulated here and never reaches it in
 * another mode than ON. Where what it sends leaves open what answers what, there is a marker
 * behind the request (see `isDoubtful`). A frame that fits nothing throws PairingError: to guess
 * would be to let an address through.
 */
export class ReplyTracker {
  readonly #queue = new ReplyQueue();
  /** What the commands queued since MULTI will send, while a transaction is open. */
  #transaction: ReplyQueue | undefined;
  /** Set while the results of an EXEC come in. */
  #results: Results | undefined;
  /** The results of an EXEC that are kept until its marker has come. */
  #held: HeldResults | undefined;

  /** MULTI was requested, and no EXEC since. */
  #multiAsked = false;
  /** How many requests that begin or end a transaction are not answered. */
  #transactionRequests = 0;
  /** A request since then may leave open what the results are. */
  #execDoubtful = false;
  /** SSUBSCRIBE was requested at some time. */
  #shardsAsked = false;
  /** MONITOR was requested at some time. */
  #monitorAsked = false;

  /** CLIENT REPLY OFF is in force. */
  #off = false;
  /** CLIENT REPLY SKIP is in force for the next request, or for the first in the queue. */
  #skip: "no" | "next" | "now" = "no";

  /** Whether the request at the front was answered, which has a marker behind it. */
  #answered: "no" | "perhaps" | "yes" = "no";
  /** Frames have come that nobody asked for. */
  #pushed = false;
  /** The frame that was judged last has not come whole. */
  #inFrame = false;
  #isBlind = false;
  #abandoned = false;
  #waiter: (PromiseWithResolvers<void> & { isOver(): boolean }) | undefined;
  #resp3 = false;
  #monitoring = false;
  /** SCRIPT DEBUG is in force: the next EVAL starts a session of the debugger. */
  #debugging = false;
  readonly #subscriptions = new Subscriptions();
  /** Confirmations still to come for the subscription at the front; 0 before the first. */
  #unconfirmed = 0;
  #confirming: { readonly word: SubscribeWord; readonly asked: boolean } | undefined;

  /**
   * Adds what a request that is about to reach the node will make it send, or each of `count`
   * such requests in a row.
   *
   * @throws {PairingError} when too much is outstanding to be remembered
   */
  expect(reply: ExpectedReply, count = 1): void {
    const queue = this.#queue;
    if (reply === ExpectedReplies.plain) {
      queue.add(reply, count);
      return;
    }
    if (reply === ExpectedReplies.empty) {
      if (queue.total === 0 && this.#results === undefined) this.#countRequest();
      // One that is nobody's next request changes nothing.
      if (
        queue.total === 0 && this.#results === undefined || queue.last === ExpectedReplies.plain
      ) return;
    }
    // Of plain ones there is at most one run more than of all others.
    if (this.#runs >= MOST_RUNS) {
      throw new PairingError(
        `More than ${MOST_RUNS} times requests of one kind follow those of another, all unanswered`,
      );
    }
    this.#note(reply.type === "marked" ? reply.reply : reply);
    queue.add(reply, count);
  }

  /**
   * Whether nothing that the node sends may tell how it answers a request, unless a marker is
   * behind it:
   *
   * - SUNSUBSCRIBE, for a node that loses the slot of a channel sends the same by itself;
   * - AUTH and HELLO AUTH: Redis 8.0 and Valkey 8.1 drop the error for a wrong password while
   *   other replies wait to be sent (acl.c `addAuthErrReply`);
   * - REPLCONF ACK, which is answered only if it is refused;
   * - MONITOR and SYNC on a connection that monitors, which a node ignores;
   * - a script on such a connection, for it may return what looks like a line of MONITOR;
   * - an EXEC with any of these in its transaction, or with a subscription, whose messages stand
   *   among the results.
   */
  isDoubtful(reply: ExpectedReply): boolean {
    switch (reply.type) {
      case "auth":
        return !this.#isQuiet;
      case "hello":
        return reply.authenticates && !this.#isQuiet;
      case "subscription":
        return reply.word === "sunsubscribe" && this.#shardsAsked;
      case "none":
        return true;
      case "monitor":
      case "stream":
      case "script":
        return this.#monitorAsked;
      case "exec":
        return this.#execDoubtful;
      default:
        return false;
    }
  }

  /** Whether a transaction queues a request that is sent now; unknown before that was answered. */
  get transaction(): "none" | "open" | "unknown" {
    if (!this.#multiAsked) return "none";
    if (this.#transactionRequests > 0) return "unknown";
    return this.#transaction === undefined ? "none" : "open";
  }

  /** Whether the connection is no conversation of requests and replies any more. */
  get isBlind(): boolean {
    return this.#isBlind;
  }

  /**
   * Waits until every reply has come, or the connection is blind.
   *
   * @throws {AbandonedError} when there will be none
   */
  drained(): Promise<void> {
    return this.#until(() => this.#isSettled);
  }

  /**
   * Waits until it is known whether there is a transaction, or the connection is blind.
   *
   * @throws {AbandonedError} when that will never be
   */
  transactionKnown(): Promise<void> {
    return this.#until(() => this.transaction !== "unknown");
  }

  /** No more replies will come: whoever waits for them need not. */
  abandon(): void {
    this.#abandoned = true;
    this.#waiter?.reject(new AbandonedError());
  }

  /**
   * How many of the next frames, unless one is an error or a push, are all treated alike: if
   * `isMuted` dropped, else passed on. 0: ask `judge` about each.
   */
  get plainRun(): number {
    if (this.#isWatchful || this.#skip === "now") return 0;
    const coming = this.#coming;
    return coming.first === ExpectedReplies.plain ? coming.run : 0;
  }

  /** `frames` of the `run` came. */
  consume(frames: number): void {
    if (this.#results === undefined) this.#transaction?.add(ExpectedReplies.plain, frames);
    this.#done(frames);
  }

  /** Whether the client does not get the answer to the first request. */
  get isMuted(): boolean {
    return this.#off || this.#skip === "now";
  }

  /** Whether the first value in the next array, and the text of a bulk, must be known. */
  get wantsWord(): boolean {
    const type = this.#coming.first?.type;
    return this.#isWatchful || type === "subscription" || type === "marked" ||
      this.#held !== undefined;
  }

  /**
   * Says what is to be done with the frame that begins with `head`.
   *
   * @throws {PairingError} if it answers nothing
   */
  match(head: FrameHead): FrameAction {
    // Before anything else, for who waits for the last reply waits for its last byte.
    this.#inFrame = true;
    const action = this.#judge(head);
    if (action.type === "header") this.frameEnded();
    return action;
  }

  /** The frame that was judged last has come whole. */
  frameEnded(): void {
    this.#inFrame = false;
    this.#wake();
  }

  /** Takes note of a frame that is held, and returns whether it ends the hold and is not. */
  endsHold(head: FrameHead): boolean {
    const marked = this.#queue.first as MarkedReply;
    const { isComplete } = this.#held!.note(head, isMarkerAnswer(marked, head, true));
    return isComplete;
  }

  #judge(head: FrameHead): FrameAction {
    if (head.type === Byte.push) return this.#judgePush(head);
    if (head.type === Byte.array && this.#isWatchful) {
      if (this.#isMessage(head)) return FrameActions.pass;
      if (this.#isShardLoss(head)) return this.#beginConfirmation("sunsubscribe", false);
    }
    if (head.type === Byte.status && this.#monitoring && isMonitorLine(head.text)) {
      return this.#judgeLine(head);
    }
    const reply = this.#coming.first;
    if (reply === undefined) return this.#judgeUnasked(head);
    return reply.type === "marked" ? this.#answerMarked(reply, head) : this.#answer(reply, head);
  }

  /** A confirmation came whole; `count` is the number that ends it. */
  confirm(count: number): void {
    const { word, asked } = this.#confirming!;
    this.#confirming = undefined;
    if (asked) {
      const reply = this.#coming.first;
      if (this.#unconfirmed === 0 && reply?.type === "subscription") {
        this.#unconfirmed = reply.channels || Math.max(1, this.#subscriptions.endedBy(word));
      }
      if (this.#unconfirmed === 1) this.#done();
      else this.#unconfirmed--;
    }
    this.#subscriptions.confirm(word, count);
  }

  get #coming(): ReplyQueue {
    return this.#results?.left ?? this.#queue;
  }

  /** What there is to be remembered of requests. */
  get #runs(): number {
    return this.#queue.runs + (this.#transaction?.runs ?? 0) + (this.#results?.left.runs ?? 0);
  }

  /** Whether a transaction queues the next request that is answered. */
  get #isQueuing(): boolean {
    return this.#transaction !== undefined && this.#results === undefined;
  }

  /** Notes what of a request bears on those behind it, whatever becomes of it. */
  #note(reply: ExpectedReply): void {
    if (bearsOnTransaction(reply)) this.#transactionRequests++;
    switch (reply.type) {
      case "multi":
        this.#multiAsked = true;
        break;
      case "exec":
      case "abort":
        this.#multiAsked = this.#execDoubtful = false;
        return;
      case "monitor":
        this.#monitorAsked = true;
        break;
      case "subscription":
        this.#shardsAsked ||= reply.word === "ssubscribe";
        this.#execDoubtful ||= this.#multiAsked;
        return;
    }
    if (this.#multiAsked) {
      const authenticates = reply.type === "auth" || reply.type === "hello" && reply.authenticates;
      this.#execDoubtful ||= authenticates || reply.type === "script" && this.#monitorAsked;
    }
  }

  /** Whether a request that is sent now finds nothing at the node that waits to be sent. */
  get #isQuiet(): boolean {
    const onlyReplies = !this.#resp3 && !this.#monitoring && this.#subscriptions.total === 0;
    return this.#isSettled && onlyReplies && !this.#pushed;
  }

  /** Whether frames come that nobody asked for and that look like replies. */
  get #isWatchful(): boolean {
    return this.#monitoring || (!this.#resp3 && this.#subscriptions.total > 0);
  }

  /** Only one waits at a time: the request side, or whoever ends it. */
  async #until(isOver: () => boolean): Promise<void> {
    if (isOver() || this.#isBlind) return;
    if (this.#abandoned) throw new AbandonedError();
    this.#waiter = { ...Promise.withResolvers<void>(), isOver };
    await this.#waiter.promise;
  }

  /** The first request is over. */
  #done(count = 1): void {
    this.#unconfirmed = 0;
    this.#answered = "no";
    if (this.#results === undefined && bearsOnTransaction(this.#queue.first!)) {
      this.#transactionRequests--;
    }
    this.#coming.take(count);
    if (this.#results !== undefined) this.#endResults();
    else this.#endRequests();
  }

  #endRequests(): void {
    const queue = this.#queue;
    this.#countRequest();
    while (queue.first === ExpectedReplies.empty) {
      queue.take(1);
      this.#countRequest();
    }
    this.#wake();
  }

  /** EXEC is over when its last result is there; a REPLCONF ACK has none. */
  #endResults(): void {
    const { left } = this.#results!;
    while (left.first === ExpectedReplies.none) left.take(1);
    if (left.total > 0) return;
    this.#results = undefined;
    if (this.#queue.first?.type === "marked") this.#answered = "yes";
    else this.#done();
  }

  /** As `resetClient` (networking.c) does after each request; since Redis 8.0 not after empty ones. */
  #countRequest(): void {
    this.#skip = this.#skip === "next" ? "now" : "no";
  }

  #wake(): void {
    if (this.#waiter === undefined || !(this.#isBlind || this.#waiter.isOver())) return;
    this.#waiter.resolve();
    this.#waiter = undefined;
  }

  get #isSettled(): boolean {
    return this.#queue.total === 0 && !this.#inFrame;
  }

  #judgePush(head: FrameHead): FrameAction {
    this.#pushed = true;
    if (isAddressPush(head.word)) return FrameActions.rewritePush;
    if (!isSubscribeWord(head.word)) return FrameActions.pass;
    return this.#judgeConfirmation(head.word);
  }

  /** Only `sunsubscribe` comes unasked, when a slot moves away, and may do so at any time. */
  #judgeConfirmation(word: SubscribeWord): FrameAction {
    const isLoss = word === "sunsubscribe" && this.#subscriptions.shardChannels > 0;
    const reply = this.#coming.first;
    if (isSubscription(reply, word) && !this.#isQueuing) {
      if (!isLoss || this.#results !== undefined) return this.#beginConfirmation(word, true);
      throw new PairingError("A 'sunsubscribe' may have been asked for or not");
    }
    const isMarked = reply?.type === "marked" && isSubscription(reply.reply, word);
    if (isMarked) this.#answered = "perhaps";
    if (isLoss || isMarked) {
      return this.#beginConfirmation(word, false);
    }
    throw new PairingError(`A '${word}' came that was not asked for`);
  }

  #beginConfirmation(word: SubscribeWord, asked: boolean): FrameAction {
    this.#confirming = { word, asked };
    return FrameActions.confirm;
  }

  /** A message to a RESP2 subscriber: an array like any reply, but nobody asked for it. */
  #isMessage(head: FrameHead): boolean {
    if (this.#resp3 || this.#subscriptions.total === 0) return false;
    return isMessage(head) && !this.#results?.reading.resultsLookLikeMessages;
  }

  /** What a node sends to RESP2 subscribers of a slot that it loses, just like a confirmation. */
  #isShardLoss(head: FrameHead): boolean {
    if (this.#subscriptions.shardChannels === 0 || this.#results !== undefined) return false;
    if (head.word !== "sunsubscribe" || head.count !== 3) return false;
    const reply = this.#coming.first;
    return !isSubscription(reply?.type === "marked" ? reply.reply : reply, "sunsubscribe");
  }

  /**
   * A client gets no lines while it gets no replies (networking.c `prepareClientToWrite`). A script
   * may return what looks like one: it goes out as such, and the marker tells what was the answer.
   */
  #judgeLine(head: FrameHead): FrameAction {
    if (this.isMuted || isMarkerLine(head.text)) return FrameActions.drop;
    if (this.#transaction === undefined && this.#queue.first?.type === "script") {
      throw new PairingError("A script may have made up a line of MONITOR");
    }
    return FrameActions.pass;
  }

  #judgeUnasked(head: FrameHead): FrameAction {
    // A node says so when it refuses or closes a connection.
    if (head.type === Byte.error) return actionFor(ExpectedReplies.plain, head);
    throw new PairingError("A reply came to no request");
  }

  /** What to do with a frame that comes before the answer to the marker behind a request. */
  #answerMarked(marked: MarkedReply, head: FrameHead): FrameAction {
    if (this.#answered === "perhaps" && head.text.startsWith("BUSY ")) {
      throw new PairingError("A script runs, so that the marker tells nothing");
    }
    if (isMarkerAnswer(marked, head, this.#answered !== "no")) {
      this.#done();
      return FrameActions.drop;
    }
    const { reply } = marked;
    if (reply.type === "subscription" && !isFailure(head)) {
      if (head.word !== reply.word || head.count !== 3) {
        throw new PairingError(`No confirmation came to '${reply.word}'`);
      }
      // One that nobody asked for is the same to the client.
      this.#answered = "perhaps";
      return this.#beginConfirmation(reply.word, false);
    }
    if (this.#answered === "yes") throw new PairingError(`Two replies came to '${reply.type}'`);
    if (reply.type === "exec" && hasResults(head)) return this.#answerExec(head, true);
    const action = this.#carryOut(reply, head);
    this.#answered = "yes";
    return action;
  }

  /** What to do with a frame that answers the first request. */
  #answer(reply: ExpectedReply, head: FrameHead): FrameAction {
    if (this.#isQueuing && isQueued(reply)) {
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#transaction!.add(reply, 1);
        const isMuted = this.isMuted;
        this.#done();
        return isMuted ? FrameActions.drop : FrameActions.pass;
      }
      // QUIT is never queued.
      if (!isFailure(head) && head.text !== "OK") {
        throw new PairingError("A request was not queued in MULTI");
      }
    }
    if (reply.type === "subscription" && !isFailure(head)) {
      if (head.word !== reply.word || head.count !== 3) {
        throw new PairingError(`No confirmation came to '${reply.word}'`);
      }
      return this.#judgeConfirmation(reply.word);
    }
    if (reply.type === "exec" && hasResults(head)) return this.#answerExec(head, false);
    const action = this.#carryOut(reply, head);
    this.#done();
    return action;
  }

  /** Follows what the node has done for a request that it answers with this frame. */
  #carryOut(reply: ExpectedReply, head: FrameHead): FrameAction {
    if (!fits(reply, head)) throw new PairingError(`A frame does not answer '${reply.type}'`);
    const isRefused = isFailure(head);
    switch (reply.type) {
      case "multi":
        if (!isRefused) this.#transaction ??= new ReplyQueue();
        break;
      case "discard":
        if (!isRefused) this.#transaction = undefined;
        break;
      case "exec":
      case "abort":
        // Refused, aborted, or a watched key had changed: in each case the transaction is over.
        this.#transaction = undefined;
        break;
      case "hello":
        if (!isRefused) this.#resp3 = head.type === Byte.map;
        break;
      case "monitor":
        this.#monitoring ||= !isRefused;
        break;
      case "reset":
        // Servers before 6.2 do not know it.
        if (!isRefused) this.#resetConnection();
        break;
      case "client reply":
        if (!isRefused) return this.#setReplyMode(reply.mode);
        break;
      case "script debug":
        if (!isRefused) this.#debugging = reply.active;
        break;
      case "script":
        if (this.#debugging && reply.debuggable && !isRefused) return this.#becomeBlind();
        break;
      case "stream":
        if (!isRefused) return this.#becomeBlind();
    }
    return this.isMuted ? FrameActions.drop : actionFor(reply, head);
  }

  #becomeBlind(): FrameAction {
    this.#isBlind = true;
    this.#wake();
    return FrameActions.blind;
  }

  /** As `clientCommand` (networking.c) does; the node itself was told ON in any case. */
  #setReplyMode(mode: ClientReplyMode): FrameAction {
    switch (mode) {
      case "on":
        this.#off = false;
        if (this.#skip === "now") this.#skip = "no";
        return FrameActions.pass;
      case "off":
        this.#off = true;
        return FrameActions.drop;
      case "skip":
        if (!this.#off) this.#skip = "next";
        return FrameActions.drop;
    }
  }

  #answerExec(head: FrameHead, isMarked: boolean): FrameAction {
    const queued = this.#transaction;
    if (queued === undefined || head.count !== queued.total) {
      throw new PairingError("The results of a transaction do not fit its commands");
    }
    const reading = isMarked ? this.#readingOf(queued) : NOTHING_UNUSUAL;
    if (reading === undefined) return FrameActions.hold;
    const isMuted = this.isMuted;
    this.#transaction = undefined;
    this.#results = { left: reading.left ?? queued, reading };
    this.#endResults();
    return isMuted ? FrameActions.dropHeader : FrameActions.header;
  }

  /** How to read the results of a transaction; undefined if that takes all frames to its marker. */
  #readingOf(queued: ReplyQueue): Reading | undefined {
    const held = this.#held ??= new HeldResults(queued, {
      hasMessages: !this.#resp3,
      hasLines: this.#monitoring,
    });
    if (held.isUnclear && !held.isComplete) return undefined;
    this.#held = undefined;
    const reading = held.isUnclear ? held.read() : NOTHING_UNUSUAL;
    if (reading === undefined) {
      throw new PairingError("The results of a transaction do not tell which is whose");
    }
    return reading;
  }

  /** As `resetCommand` (networking.c) does. */
  #resetConnection(): void {
    this.#transaction = undefined;
    this.#off =
      this.#resp3 =
      this.#monitoring =
      this.#debugging =
        false;
    if (this.#skip === "next") this.#skip = "no";
    this.#subscriptions.clear();
  }
}

/** Whether a frame that answers EXEC is followed by what its commands are answered. */
function hasResults(head: FrameHead): boolean {
  return head.type === Byte.array && head.count >= 0;
}

/**
 * A pipeline of 30,000 scripts, each in a transaction of its own or among other commands, needs no
 * more, and is more than clients send before they read. It takes 10 MB at the most to remember.
 */
const MOST_RUNS = 100_000;

/** Whether a request may begin or end a transaction. */
function bearsOnTransaction(reply: ExpectedReply): boolean {
  switch (reply.type) {
    case "multi":
    case "exec":
    case "abort":
    case "discard":
    case "reset":
      return true;
    case "marked":
      return reply.reply.type === "exec";
    default:
      return false;
  }
}

function isSubscription(reply: ExpectedReply | undefined, word: SubscribeWord): boolean {
  return reply?.type === "subscription" && reply.word === word;
}
