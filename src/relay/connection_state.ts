import { ExpectedReplies, type ExpectedReply } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { fits } from "./expected_frame.ts";
import { type FrameHead, isFailure } from "./frame_head.ts";
import { isMuted, modeAfter, modeAfterReset, REPLIES_ON, type ReplyMode } from "./reply_mode.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { answersSubscription, isMessage, Subscriptions } from "./subscriptions.ts";
import { NO_TRANSACTION, type Transaction } from "./transaction.ts";

/**
 * The state that a server keeps for a connection, as far as it decides how replies are read:
 *
 * ```
 *   transaction   none ─▶ open ─▶ results                         transaction.ts
 *   replies       on ─▶ off, on ─▶ skipNext ─▶ skip               reply_mode.ts
 *   protocol      RESP2 ─▶ RESP3                                  HELLO, RESET
 *   monitoring    off ─▶ on                                       MONITOR, RESET
 *   debugging     off ─▶ on                                       SCRIPT DEBUG
 * ```
 */
export class ConnectionState {
  readonly subscriptions = new Subscriptions();
  transaction: Transaction = NO_TRANSACTION;
  replyMode: ReplyMode = REPLIES_ON;
  #isResp3 = false;
  #isMonitoring = false;
  /** The next EVAL starts a session of the Lua debugger. RESET keeps it. */
  #isDebugging = false;

  /** Whether pushes and maps have types of their own. */
  get isResp3(): boolean {
    return this.#isResp3;
  }

  /** Whether the node sends a line for each command that it executes. */
  get isMonitoring(): boolean {
    return this.#isMonitoring;
  }

  /** Whether the client does not get the reply to the current request. */
  get isMuted(): boolean {
    return isMuted(this.replyMode);
  }

  /** Whether frames may come unasked that look like replies. */
  get isWatchful(): boolean {
    return this.#isMonitoring || (!this.#isResp3 && this.subscriptions.total > 0);
  }

  /** Whether a frame is a message to a RESP2 subscriber, which is an array like any reply. */
  isMessage(head: FrameHead): boolean {
    if (this.#isResp3 || this.subscriptions.total === 0 || !isMessage(head)) return false;
    const { transaction } = this;
    return transaction.phase !== "results" || !transaction.reading.resultsLookLikeMessages;
  }

  /** Whether a RESP2 subscriber has lost a slot, which looks like a confirmation it has asked for. */
  isShardLoss(head: FrameHead, next: ExpectedReply | undefined): boolean {
    if (this.subscriptions.shardChannels === 0 || this.transaction.phase === "results") {
      return false;
    }
    if (head.word !== "sunsubscribe" || head.count !== 3) return false;
    return !answersSubscription(next?.type === "marked" ? next.reply : next, "sunsubscribe");
  }

  /** Whether what follows this reply are no replies: a replication stream, or the Lua debugger. */
  endsReplies(reply: ExpectedReply, head: FrameHead): boolean {
    if (isFailure(head)) return false;
    switch (reply.type) {
      case "stream":
        return fits(reply, head);
      case "script":
        return reply.debuggable && this.#isDebugging;
      default:
        // The debugger drops the replies to what was sent before its session in one write.
        return reply === ExpectedReplies.debugScripts && head.type === Byte.array;
    }
  }

  /** Follows what the node has done for a request that it answers by this frame. */
  follow(reply: ExpectedReply, head: FrameHead): void {
    switch (reply.type) {
      case "exec":
      case "abort":
        // Refused, aborted, or a watched key has changed: the transaction is over in each case.
        this.transaction = NO_TRANSACTION;
        break;
      default:
        if (!isFailure(head)) this.#followAccepted(reply, head);
    }
  }

  #followAccepted(reply: ExpectedReply, head: FrameHead): void {
    switch (reply.type) {
      case "multi":
        this.transaction = { phase: "open", queued: new ReplyQueue() };
        break;
      case "discard":
        this.transaction = NO_TRANSACTION;
        break;
      case "client reply":
        this.replyMode = modeAfter(this.replyMode, reply.mode);
        break;
      case "hello":
        this.#isResp3 = head.type === Byte.map;
        break;
      case "monitor":
        this.#isMonitoring = true;
        break;
      case "script debug":
        this.#isDebugging = reply.active;
        break;
      case "reset":
        // networking.c `resetCommand`
        this.transaction = NO_TRANSACTION;
        this.replyMode = modeAfterReset(this.replyMode);
        this.#isResp3 = this.#isMonitoring = false;
        this.subscriptions.clear();
    }
  }
}
