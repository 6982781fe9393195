import {
  ExpectedReplies,
  type ExpectedReply,
  isQueued,
  type MarkedReply,
  type SubscribeWord,
} from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { isAddressPush } from "../rewrite/replies/push.ts";
import { Condition } from "./condition.ts";
import { Confirmations } from "./confirmations.ts";
import { ConnectionState } from "./connection_state.ts";
import { fits } from "./expected_frame.ts";
import { actionFor, type FrameAction, FrameActions } from "./frame_action.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";
import { type Answered, isMarkerAnswer, isMarkerLine, isNonce } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import { AbandonedError, PairingError } from "./pairing_error.ts";
import { PendingReplies } from "./pending_replies.ts";
import type { ReplyQueue } from "./reply_queue.ts";
import { answersSubscription, isSubscribeWord } from "./subscriptions.ts";
import { HeldResults, NO_TRANSACTION, type Reading, USUAL_READING } from "./transaction.ts";

/**
 * Pairs every frame of a node with the request that it answers.
 *
 * The request side adds the reply that each request will get (`expect`). The reply side asks for
 * each frame what to do with it (`match`). Most requests get one frame that needs no attention:
 * `plainRun` is the number of such replies that come next, and `consume` takes them. For the other
 * requests it follows the state that the server keeps (`ConnectionState`), up to its end:
 *
 * ```
 *   conversing ──SYNC, PSYNC, Lua debugger──▶ blind
 *        └──the node closes──▶ abandoned
 * ```
 *
 * The node answers every request, because CLIENT REPLY is emulated here and never reaches it in
 * another mode than ON. Where the frames leave open which request they answer, the request relay
 * sends a marker behind the request (see `SentRequests.isDoubtful`). A frame that fits nothing
 * throws PairingError, because a guess could let a private address through.
 */
export class ReplyTracker {
  readonly #state = new ConnectionState();
  readonly #pending = new PendingReplies(this.#state);
  readonly #confirmations = new Confirmations(this.#state.subscriptions);
  readonly #progress = new Condition();
  #connection: "conversing" | "blind" | "abandoned" = "conversing";
  /** Pushes have come. */
  #hasPushes = false;

  /** Whether the marked request at the front was answered. */
  #answered: Answered = "no";
  /** The nonces of markers that an error seems to have answered. */
  #refusedNonces: Set<string> | undefined;
  /** The results of an EXEC that are held until its marker is answered. */
  #held: HeldResults | undefined;
  /** The frame that was matched last is not complete. */
  #isInFrame = false;

  /**
   * Adds the reply to a request that is about to be sent, or to each of `count` such requests.
   *
   * @throws {PairingError} when too many replies are pending
   */
  expect(reply: ExpectedReply, count = 1): void {
    this.#pending.add(reply, count);
  }

  /** Whether a marker must follow a request, see `SentRequests.isDoubtful`. */
  isDoubtful(reply: ExpectedReply): boolean {
    return this.#pending.sent.isDoubtful(reply, this.#isQuiet);
  }

  /** Whether a transaction will queue a request that is sent now. */
  get transaction(): "none" | "open" | "unknown" {
    return this.#pending.transaction;
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
    this.#progress.fail(new AbandonedError());
  }

  /**
   * How many of the next frames need no attention unless one is an error or a push: the client gets
   * them, or does not if `isMuted`. With 0, `match` must be asked.
   */
  get plainRun(): number {
    if (
      this.#state.isWatchful || this.#state.replyMode.skip === "now" ||
      this.#refusedNonces !== undefined
    ) {
      return 0;
    }
    const { first, run } = this.#pending;
    return first === ExpectedReplies.plain ? run : 0;
  }

  /** Takes frames of the `plainRun`. */
  consume(frames: number): void {
    if (this.#state.transaction.phase === "open") {
      this.#state.transaction.queued.add(ExpectedReplies.plain, frames);
    }
    this.#done(frames);
  }

  /** Whether the client does not get the reply to the first request. */
  get isMuted(): boolean {
    return this.#state.isMuted;
  }

  /** Whether `match` needs the first value of arrays, and the text of bulks. */
  get wantsWord(): boolean {
    const type = this.#pending.first?.type;
    return this.#state.isWatchful || type === "subscription" || type === "marked" ||
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
    if (this.#confirmations.end(count, this.#pending.first)) this.#done();
  }

  /** Counts a frame that is held, and returns whether it is the answer to the marker instead. */
  endsHold(head: FrameHead): boolean {
    const { nonce } = this.#pending.firstRequest as MarkedReply;
    return this.#held!.add(head, isNonce(nonce, head));
  }

  #match(head: FrameHead): FrameAction {
    if (this.#refusedNonces?.has(head.word) || this.#refusedNonces?.has(head.second)) {
      throw new PairingError("A marker was answered after an error that seemed to be its answer");
    }
    if (head.type === Byte.push) return this.#matchPush(head);
    if (head.type === Byte.array && this.#state.isWatchful) {
      if (this.#state.isMessage(head)) return FrameActions.pass;
      if (this.#state.isShardLoss(head, this.#pending.first)) {
        return this.#beginConfirmation("sunsubscribe", false);
      }
    }
    if (head.type === Byte.status && this.#state.isMonitoring && isMonitorLine(head.text)) {
      // networking.c `prepareClientToWrite`: without replies there are no lines, either.
      return this.isMuted || isMarkerLine(head.text) ? FrameActions.drop : FrameActions.pass;
    }
    const reply = this.#pending.first;
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
    const reply = this.#pending.first;
    const isQueuing = this.#state.transaction.phase === "open";
    if (answersSubscription(reply, word) && !isQueuing) return this.#beginConfirmation(word, true);
    const isMarked = reply?.type === "marked" && answersSubscription(reply.reply, word);
    if (isMarked) this.#answered = "perhaps";
    if (!isMarked && !(word === "sunsubscribe" && this.#pending.sent.mayHaveShardChannels)) {
      throw new PairingError(`The node sent a '${word}' that was not requested`);
    }
    return this.#beginConfirmation(word, false);
  }

  #beginConfirmation(word: SubscribeWord, isRequested: boolean): FrameAction {
    this.#confirmations.begin(word, isRequested);
    return FrameActions.confirm;
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
    if (this.#state.transaction.phase === "open" && isQueued(reply)) {
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#state.transaction.queued.add(reply, 1);
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
    const state = this.#state;
    if (state.endsReplies(reply, head)) return this.#becomeBlind();
    if (!fits(reply, head)) {
      throw new PairingError(`The node sent what does not answer the request ('${reply.type}')`);
    }
    state.follow(reply, head);
    // Of CLIENT REPLY only ON is answered.
    if (reply.type === "client reply" && !isFailure(head)) {
      return reply.mode === "on" ? FrameActions.pass : FrameActions.drop;
    }
    return state.isMuted ? FrameActions.drop : actionFor(reply, head);
  }

  #becomeBlind(): FrameAction {
    this.#connection = "blind";
    this.#wake();
    return FrameActions.blind;
  }

  #beginResults(head: FrameHead, isMarked: boolean): FrameAction {
    const transaction = this.#state.transaction;
    if (transaction.phase !== "open" || head.count !== transaction.queued.total) {
      throw new PairingError("The node sent results that do not fit the commands after MULTI");
    }
    const { queued } = transaction;
    const reading = isMarked ? this.#readingOf(queued) : USUAL_READING;
    if (reading === undefined) return { type: "hold", head };
    const { isMuted } = this;
    this.#state.transaction = { phase: "results", left: reading.left ?? queued, reading };
    this.#endResults();
    return isMuted ? FrameActions.dropHeader : FrameActions.header;
  }

  /** How to read the results of a transaction; undefined before all of them have come. */
  #readingOf(queued: ReplyQueue): Reading | undefined {
    const held = this.#held ??= new HeldResults(queued, {
      hasMessages: !this.#state.isResp3,
      hasLines: this.#state.isMonitoring,
    });
    if (held.isUnclear && !held.isComplete) return undefined;
    this.#held = undefined;
    const reading = held.isUnclear ? held.read() : USUAL_READING;
    if (reading === undefined) {
      throw new PairingError("The node sent results that may belong to several commands");
    }
    return reading;
  }

  /** Whether the node has nothing to send before the reply to a request that is sent now. */
  get #isQuiet(): boolean {
    return this.#isSettled && !this.#state.isResp3 && !this.#state.isWatchful && !this.#hasPushes;
  }

  get #isSettled(): boolean {
    return this.#pending.requests === 0 && !this.#isInFrame;
  }

  /** The first `count` requests are answered. */
  #done(count = 1): void {
    this.#confirmations.endRequest();
    this.#answered = "no";
    if (this.#state.transaction.phase === "results") {
      this.#state.transaction.left.take(count);
      this.#endResults();
      return;
    }
    this.#pending.takeRequests(count);
    this.#wake();
  }

  /** EXEC is answered when its last result has come; a REPLCONF ACK has no result. */
  #endResults(): void {
    const transaction = this.#state.transaction;
    if (transaction.phase !== "results") return;
    const { left } = transaction;
    while (left.first === ExpectedReplies.none) left.take(1);
    if (left.total > 0) return;
    this.#state.transaction = NO_TRANSACTION;
    if (this.#pending.firstRequest?.type === "marked") this.#answered = "yes";
    else this.#done();
  }

  /** Waits for the request side, or for the end of the session. */
  async #until(holds: () => boolean): Promise<void> {
    if (this.#connection === "abandoned" && !holds()) throw new AbandonedError();
    await this.#progress.wait(() => this.#connection === "blind" || holds());
  }

  #wake(): void {
    if (this.#refusedNonces !== undefined && this.#isSettled) this.#refusedNonces = undefined;
    this.#progress.check();
  }
}

/** Whether a frame that answers EXEC is followed by the results of its commands. */
function hasResults(head: FrameHead): boolean {
  return head.type === Byte.array && head.count >= 0;
}
