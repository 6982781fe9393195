import { Byte } from "../resp/bytes.ts";
import { type MonitorHead, readMonitorHead } from "../rewrite/monitor.ts";
import { isAddressPush } from "../rewrite/pushes.ts";
import { type FrameHead, isFailure } from "./head.ts";
import {
  fits,
  isForgettable,
  isQueued,
  mayBeDropped,
  mayStaySilent,
  Replies,
  type Reply,
  silences,
} from "./replies.ts";
import { ReplyRuns } from "./runs.ts";
import { isSubscribeWord, type SubscribeWord, Subscriptions } from "./subscriptions.ts";
import { type Verdict, verdictOn, verdictOnLine, Verdicts } from "./verdicts.ts";

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

/** Who waits until every reply has come. */
interface Waiter {
  resolve(): void;
  reject(reason: Error): void;
  readonly timeoutMs: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

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
  #transaction: ReplyRuns | undefined;
  /** What is left of an EXEC whose results are coming in. */
  #results: ReplyRuns | undefined;
  #inResults = false;
  /** Assumed: MULTI was sent where its own answer was suppressed. */
  #multi: "closed" | "assumed" | "open" = "closed";
  /** CLIENT REPLY ON was queued where nothing told so, or refused. */
  #queuedReplyOn = false;

  /** CLIENT REPLY OFF is in force. */
  #off = false;
  /** CLIENT REPLY OFF was requested, and neither ON nor RESET since. */
  #offAsked = false;
  /** The reply of the first request in the queue is suppressed by CLIENT REPLY SKIP. */
  #skip = false;
  /** So will be that of the request after it. */
  #skipNext = false;

  /** Frames have come that nobody asked for. */
  #pushed = false;
  /** The frame that was judged last has not come whole. */
  #inFrame = false;
  #abandoned = false;
  #waiter: Waiter | undefined;
  #resp3 = false;
  #monitoring = false;
  readonly #subscriptions = new Subscriptions();
  /** The last frame took a SUNSUBSCRIBE to be answered, but may have been a loss of its slot. */
  #unsureOfShards = false;
  /** Confirmations still to come for the subscription at the front; 0 before the first. */
  #unconfirmed = 0;
  #confirming:
    | { readonly word: SubscribeWord; readonly asked: boolean; readonly resp3: boolean }
    | undefined;

  /**
   * Adds what a request that is about to reach the node will make it send, or each of `count`
   * such requests in a row.
   *
   * @throws {PairingError} when too much is outstanding to be remembered
   */
  expect(reply: Reply, count = 1): void {
    const queue = this.#queue;
    switch (reply.type) {
      case "plain":
        if (queue.last !== Replies.replySkip) break;
        // Writers that want no answers send SKIP before each of their requests.
        queue.dropLast();
        queue.add(Replies.skipped, 1);
        if (count > 1) this.expect(reply, count - 1);
        return;
      case "empty":
        // It counts as the next request for SKIP and does nothing else.
        if (this.#skip || this.#inResults) break;
        if (queue.last === undefined || queue.last === Replies.plain) return;
        break;
      case "reply off":
        this.#offAsked = true;
        break;
      case "reply on":
      case "reset":
        this.#offAsked = false;
    }
    // Of plain ones there is at most one run more than of all others.
    if (reply !== Replies.plain && this.#runs >= MOST_RUNS) {
      throw new PairingError(
        `More than ${MOST_RUNS} times requests of one kind follow those of another, all unanswered`,
      );
    }
    const forgettable = this.#offAsked && queue.runs >= RUNS_UNDER_OFF && isForgettable(reply);
    queue.add(forgettable ? Replies.unseen : reply, count);
  }

  /**
   * Whether a request that is sent now finds nothing at the node that waits to be sent: every
   * reply has come, and no pushes or messages do.
   */
  get isQuiet(): boolean {
    const onlyReplies = !this.#resp3 && !this.#monitoring && this.#subscriptions.total === 0;
    return this.#isSettled && onlyReplies && !this.#pushed;
  }

  /**
   * Waits until every reply has come.
   *
   * @param timeoutMs from when something else has come: what a node keeps to itself because others
   * wait to be sent, it does before it sends those
   * @throws {PairingError} if nothing may tell when that is, or that time is over
   */
  async settled(timeoutMs = Infinity): Promise<void> {
    if (this.#isSettled) return;
    if (this.#abandoned) throw new AbandonedError();
    if (this.#endsSilently) {
      throw new PairingError("Nothing tells when the replies before an AUTH have come");
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = this.#waiter = { resolve, reject, timeoutMs, timer: undefined };
    try {
      await promise;
    } finally {
      this.#waiter = undefined;
      clearTimeout(waiter.timer);
    }
  }

  /** Whether the last reply may be one that never comes. */
  get #endsSilently(): boolean {
    const queue = this.#queue;
    if (this.#off || this.#skip || queue.some(silences)) return true;
    // An EXEC may send less than it announces.
    if (this.#results?.has("left out") || this.#transaction?.has("left out")) return true;
    if (queue.has("left out") && queue.some(({ type }) => type === "exec")) return true;
    const last = queue.lastBut(Replies.empty);
    switch (last?.type) {
      case "none":
        return true;
      case "monitor":
        return this.#monitoring || queue.count(last) > 1;
      case "stream":
        // A node takes a monitoring client for a replica's link, and ignores its SYNC.
        return this.#monitoring || queue.some(({ type }) => type === "monitor");
      default:
        return false;
    }
  }

  /** No more replies will come: whoever waits for them need not. */
  abandon(): void {
    this.#abandoned = true;
    this.#waiter?.reject(new AbandonedError());
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
    if (this.#multi === "open" && !this.#inResults) this.#queued.add(Replies.plain, frames);
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

  /**
   * Says what is to be done with the frame that begins with `head`.
   *
   * @throws {PairingError} if it answers nothing
   */
  judge(head: FrameHead): Verdict {
    // Before anything else, for who waits for the last reply waits for its last byte.
    this.#inFrame = true;
    const verdict = this.#judge(head);
    if (verdict.type === "header") this.#inFrame = false;
    return verdict;
  }

  /** The frame that was judged last has come whole. */
  ended(): void {
    this.#inFrame = false;
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#wake();
    if (this.#isSettled || waiter.timeoutMs === Infinity) return;
    waiter.timer ??= setTimeout(
      () => waiter.reject(new PairingError(`No reply came within ${waiter.timeoutMs} ms`)),
      waiter.timeoutMs,
    );
  }

  #judge(head: FrameHead): Verdict {
    if (head.type === Byte.push) return this.#judgePush(head);
    if (head.type === Byte.array && this.watchful) {
      if (this.#isMessage(head)) return Verdicts.pass;
      if (this.#isShardLoss(head)) return this.#judgeConfirmation(head, "sunsubscribe");
    }
    if (head.type === Byte.status && this.#monitoring) {
      const line = readMonitorHead(head.text);
      if (line !== undefined) return this.#judgeLine(line);
    }
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
        this.#unconfirmed = reply.channels || Math.max(1, this.#subscriptions.endedBy(word));
      }
      if (this.#unconfirmed === 1) this.#done();
      else this.#unconfirmed--;
    }
    this.#resp3 = resp3;
    this.#unsureOfShards ||= asked && word === "sunsubscribe" &&
      this.#subscriptions.shardChannels > 0;
    this.#subscriptions.confirm(word, count);
  }

  /** Most connections never have a transaction, so there is nothing kept for one before it comes. */
  get #queued(): ReplyRuns {
    return this.#transaction ??= new ReplyRuns();
  }

  get #coming(): ReplyRuns {
    return this.#inResults ? this.#results! : this.#queue;
  }

  /** What there is to be remembered of requests. */
  get #runs(): number {
    return this.#queue.runs + (this.#transaction?.runs ?? 0) + (this.#results?.runs ?? 0);
  }

  /** The first request is over, whether it was answered or not. */
  #done(count = 1): void {
    this.#unconfirmed = 0;
    this.#coming.take(count);
    if (this.#inResults) {
      if (this.#results!.total > 0) return;
      this.#inResults = false;
    }
    // As `resetClient` (networking.c) does after each request.
    this.#skip = this.#skipNext;
    this.#skipNext = false;
    // Where SKIP is not concerned nothing ever tells of them, and nothing need.
    while (!this.#skip && this.#queue.first === Replies.empty) this.#queue.take(this.#queue.run);
    this.#wake();
  }

  #wake(): void {
    if (this.#isSettled) this.#waiter?.resolve();
  }

  get #isSettled(): boolean {
    return this.#queue.total === 0 && !this.#inResults && !this.#inFrame;
  }

  #judgePush(head: FrameHead): Verdict {
    this.#pushed = true;
    if (isAddressPush(head.word)) return Verdicts.rewritePush;
    if (!isSubscribeWord(head.word)) return Verdicts.pass;
    return this.#judgeConfirmation(head, head.word);
  }

  #judgeConfirmation(head: FrameHead, word: SubscribeWord): Verdict {
    const resp3 = head.type === Byte.push;
    // Only `sunsubscribe` comes unasked, when a slot moves away, and may do so at any time; all
    // others tell that the requests before theirs were carried out.
    const unasked = word === "sunsubscribe" && this.#mayLoseShards && !this.#awaitsUnderOff(word);
    while (!unasked && !this.#awaits(word)) {
      const reply = this.#coming.first;
      if (reply === undefined || this.#answer(reply, head) !== undefined) {
        throw new PairingError(`A '${word}' came that was not asked for`);
      }
    }
    return this.#beginConfirmation(word, this.#awaits(word), resp3);
  }

  /** Where nothing else is answered, a confirmation is that of the next request for one. */
  #awaitsUnderOff(word: "sunsubscribe"): boolean {
    return this.#off && this.#coming.has(word);
  }

  #beginConfirmation(word: SubscribeWord, asked: boolean, resp3: boolean): Verdict {
    if (asked && this.#skip && !this.#off && !this.#inResults) {
      throw new PairingError("Nothing tells whether a subscription behind SKIP was refused");
    }
    this.#confirming = { word, asked, resp3 };
    return Verdicts.confirm;
  }

  #awaits(word: SubscribeWord): boolean {
    // A transaction queues it.
    if (this.#multi === "open" && !this.#inResults) return false;
    // What never has an answer, or only a refusal, does not stand in the way.
    while (this.#coming.first === Replies.empty) this.#passEmpty();
    while (
      !this.#isRestricted && this.#coming.first === Replies.none &&
      isSubscription(this.#coming.second, word)
    ) {
      this.#unanswered();
    }
    return isSubscription(this.#coming.first, word);
  }

  /** A message to a RESP2 subscriber: an array like any reply, but nobody asked for it. */
  #isMessage(head: FrameHead): boolean {
    if (this.#resp3 || this.#subscriptions.total === 0 || !MESSAGE_WORDS.has(head.word)) {
      return false;
    }
    // Only here may a reply have the same form, for commands in EXEC are not restricted.
    if (this.#inResults) throw new PairingError("A message cannot be told from a result of EXEC");
    return head.count === (head.word === "pmessage" ? 4 : 3);
  }

  get #mayLoseShards(): boolean {
    return this.#subscriptions.shardChannels > 0 || this.#unsureOfShards;
  }

  /** What a node sends to RESP2 subscribers of a slot that it loses, just like a confirmation. */
  #isShardLoss(head: FrameHead): boolean {
    if (!this.#mayLoseShards || head.word !== "sunsubscribe" || head.count !== 3) return false;
    if (this.#subscriptions.total > 0 || this.#awaits("sunsubscribe")) return true;
    // The last subscription is gone, so that a reply may have the same form.
    const reply = this.#coming.first;
    if (reply === undefined || reply.type === "addresses") return true;
    throw new PairingError("A 'sunsubscribe' cannot be told from a reply");
  }

  #judgeLine(line: MonitorHead): Verdict {
    if (this.#coming.first?.type !== "script") return verdictOnLine(line);
    throw new PairingError("A script may have made up a line of MONITOR");
  }

  #judgeUnasked(head: FrameHead): Verdict {
    // A node says so when it refuses or closes a connection.
    if (head.type === Byte.error) return verdictOn(Replies.plain, head);
    throw new PairingError("A reply came to no request");
  }

  /** What to do with a frame if it answers `reply`; undefined, and `reply` is over, if not. */
  #answer(reply: Reply, head: FrameHead): Verdict | undefined {
    if (this.#multi !== "closed" && !this.#inResults && isQueued(reply)) {
      if (this.#isSilent) {
        if (reply.type === "subscription") this.#queued.add(reply, 1);
        this.#queuedReplyOn ||= reply.type === "reply on";
        return this.#unanswered();
      }
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#multi = "open";
        this.#queued.add(reply, 1);
        this.#done();
        return Verdicts.pass;
      }
      if (isFailure(head)) return this.#answered(reply, head);
      // The MULTI whose answer was suppressed had been refused; QUIT is never queued.
      if (this.#multi === "assumed") this.#closeTransaction();
      else if (head.text !== "OK") throw new PairingError("A request was not queued in MULTI");
    }
    switch (reply.type) {
      case "subscription":
        return this.#answerSubscription(reply.word, head);
      case "reply on":
        return this.#answerReplyOn(reply, head);
      case "reply off":
        return this.#answerReplyOff(reply, head);
      case "reply skip":
        return this.#answerReplySkip(reply, head);
      case "skipped":
        return this.#answerSkipped(head);
      case "none":
        return this.#answerIfRefused("replconf", reply, head);
      case "empty":
        return this.#passEmpty();
      case "reset":
        return this.#answerReset(reply, head);
      case "unseen":
        if (this.#off) return this.#unanswered(this.#coming.run);
        throw new PairingError("Replies came that CLIENT REPLY OFF should have suppressed");
      default:
        return this.#isSilent ? this.#carryOutSilently(reply) : this.#answerPlainly(reply, head);
    }
  }

  get #isSilent(): boolean {
    return !this.#inResults ? this.#off || this.#skip : this.#off;
  }

  /** The frame answers the first request. */
  #answered(reply: Reply, head: FrameHead): Verdict {
    if (!fits(reply, head)) throw new PairingError(`A frame does not answer '${reply.type}'`);
    this.#unsureOfShards = false;
    this.#done();
    return verdictOn(reply, head);
  }

  /** The first request, or so many of the same kind, get no answer. */
  #unanswered(count = 1): undefined {
    this.#done(count);
    return undefined;
  }

  #closeTransaction(): void {
    this.#multi = "closed";
    this.#queuedReplyOn = false;
    this.#transaction?.clear();
  }

  #answerPlainly(reply: Reply, head: FrameHead): Verdict | undefined {
    const failed = isFailure(head);
    const told = head.text.startsWith("WRONGPASS ") && !this.#results?.has("imitates");
    if (this.#inResults && mayBeDropped(reply) && !told) {
      throw new PairingError("Nothing tells whether an AUTH in a transaction was answered");
    }
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
        // A second MONITOR is ignored, if it is not refused, as one in a transaction always is.
        if (this.#monitoring && !this.#inResults) {
          return this.#answerIfRefused("monitor", reply, head);
        }
        this.#monitoring ||= !failed;
        break;
      case "stream":
        return this.#answerStream(reply, head);
    }
    return this.#answered(reply, head);
  }

  #answerStream(reply: Reply, head: FrameHead): Verdict {
    if (this.#monitoring) throw new PairingError("SYNC came from a client that monitors");
    if (isFailure(head)) return this.#answered(reply, head);
    if (!fits(reply, head)) throw new PairingError("A frame begins no replication stream");
    return Verdicts.blind;
  }

  #answerExec(reply: Reply, head: FrameHead): Verdict {
    if (head.type !== Byte.array || head.count < 0) {
      // Refused, aborted, or a watched key had changed: in each case the transaction is over.
      this.#closeTransaction();
      return this.#answered(reply, head);
    }
    if (this.#multi === "closed" || head.count !== this.#queued.total) {
      throw new PairingError("The results of a transaction do not fit its commands");
    }
    if (head.count === 0) {
      this.#closeTransaction();
      return this.#answered(reply, head);
    }
    this.#beginResults();
    return Verdicts.header;
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

  /** Of the results of a silent EXEC only confirmations are seen, if it is not refused. */
  #execSilently(): undefined {
    if (this.#queuedReplyOn) {
      throw new PairingError("Nothing tells whether an EXEC in CLIENT REPLY OFF turned it on");
    }
    if (this.#queued.total > 0) this.#beginResults();
    else {
      this.#closeTransaction();
      this.#done();
    }
    return undefined;
  }

  /** RESP2 subscribers may do nothing but subscribe, unsubscribe, PING, QUIT and RESET. */
  get #isRestricted(): boolean {
    return !this.#resp3 && !this.#inResults && this.#subscriptions.total > 0;
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
        if (this.#subscriptions.total > 0) {
          throw new PairingError("Nothing tells whether a subscriber's protocol has changed");
        }
        break;
      case "monitor":
      case "stream":
      case "unknown":
        throw new PairingError(`Nothing tells what became of a '${reply.type}'`);
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
    if (head.word === word && head.count === 3) {
      return this.#beginConfirmation(word, true, head.type === Byte.push);
    }
    if (this.#isSilent) return this.#unanswered();
    if (isFailure(head)) return this.#answered(Replies.plain, head);
    throw new PairingError(`No confirmation came to '${word}'`);
  }

  /** ON is answered even where replies are suppressed, for it ends that first. */
  #answerReplyOn(reply: Reply, head: FrameHead): Verdict | undefined {
    const confirmed = head.type === Byte.status && head.text === "OK";
    if (!confirmed && this.#isSilent) return this.#unanswered();
    if (confirmed) this.#off = this.#skip = false;
    return this.#answered(reply, head);
  }

  /** OFF is answered only if it is refused; else no error comes until it is ended. */
  #answerReplyOff(reply: Reply, head: FrameHead): Verdict | undefined {
    if (!this.#isSilent && isFailure(head)) return this.#answered(reply, head);
    this.#off = true;
    return this.#unanswered();
  }

  /** So is SKIP, but an error may as well be for the request behind the next. */
  #answerReplySkip(reply: Reply, head: FrameHead): Verdict | undefined {
    if (!this.#isSilent && this.#isRefusal("client|reply", head, 2)) {
      return this.#answered(reply, head);
    }
    if (!this.#off) this.#skipNext = true;
    return this.#unanswered();
  }

  #answerSkipped(head: FrameHead): undefined {
    if (this.#multi === "closed" && !isFailure(head)) {
      return this.#unanswered(this.#coming.run);
    }
    // It is not so simple: take SKIP and what it is for one by one.
    this.#coming.replaceFirst(Replies.replySkip, Replies.plain);
    return undefined;
  }

  #answerIfRefused(command: string, reply: Reply, head: FrameHead): Verdict | undefined {
    const refused = !this.#isSilent && this.#isRefusal(command, head, 1);
    return refused ? this.#answered(reply, head) : this.#unanswered();
  }

  /**
   * Whether a frame refuses the first request, of a kind that is answered only then. If others
   * could have been answered by now, that is those behind the first `unanswered`, it depends on
   * what the error says, and some errors leave it open.
   */
  #isRefusal(command: string, head: FrameHead, unanswered: number): boolean {
    if (!isFailure(head)) return false;
    const outstanding = this.#queue.total + (this.#inResults ? this.#results!.total : 0);
    if (this.#isRestricted || outstanding <= unanswered) return true;
    const refusal = readRefusal(command, head);
    if (refusal === "no") return false;
    if (refusal === "unsure" || this.#results?.has("imitates") || this.#queue.has("imitates")) {
      throw new PairingError("An error does not tell which request it answers");
    }
    return true;
  }

  /** RESET ends OFF and is then answered; right behind SKIP it is not. */
  #answerReset(reply: Reply, head: FrameHead): Verdict | undefined {
    if (this.#skip && !this.#off) {
      this.#resetConnection();
      return this.#unanswered();
    }
    if (head.type === Byte.status && head.text === "RESET") {
      this.#resetConnection();
      return this.#answered(reply, head);
    }
    // Servers before 6.2 do not know it.
    return this.#isSilent ? this.#unanswered() : this.#answered(reply, head);
  }

  /** As `resetCommand` (networking.c) does. */
  #resetConnection(): void {
    this.#closeTransaction();
    this.#off = false;
    this.#resp3 = this.#monitoring = this.#unsureOfShards = false;
    this.#subscriptions.clear();
  }
}

const MESSAGE_WORDS: ReadonlySet<string> = new Set(["message", "pmessage", "smessage"]);

/** What an error says of whether it refuses the command, `client|reply` for one. */
function readRefusal(command: string, head: FrameHead): "yes" | "no" | "unsure" {
  const { text } = head;
  const [name] = command.split("|");
  if (text.startsWith("NOAUTH ")) return "yes";
  // Another client's script may have begun only after this command.
  if (text.startsWith("BUSY ")) return "unsure";
  if (text.startsWith("ERR unknown command ")) {
    const unknown = /^['`]([^'`]*)['`]/.exec(text.slice("ERR unknown command ".length));
    return unknown?.[1]?.toLowerCase() === name ? "yes" : "no";
  }
  if (!text.startsWith("NOPERM ")) return "no";
  if (text.includes(`'${command}'`)) return "yes";
  // Servers before 7.0 do not say which subcommand was refused.
  return head.cut || text.includes(`'${name}'`) ? "unsure" : "no";
}

/**
 * A pipeline of 30,000 scripts, each in a transaction of its own or among other commands, needs no
 * more, and is more than clients send before they read. It takes 10 MB at the most to remember.
 */
const MOST_RUNS = 100_000;

/** Under CLIENT REPLY OFF no answer may ever come, but so many kinds of silence are remembered. */
const RUNS_UNDER_OFF = 1024;

function isSubscription(reply: Reply | undefined, word: SubscribeWord): boolean {
  return reply?.type === "subscription" && reply.word === word;
}
