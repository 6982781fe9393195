import {
  ExpectedReplies,
  type ExpectedReply,
  isQueued,
  type MarkedReply,
  type SubscribeCommand,
} from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { isAddressPush } from "../rewrite/replies/push.ts";
import { Condition } from "./condition.ts";
import { Confirmations } from "./confirmations.ts";
import { ConnectionState } from "./connection_state.ts";
import { ExecResults } from "./exec_results.ts";
import { fits } from "./expected_frame.ts";
import { actionFor, type FrameAction, FrameActions } from "./frame_action.ts";
import { type FrameHead, isErrorFrame } from "./frame_head.ts";
import { type Answered, isMarkerAnswer, isMarkerLine, isNonce } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import { LoginRefusedError } from "./login_refused_error.ts";
import { AbandonedError, PairingError } from "./pairing_error.ts";
import { PendingReplies } from "./pending_replies.ts";
import { answersSubscription, isSubscribeCommand } from "./subscriptions.ts";

/**
 * Pairs each frame of a node with the request that it answers.
 *
 * The request relay adds the expected reply of each request (`expect`). The reply relay gets the
 * action for each frame (`match`). Most replies are one plain frame: `plainRun` is the number of
 * these that come next, and `consume` takes them. The other replies depend on the state of the
 * connection (`ConnectionState`). The connection itself goes through:
 *
 * ```
 *   tracking ──SYNC, PSYNC, Lua debugger──▶ blind
 *        └──the node closes──▶ abandoned
 * ```
 *
 * CLIENT REPLY is emulated here: the node only gets CLIENT REPLY ON, so it answers every request.
 * Where frames may be ambiguous, the request relay sends a marker after the request (see
 * `SentRequests.needsMarker`). A frame that answers no request throws a PairingError, because a
 * guess could let a private address through.
 */
export class ReplyTracker {
  readonly #state = new ConnectionState();
  readonly #pending = new PendingReplies(this.#state);
  readonly #results = new ExecResults(this.#state);
  /** Undefined before the first confirmation: most connections get none. */
  #confirmations: Confirmations | undefined;
  #progress: Condition | undefined;
  #connection: "tracking" | "blind" | "abandoned" = "tracking";
  /** Whether the node has sent a push. */
  #hasPushes = false;

  /** Whether the first request, if it has a marker, was answered. */
  #answered: Answered = "no";
  /** The nonces of markers that an error seems to have refused. */
  #refusedNonces: Set<string> | undefined;
  /** Whether the frame that was matched last is incomplete. */
  #isInFrame = false;

  /**
   * Adds the reply to a request that is about to be sent, or to each of `count` such requests.
   *
   * @throws {PairingError} when too many replies are pending
   */
  expect(reply: ExpectedReply, count = 1): void {
    this.#pending.add(reply, count);
  }

  /** Whether a marker must follow a request, see `SentRequests.needsMarker`. */
  needsMarker(reply: ExpectedReply): boolean {
    return this.#pending.sent.needsMarker(reply, this.#isQuiet);
  }

  /** Whether a transaction will queue a request that is sent now. */
  get transaction(): "none" | "open" | "unknown" {
    return this.#pending.transaction;
  }

  /** Whether the bytes of both sides pass without parsing: replication, or the Lua debugger. */
  get isBlind(): boolean {
    return this.#connection === "blind";
  }

  /**
   * Waits until every reply has come, or the connection is blind.
   *
   * @throws {AbandonedError} if the node closes the connection before
   */
  drained(): Promise<void> {
    return this.#until(() => this.#isDrained);
  }

  /**
   * Waits until `transaction` is known, or the connection is blind.
   *
   * @throws {AbandonedError} if the node closes the connection before
   */
  transactionKnown(): Promise<void> {
    return this.#until(() => this.transaction !== "unknown");
  }

  /** Records that the node sends no more replies. */
  abandon(): void {
    if (this.#connection === "tracking") this.#connection = "abandoned";
    this.#progress?.fail(new AbandonedError());
  }

  /**
   * How many of the next frames are plain replies, except for errors and pushes among them: forward
   * them, or drop them if `isMuted`. If it is 0, call `match`.
   */
  get plainRun(): number {
    if (
      this.#state.mayGetUnsolicited || this.#state.replyMode.skip === "now" ||
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

  /** How many RESETs the node has accepted. */
  get resets(): number {
    return this.#state.resets;
  }

  /** Whether the client does not get the reply to the first request. */
  get isMuted(): boolean {
    return this.#state.isMuted;
  }

  /** Whether `match` needs the first value of arrays and the text of bulks. */
  get needsValues(): boolean {
    const type = this.#pending.first?.type;
    return this.#state.mayGetUnsolicited || type === "subscription" || type === "marked" ||
      this.#results.areHeld || this.#refusedNonces !== undefined;
  }

  /**
   * Returns the action for the frame that begins with `head`.
   *
   * @throws {PairingError} if it answers no request
   */
  match(head: FrameHead): FrameAction {
    // Set first, because `drained` must not resolve before the last byte of the last reply.
    this.#isInFrame = true;
    const action = this.#match(head);
    if (action.type === "header") this.frameEnded();
    return action;
  }

  /** Records that the frame that was matched last is complete. */
  frameEnded(): void {
    this.#isInFrame = false;
    this.#wake();
  }

  /** Records a complete confirmation; `count` is its last value. */
  confirm(count: number): void {
    if (this.#confirmations!.end(count, this.#pending.first)) this.#done();
  }

  /** Counts a held frame, or returns true if the frame answers the marker. */
  endsHold(head: FrameHead): boolean {
    const { nonce } = this.#pending.firstRequest as MarkedReply;
    return this.#results.add(head, isNonce(nonce, head));
  }

  #match(head: FrameHead): FrameAction {
    if (this.#refusedNonces?.has(head.first) || this.#refusedNonces?.has(head.second)) {
      throw new PairingError("The node answered a marker after an error that seemed to refuse it");
    }
    if (head.type === Byte.push) return this.#matchPush(head);
    if (head.type === Byte.array && this.#state.mayGetUnsolicited) {
      if (this.#state.isMessage(head)) return FrameActions.pass;
      if (this.#state.isShardUnsubscribe(head, this.#pending.first)) {
        return this.#beginConfirmation("sunsubscribe", false);
      }
    }
    if (head.type === Byte.status && this.#state.isMonitoring && isMonitorLine(head.text)) {
      // networking.c `prepareClientToWrite`: without replies there are no lines.
      return this.isMuted || isMarkerLine(head.text) ? FrameActions.drop : FrameActions.pass;
    }
    const reply = this.#pending.first;
    if (reply === undefined) return this.#matchUnsolicited(head);
    return reply.type === "marked" ? this.#matchMarked(reply, head) : this.#matchReply(reply, head);
  }

  #matchPush(head: FrameHead): FrameAction {
    this.#hasPushes = true;
    if (isAddressPush(head.first)) return FrameActions.rewritePush;
    if (!isSubscribeCommand(head.first)) return FrameActions.pass;
    return this.#matchConfirmation(head.first);
  }

  /** Only `sunsubscribe` may be unsolicited: a node that loses a slot ends its subscriptions. */
  #matchConfirmation(command: SubscribeCommand): FrameAction {
    const reply = this.#pending.first;
    const isQueuing = this.#state.transaction.phase === "open";
    if (answersSubscription(reply, command) && !isQueuing) {
      return this.#beginConfirmation(command, true);
    }
    const isMarked = reply?.type === "marked" && answersSubscription(reply.reply, command);
    if (isMarked) this.#answered = "perhaps";
    if (!isMarked && !(command === "sunsubscribe" && this.#pending.sent.mayHaveShardChannels)) {
      throw new PairingError(`The node sent an unsolicited confirmation of '${command}'`);
    }
    return this.#beginConfirmation(command, false);
  }

  #beginConfirmation(command: SubscribeCommand, isRequested: boolean): FrameAction {
    (this.#confirmations ??= new Confirmations(this.#state.subscriptions)).begin(
      command,
      isRequested,
    );
    return FrameActions.confirm;
  }

  /** Allows an error only: a node sends one when it refuses or closes a connection. */
  #matchUnsolicited(head: FrameHead): FrameAction {
    if (head.type === Byte.error) return actionFor(ExpectedReplies.plain, head);
    throw new PairingError("The node sent a reply to no request");
  }

  /** Matches a frame while a request or the marker after it is unanswered. */
  #matchMarked(marked: MarkedReply, head: FrameHead): FrameAction {
    if (isMarkerAnswer(marked, head, this.#answered)) {
      // The error may not answer the marker; then the nonce comes later.
      if (isErrorFrame(head)) (this.#refusedNonces ??= new Set()).add(marked.nonce);
      this.#done();
      return FrameActions.drop;
    }
    const { reply } = marked;
    if (reply.type === "subscription" && !isErrorFrame(head)) {
      return this.#matchRequestedConfirmation(reply.command, head);
    }
    if (this.#answered === "yes") {
      throw new PairingError(`The node sent two replies to one request; expected '${reply.type}'`);
    }
    if (reply.type === "exec" && hasResults(head)) return this.#beginResults(head, true);
    const action = this.#apply(reply, head);
    this.#answered = "yes";
    return action;
  }

  /** Matches a frame that answers the first request, which has no marker. */
  #matchReply(reply: ExpectedReply, head: FrameHead): FrameAction {
    if (this.#state.transaction.phase === "open" && isQueued(reply)) {
      if (head.type === Byte.status && head.text === "QUEUED") {
        this.#state.transaction.queued.add(reply, 1);
        const { isMuted } = this;
        this.#done();
        return isMuted ? FrameActions.drop : FrameActions.pass;
      }
      // QUIT is never queued.
      if (!isErrorFrame(head) && head.text !== "OK") {
        throw new PairingError("The node did not queue a command after MULTI");
      }
    }
    if (reply.type === "subscription" && !isErrorFrame(head)) {
      return this.#matchRequestedConfirmation(reply.command, head);
    }
    if (reply.type === "exec" && hasResults(head)) return this.#beginResults(head, false);
    const action = this.#apply(reply, head);
    this.#done();
    return action;
  }

  #matchRequestedConfirmation(command: SubscribeCommand, head: FrameHead): FrameAction {
    if (head.first === command && head.count === 3) return this.#matchConfirmation(command);
    throw new PairingError(`The node sent another frame than the confirmation of '${command}'`);
  }

  /** Updates the state for the reply to a request, and returns the action for the reply. */
  #apply(reply: ExpectedReply, head: FrameHead): FrameAction {
    const state = this.#state;
    if (state.endsReplies(reply, head)) return this.#becomeBlind();
    if (!fits(reply, head)) {
      throw new PairingError(`The node sent another frame than the expected reply '${reply.type}'`);
    }
    state.update(reply, head);
    if (reply.type === "login") {
      if (isErrorFrame(head)) throw LoginRefusedError.afterReset(head.text);
      return FrameActions.drop;
    }
    // ON is always answered, OFF and SKIP never.
    if (reply.type === "client reply" && !isErrorFrame(head)) {
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
    const action = this.#results.begin(head, isMarked);
    this.#endResults();
    return action;
  }

  /** Whether the reply to a request that is sent now is the next frame of the node. */
  get #isQuiet(): boolean {
    return this.#isDrained && !this.#state.isResp3 && !this.#state.mayGetUnsolicited &&
      !this.#hasPushes;
  }

  get #isDrained(): boolean {
    return this.#pending.requests === 0 && !this.#isInFrame;
  }

  /** Records that the first `count` requests, or results, were answered. */
  #done(count = 1): void {
    this.#confirmations?.endRequest();
    this.#answered = "no";
    if (this.#state.transaction.phase === "results") {
      this.#state.transaction.left.take(count);
      this.#endResults();
      return;
    }
    this.#pending.takeRequests(count);
    this.#wake();
  }

  /** Ends EXEC once its last result has come. */
  #endResults(): void {
    if (!this.#results.end()) return;
    if (this.#pending.firstRequest?.type === "marked") this.#answered = "yes";
    else this.#done();
  }

  /** Waits until `holds` returns true or the connection is blind. */
  async #until(holds: () => boolean): Promise<void> {
    if (this.#connection === "abandoned" && !holds()) throw new AbandonedError();
    this.#progress ??= new Condition();
    await this.#progress.wait(() => this.#connection === "blind" || holds());
  }

  #wake(): void {
    if (this.#refusedNonces !== undefined && this.#isDrained) this.#refusedNonces = undefined;
    this.#progress?.check();
  }
}

/** Whether a frame that answers EXEC is followed by the results of its commands. */
function hasResults(head: FrameHead): boolean {
  return head.type === Byte.array && head.count >= 0;
}
