import {
  ExpectedReplies,
  type ExpectedReply,
  isQueued,
  type MarkedReply,
  type SubscribeWord,
} from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { fits } from "./expected_frame.ts";
import { isAddressPush } from "../rewrite/replies/push.ts";
import { actionFor, type FrameAction, FrameActions } from "./frame_action.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";
import { type Answered, isMarkerAnswer, isMarkerLine, isNonce } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import { AbandonedError, PairingError } from "./pairing_error.ts";
import {
  isMuted,
  modeAfter,
  modeAfterRequest,
  modeAfterReset,
  REPLIES_ON,
  type ReplyMode,
} from "./reply_mode.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { SentRequests } from "./sent_requests.ts";
import { isMessage, isSubscribeWord, Subscriptions } from "./subscriptions.ts";
import {
  HeldResults,
  NO_TRANSACTION,
  type Reading,
  type Transaction,
  USUAL_READING,
} from "./transaction.ts";

/** Somebody who waits for replies. */
interface Waiter extends PromiseWithResolvers<void> {
  /** Whether what it waits for has happened. */
  isOver(): boolean;
}

/**
 * Pairs every frame of a node with the request that it answers.
 *
 * The request side adds the reply that each request will get (`expect`). The reply side asks for
 * each frame what to do with it (`match`). Most requests get one frame that needs no attention:
 * `plainRun` is the number of such replies that come next, and `consume` takes them. For the other
 * requests the tracker follows the state that the server keeps for the connection:
 *
 * ```
 *   transaction   none ─▶ open ─▶ results                         transaction.ts
 *   replies       on ─▶ off, on ─▶ skipNext ─▶ skip               reply_mode.ts
 *   connection    requests and replies ─▶ blind (SYNC, debugger)
 *                                      ─▶ abandoned (the node has closed)
 * ```
 *
 * The node answers every request, because CLIENT REPLY is emulated here and never reaches it in
 * another mode than ON. Where the frames leave open which request they answer, the request relay
 * sends a marker behind the request (see `SentRequests.isDoubtful`). A frame that fits nothing
 * throws PairingError, because a guess could let a private address through.
 */
export class ReplyTracker {
  readonly #queue = new ReplyQueue();
  readonly #sent = new SentRequests();
  readonly #subscriptions = new Subscriptions();
  #transaction: Transaction = NO_TRANSACTION;
  #mode: ReplyMode = REPLIES_ON;
  #connection: "conversing" | "blind" | "abandoned" = "conversing";
  #resp3 = false;
  #isMonitoring = false;
  /** SCRIPT DEBUG is in force: the next EVAL starts a session of the debugger. RESET keeps it. */
  #isDebugging = false;
  /** Pushes have come. */
  #hasPushes = false;

  /** Whether the marked request at the front was answered. */
  #answered: Answered = "no";
  /** The nonces of markers that an error seems to have answered. */
  #refusedNonces: Set<string> | undefined;
  /** The results of an EXEC that are held until its marker is answered. */
  #held: HeldResults | undefined;
  /** Confirmations still to come for the subscription at the front; 0 before the first. */
  #unconfirmed = 0;
  #confirming: { readonly word: SubscribeWord; readonly isAsked: boolean } | undefined;
  /** The frame that was matched last is not complete. */
  #isInFrame = false;
  #waiter: Waiter | undefined;

  /**
   * Adds the reply to a request that is about to be sent, or to each of `count` such requests.
   *
   * @throws {PairingError} when too many replies are outstanding
   */
  expect(reply: ExpectedReply, count = 1): void {
    const queue = this.#queue;
    if (reply === ExpectedReplies.plain) {
      queue.add(reply, count);
      return;
    }
    if (reply === ExpectedReplies.empty) {
      if (queue.total === 0) {
        this.#mode = modeAfterRequest(this.#mode);
        return;
      }
      // SKIP can only mean this request if it is the one before.
      if (queue.last === ExpectedReplies.plain) return;
    }
    // There is at most one plain run more than there are other runs.
    if (this.#runs >= MAX_RUNS) {
      throw new PairingError(
        `The client left more than ${MAX_RUNS} requests unanswered that alternate in kind`,
      );
    }
    this.#sent.add(reply);
    queue.add(reply, count);
  }

  /** Whether a marker must follow a request, see `SentRequests.isDoubtful`. */
  isDoubtful(reply: ExpectedReply): boolean {
    return this.#sent.isDoubtful(reply, this.#isQuiet);
  }

  /** Whether a transaction will queue a request that is sent now. */
  get transaction(): "none" | "open" | "unknown" {
    if (!this.#sent.mayTransact) return "none";
    if (this.#sent.awaitsTransaction) return "unknown";
    return this.#transaction.phase === "none" ? "none" : "open";
  }

  /** Whether the bytes of both sides pass without being read: replication, or the Lua debugger. */
  get isBlind(): boolean {
    return this.#connection === "blind";
  }

  /**
   * Waits until every reply has come, or the connection is blind.
   *
   * @throws {AbandonedError} when the node has closed before
   */
  drained(): Promise<void> {
    return this.#until(() => this.#isSettled);
  }

  /**
   * Waits until `transaction` is known, or the connection is blind.
   *
   * @throws {AbandonedError} when the node has closed before
   */
  transactionKnown(): Promise<void> {
    return this.#until(() => this.transaction !== "unknown");
  }

  /** Records that no more replies will come. */
  abandon(): void {
    if (this.#connection === "conversing") this.#connection = "abandoned";
    this.#waiter?.reject(new AbandonedError());
  }

  /**
   * How many of the next frames need no attention unless one is an error or a push: the client gets
   * them, or does not if `isMuted`. With 0, `match` must be asked.
   */
  get plainRun(): number {
    if (this.#isWatchful || this.#mode.skip === "now" || this.#refusedNonces !== undefined) {
      return 0;
    }
    const { first, run } = this.#coming;
    return first === ExpectedReplies.plain ? run : 0;
  }

  /** Takes frames of the `plainRun`. */
  consume(frames: number): void {
    if (this.#transaction.phase === "open") {
      this.#transaction.queued.add(ExpectedReplies.plain, frames);
    }
    this.#done(frames);
  }

  /** Whether the client does not get the reply to the first request. */
  get isMuted(): boolean {
    return isMuted(this.#mode);
  }

  /** Whether `match` needs the first value of arrays, and the text of bulks. */
  get wantsWord(): boolean {
    const type = this.#coming.first?.type;
    return this.#isWatchful || type === "subscription" || type === "marked" ||
      this.#held !== undefined || this.#refusedNonces !== undefined;
  }

  /**
   * Returns what to do with the frame that begins with `head`.
   *
   * @throws {PairingError} if it answers no request
   */
  match(head: FrameHead): FrameAction {
    // Before anything else: the last reply has come when its last byte has.
    this.#isInFrame = true;
    const action = this.#match(head);
    if (action.type === "header") this.frameEnded();
    return action;
  }

  /** The frame that was matched last is complete. */
  frameEnded(): void {
    this.#isInFrame = false;
    this.#wake();
  }

  /** A confirmation is complete; `count` is the number at its end. */
  confirm(count: number): void {
    const { word, isAsked } = this.#confirming!;
    this.#confirming = undefined;
    if (isAsked) {
      const reply = this.#coming.first;
      if (this.#unconfirmed === 0 && reply?.type === "subscription") {
        this.#unconfirmed = reply.channels || Math.max(1, this.#subscriptions.endedBy(word));
      }
      if (this.#unconfirmed === 1) this.#done();
      else this.#unconfirmed--;
    }
    this.#subscriptions.confirm(word, count);
  }

  /** Counts a frame that is held, and returns whether it is the answer to the marker instead. */
  endsHold(head: FrameHead): boolean {
    const { nonce } = this.#queue.first as MarkedReply;
    return this.#held!.add(head, isNonce(nonce, head));
  }

  #match(head: FrameHead): FrameAction {
    if (this.#refusedNonces?.has(head.word) || this.#refusedNonces?.has(head.second)) {
      throw new PairingError("A marker was answered after an error that seemed to be its answer");
    }
    if (head.type === Byte.push) return this.#matchPush(head);
    if (head.type === Byte.array && this.#isWatchful) {
      if (this.#isMessage(head)) return FrameActions.pass;
      if (this.#isShardLoss(head)) return this.#beginConfirmation("sunsubscribe", false);
    }
    if (head.type === Byte.status && this.#isMonitoring && isMonitorLine(head.text)) {
      // networking.c `prepareClientToWrite`: without replies there are no lines, either.
      return this.isMuted || isMarkerLine(head.text) ? FrameActions.drop : FrameActions.pass;
    }
    const reply = this.#coming.first;
    if (reply === undefined) return this.#matchUnasked(head);
    return reply.type === "marked" ? this.#matchMarked(reply, head) : this.#matchReply(reply, head);
  }

  #matchPush(head: FrameHead): FrameAction {
    this.#hasPushes = true;
    if (isAddressPush(head.word)) return FrameActions.rewritePush;
    if (!isSubscribeWord(head.word)) return FrameActions.pass;
    return this.#matchConfirmation(head.word);
  }

  /** Only `sunsubscribe` comes unasked: a node that loses a slot ends its subscriptions. */
  #matchConfirmation(word: SubscribeWord): FrameAction {
    const reply = this.#coming.first;
    const isQueuing = this.#transaction.phase === "open";
    if (isSubscription(reply, word) && !isQueuing) return this.#beginConfirmation(word, true);
    const isMarked = reply?.type === "marked" && isSubscription(reply.reply, word);
    if (isMarked) this.#answered = "perhaps";
    if (!isMarked && !(word === "sunsubscribe" && this.#sent.mayHaveShardChannels)) {
      throw new PairingError(`The node sent a '${word}' that was not requested`);
    }
    return this.#beginConfirmation(word, false);
  }

  #beginConfirmation(word: SubscribeWord, isAsked: boolean): FrameAction {
    this.#confirming = { word, isAsked };
    return FrameActions.confirm;
  }

  /** A message to a RESP2 subscriber is an array like any reply. */
  #isMessage(head: FrameHead): boolean {
    if (this.#resp3 || this.#subscriptions.total === 0 || !isMessage(head)) return false;
    const { phase } = this.#transaction;
    return phase !== "results" || !this.#transaction.reading.resultsLookLikeMessages;
  }

  /** A RESP2 subscriber whose slot moves away gets what looks like a confirmation. */
  #isShardLoss(head: FrameHead): boolean {
    if (this.#subscriptions.shardChannels === 0 || this.#transaction.phase === "results") {
      return false;
    }
    if (head.word !== "sunsubscribe" || head.count !== 3) return false;
    const reply = this.#coming.first;
    return !isSubscription(reply?.type === "marked" ? reply.reply : reply, "sunsubscribe");
  }

  /** A node sends an error when it refuses or closes a connection. */
  #matchUnasked(head: FrameHead): FrameAction {
    if (head.type === Byte.error) return actionFor(ExpectedReplies.plain, head);
    throw new PairingError("The node sent a reply to no request");
  }

  /** Matches a frame that comes before the answer to the marker behind a request. */
  #matchMarked(marked: MarkedReply, head: FrameHead): FrameAction {
    if (isMarkerAnswer(marked, head, this.#answered)) {
      // If the error was not its answer, that is still to come.
      if (isFailure(head)) (this.#refusedNonces ??= new Set()).add(marked.nonce);
      this.#done();
      return FrameActions.drop;
    }
    const { reply } = marked;
    if (reply.type === "subscription" && !isFailure(head)) {
      return this.#confirmationOf(reply.word, head);
    }
    if (this.#answered === "yes") {
      throw new PairingError(`The node sent two replies to one request ('${reply.type}')`);
    }
    if (reply.type === "exec" && hasResults(head)) return this.#beginResults(head, true);
    const action = this.#apply(reply, head);
    this.#answered = "yes";
    return action;
  }

  /** Matches a frame that answers the first request. */
  #matchReply(reply: ExpectedReply, head: FrameHead): FrameAction {
    if (this.#transaction.phase === "open" && isQueued(reply)) {
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#transaction.queued.add(reply, 1);
        const { isMuted } = this;
        this.#done();
        return isMuted ? FrameActions.drop : FrameActions.pass;
      }
      // QUIT is never queued.
      if (!isFailure(head) && head.text !== "OK") {
        throw new PairingError("The node did not queue a command after MULTI");
      }
    }
    if (reply.type === "subscription" && !isFailure(head)) {
      return this.#confirmationOf(reply.word, head);
    }
    if (reply.type === "exec" && hasResults(head)) return this.#beginResults(head, false);
    const action = this.#apply(reply, head);
    this.#done();
    return action;
  }

  #confirmationOf(word: SubscribeWord, head: FrameHead): FrameAction {
    if (head.word === word && head.count === 3) return this.#matchConfirmation(word);
    throw new PairingError(`The node did not confirm a '${word}'`);
  }

  /** Follows what the node has done for a request, and returns what to do with its reply. */
  #apply(reply: ExpectedReply, head: FrameHead): FrameAction {
    // The debugger drops the replies to what was sent before its session in one write.
    if (reply === ExpectedReplies.debugScripts && head.type === Byte.array) {
      return this.#becomeBlind();
    }
    if (!fits(reply, head)) {
      throw new PairingError(`The node sent what does not answer the request ('${reply.type}')`);
    }
    const isRefused = isFailure(head);
    switch (reply.type) {
      case "exec":
      case "abort":
        // Refused, aborted, or a watched key has changed: the transaction is over in each case.
        this.#transaction = NO_TRANSACTION;
        break;
      case "stream":
        if (!isRefused) return this.#becomeBlind();
        break;
      case "script":
        if (!isRefused && reply.debuggable && this.#isDebugging) return this.#becomeBlind();
        break;
      case "client reply": {
        if (isRefused) break;
        this.#mode = modeAfter(this.#mode, reply.mode);
        return reply.mode === "on" ? FrameActions.pass : FrameActions.drop;
      }
      default:
        if (!isRefused) this.#applyAccepted(reply, head);
    }
    return this.isMuted ? FrameActions.drop : actionFor(reply, head);
  }

  #applyAccepted(reply: ExpectedReply, head: FrameHead): void {
    switch (reply.type) {
      case "multi":
        this.#transaction = { phase: "open", queued: new ReplyQueue() };
        break;
      case "discard":
        this.#transaction = NO_TRANSACTION;
        break;
      case "hello":
        this.#resp3 = head.type === Byte.map;
        break;
      case "monitor":
        this.#isMonitoring = true;
        break;
      case "script debug":
        this.#isDebugging = reply.active;
        break;
      case "reset":
        // networking.c `resetCommand`
        this.#transaction = NO_TRANSACTION;
        this.#mode = modeAfterReset(this.#mode);
        this.#resp3 = this.#isMonitoring = false;
        this.#subscriptions.clear();
    }
  }

  #becomeBlind(): FrameAction {
    this.#connection = "blind";
    this.#wake();
    return FrameActions.blind;
  }

  #beginResults(head: FrameHead, isMarked: boolean): FrameAction {
    const transaction = this.#transaction;
    if (transaction.phase !== "open" || head.count !== transaction.queued.total) {
      throw new PairingError("The node sent results that do not fit the commands after MULTI");
    }
    const { queued } = transaction;
    const reading = isMarked ? this.#readingOf(queued) : USUAL_READING;
    if (reading === undefined) return { type: "hold", head };
    const { isMuted } = this;
    this.#transaction = { phase: "results", left: reading.left ?? queued, reading };
    this.#endResults();
    return isMuted ? FrameActions.dropHeader : FrameActions.header;
  }

  /** How to read the results of a transaction; undefined before all of them have come. */
  #readingOf(queued: ReplyQueue): Reading | undefined {
    const held = this.#held ??= new HeldResults(queued, {
      hasMessages: !this.#resp3,
      hasLines: this.#isMonitoring,
    });
    if (held.isUnclear && !held.isComplete) return undefined;
    this.#held = undefined;
    const reading = held.isUnclear ? held.read() : USUAL_READING;
    if (reading === undefined) {
      throw new PairingError("The node sent results that may belong to several commands");
    }
    return reading;
  }

  get #coming(): ReplyQueue {
    return this.#transaction.phase === "results" ? this.#transaction.left : this.#queue;
  }

  /** How many runs are kept for this connection. */
  get #runs(): number {
    const transaction = this.#transaction;
    const inTransaction = transaction.phase === "open"
      ? transaction.queued.runs
      : transaction.phase === "results"
      ? transaction.left.runs
      : 0;
    return this.#queue.runs + inTransaction;
  }

  /** Whether frames may come unasked that look like replies. */
  get #isWatchful(): boolean {
    return this.#isMonitoring || (!this.#resp3 && this.#subscriptions.total > 0);
  }

  /** Whether the node has nothing to send before the reply to a request that is sent now. */
  get #isQuiet(): boolean {
    return this.#isSettled && !this.#resp3 && !this.#isWatchful && !this.#hasPushes;
  }

  get #isSettled(): boolean {
    return this.#queue.total === 0 && !this.#isInFrame;
  }

  /** The first `count` requests are answered. */
  #done(count = 1): void {
    this.#unconfirmed = 0;
    this.#answered = "no";
    if (this.#transaction.phase === "results") {
      this.#transaction.left.take(count);
      this.#endResults();
      return;
    }
    const queue = this.#queue;
    this.#sent.answered(queue.first!);
    queue.take(count);
    this.#mode = modeAfterRequest(this.#mode);
    while (queue.first === ExpectedReplies.empty) {
      queue.take(1);
      this.#mode = modeAfterRequest(this.#mode);
    }
    this.#wake();
  }

  /** EXEC is answered when its last result has come; a REPLCONF ACK has no result. */
  #endResults(): void {
    const transaction = this.#transaction;
    if (transaction.phase !== "results") return;
    const { left } = transaction;
    while (left.first === ExpectedReplies.none) left.take(1);
    if (left.total > 0) return;
    this.#transaction = NO_TRANSACTION;
    if (this.#queue.first?.type === "marked") this.#answered = "yes";
    else this.#done();
  }

  /** Waits for one condition at a time: that of the request side, or of the end of the session. */
  async #until(isOver: () => boolean): Promise<void> {
    if (isOver() || this.#connection === "blind") return;
    if (this.#connection === "abandoned") throw new AbandonedError();
    this.#waiter = { ...Promise.withResolvers<void>(), isOver };
    await this.#waiter.promise;
  }

  #wake(): void {
    if (this.#refusedNonces !== undefined && this.#isSettled) this.#refusedNonces = undefined;
    if (this.#waiter === undefined || !(this.#connection === "blind" || this.#waiter.isOver())) {
      return;
    }
    this.#waiter.resolve();
    this.#waiter = undefined;
  }
}

/** Whether a frame that answers EXEC is followed by the results of its commands. */
function hasResults(head: FrameHead): boolean {
  return head.type === Byte.array && head.count >= 0;
}

function isSubscription(reply: ExpectedReply | undefined, word: SubscribeWord): boolean {
  return reply?.type === "subscription" && reply.word === word;
}

/**
 * A pipeline of 30,000 scripts, each in a transaction of its own or among other commands, needs no
 * more, and is more than clients send before they read. A run takes some 100 bytes.
 */
const MAX_RUNS = 100_000;
