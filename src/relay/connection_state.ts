import { ExpectedReplies, type ExpectedReply } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import { fits } from "./expected_frame.ts";
import { type FrameHead, isErrorFrame } from "./frame_head.ts";
import { isMuted, modeAfter, modeAfterReset, REPLIES_ON, type ReplyMode } from "./reply_mode.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { answersSubscription, isMessage, Subscriptions } from "./subscriptions.ts";
import { NO_TRANSACTION, type Transaction } from "./transaction.ts";

/**
 * The part of a server's connection state that decides how its replies are read:
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
  /** How many RESETs the node has accepted. */
  resets = 0;
  #isResp3 = false;
  #isMonitoring = false;
  /** Whether the next EVAL starts a session of the Lua debugger. RESET does not change it. */
  #isDebugging = false;

  /** Whether the connection uses RESP3. */
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

  /** Whether the node may send unsolicited frames that look like replies. */
  get mayGetUnsolicited(): boolean {
    return this.#isMonitoring || (!this.#isResp3 && this.subscriptions.total > 0);
  }

  /** Whether a frame is a message to a RESP2 subscriber, an array like many replies. */
  isMessage(head: FrameHead): boolean {
    if (this.#isResp3 || this.subscriptions.total === 0 || !isMessage(head)) return false;
    const { transaction } = this;
    return transaction.phase !== "results" || !transaction.layout.resultsLookLikeMessages;
  }

  /** Whether a frame for a RESP2 subscriber is the unsolicited end of a shard subscription. */
  isShardUnsubscribe(head: FrameHead, next: ExpectedReply | undefined): boolean {
    if (this.subscriptions.shardChannels === 0 || this.transaction.phase === "results") {
      return false;
    }
    if (head.first !== "sunsubscribe" || head.count !== 3) return false;
    return !answersSubscription(next?.type === "marked" ? next.reply : next, "sunsubscribe");
  }

  /** Whether no more replies follow this one, but a replication stream or the Lua debugger. */
  endsReplies(reply: ExpectedReply, head: FrameHead): boolean {
    if (isErrorFrame(head)) return false;
    switch (reply.type) {
      case "stream":
        return fits(reply, head);
      case "script":
        return reply.debuggable && this.#isDebugging;
      default:
        // The debugger drops the replies to requests that came in one write before its session.
        return reply === ExpectedReplies.scriptDebugOn && head.type === Byte.array;
    }
  }

  /** Changes the state as the node does for a request that it answers with this frame. */
  update(reply: ExpectedReply, head: FrameHead): void {
    switch (reply.type) {
      case "exec":
      case "abort":
        // Each outcome ends the transaction: results, an error, or null for a changed key.
        this.transaction = NO_TRANSACTION;
        break;
      default:
        if (!isErrorFrame(head)) this.#updateAccepted(reply, head);
    }
  }

  #updateAccepted(reply: ExpectedReply, head: FrameHead): void {
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
        this.resets++;
    }
  }
}
