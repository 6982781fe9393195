import { Byte } from "../resp/bytes.ts";
import { authenticates, type ExpectedReply } from "../commands/expected_reply.ts";
import type { FrameHead } from "./frame_head.ts";
import { isRefusedMarker } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { isMessage, isSubscribeCommand } from "./subscriptions.ts";

/**
 * A transaction of the connection:
 *
 * ```
 *   none ──MULTI──▶ open ──EXEC──▶ results ──last result──▶ none
 *                    └──DISCARD, RESET, an EXEC that fails──▶ none
 * ```
 */
export type Transaction =
  | { readonly phase: "none" }
  /** The node queues commands; `queued` holds the replies that they will get. */
  | { readonly phase: "open"; readonly queued: ReplyQueue }
  /** The node sends the results of EXEC; `left` holds those that have not come yet. */
  | { readonly phase: "results"; readonly left: ReplyQueue; readonly layout: ResultLayout };

/** No transaction. */
export const NO_TRANSACTION: Transaction = { phase: "none" };

/** How to pair the frames after the header of an EXEC with the queued commands. */
export interface ResultLayout {
  /** The results that come; undefined if every command has one. */
  readonly left?: ReplyQueue;
  /** Whether arrays that look like messages are results. */
  readonly resultsLookLikeMessages: boolean;
}

/** Every command has a result, and arrays that look like messages are messages. */
export const USUAL_LAYOUT: ResultLayout = { resultsLookLikeMessages: false };

/** The frames that a node may send between results. */
export interface UnsolicitedFrames {
  /** Messages as arrays, if a command of the transaction subscribes. */
  readonly hasMessages: boolean;
  /** Lines of MONITOR. */
  readonly hasLines: boolean;
}

/**
 * Counts the frames of an EXEC up to the answer to its marker, to determine which are results. The
 * errors of all AUTH commands were dropped or none was, and all frames that look like messages are
 * messages or none is. A frame that looks like a line of MONITOR is always one, because the node
 * sends a line for each command.
 */
export class HeldResults {
  /** Whether the frames must be counted: results may be missing, or look like other frames. */
  readonly isAmbiguous: boolean;
  readonly #queued: ReplyQueue;
  readonly #unsolicited: UnsolicitedFrames;
  readonly #authentications: number;
  /** How many commands get confirmations, and the least number of those. */
  readonly #subscriptions: number;
  readonly #channels: number;
  /** The number of results if none is missing, without confirmations. */
  readonly #expected: number;
  #results = 0;
  #confirmations = 0;
  #messages = 0;
  #isComplete = false;

  /** @param queued the replies that the queued commands get */
  constructor(queued: ReplyQueue, unsolicited: UnsolicitedFrames) {
    this.#queued = queued;
    this.#unsolicited = unsolicited;
    const channels = sum(queued, (reply) => isSubscription(reply) ? reply.channels || 1 : 0);
    const count = (matches: (kind: ExpectedReply) => boolean) =>
      sum(queued, (reply) => matches(reply) ? 1 : 0);
    this.#authentications = count(authenticates);
    this.#subscriptions = count(isSubscription);
    this.#channels = channels;
    this.#expected = queued.total - this.#subscriptions - count(({ type }) => type === "none");
    this.isAmbiguous = count((reply) => this.#isAmbiguous(reply)) > 0;
  }

  /** Whether all frames up to the answer to the marker have come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Counts a frame, and returns whether it answers the marker. */
  add(head: FrameHead, isNonce: boolean): boolean {
    if (isNonce || this.#refusesMarker(head)) {
      this.#isComplete = true;
      return true;
    }
    const { hasMessages, hasLines } = this.#unsolicited;
    const hasSubscribed = this.#subscriptions > 0;
    const isLine = hasLines && head.type === Byte.status && isMonitorLine(head.text);
    if (head.type === Byte.push) {
      if (isSubscribeCommand(head.first)) this.#confirmations++;
    } else if (hasMessages && hasSubscribed && isMessage(head)) this.#messages++;
    else if (hasSubscribed && isConfirmation(head)) this.#confirmations++;
    else if (!isLine) this.#results++;
    return false;
  }

  /** The layout of the results; undefined if more than one is possible. */
  layout(): ResultLayout | undefined {
    const missing = this.#expected - this.#results;
    const layouts: ResultLayout[] = [];
    for (const areDropped of choices(this.#authentications)) {
      for (const resultsLookLikeMessages of choices(this.#messages)) {
        const explained = (areDropped ? this.#authentications : 0) +
          (resultsLookLikeMessages ? this.#messages : 0);
        if (!this.#areRefused(explained - missing)) continue;
        const left = areDropped ? { left: this.#withoutAuthentications() } : {};
        layouts.push({ ...left, resultsLookLikeMessages });
      }
    }
    return layouts.length === 1 ? layouts[0] : undefined;
  }

  /** Whether the node may have refused `count` subscriptions, each with an error. */
  #areRefused(count: number): boolean {
    if (count === 0) return this.#confirmations >= this.#channels;
    return count > 0 && count <= this.#subscriptions && this.#confirmations < this.#channels;
  }

  /** An error answers the marker only if no result can be missing; before, it may be a result. */
  #refusesMarker(head: FrameHead): boolean {
    if (head.type !== Byte.error) return false;
    const missing = this.#expected - this.#results;
    const refusal = isRefusedMarker(head);
    return refusal === "ping" ? missing <= this.#authentications : refusal !== "no" && missing <= 0;
  }

  #isAmbiguous(reply: ExpectedReply): boolean {
    switch (reply.type) {
      case "none":
      case "monitor":
        return true;
      case "script":
        return this.#unsolicited.hasLines;
      case "subscription":
        return this.#unsolicited.hasMessages;
      default:
        return authenticates(reply);
    }
  }

  #withoutAuthentications(): ReplyQueue {
    const left = new ReplyQueue();
    for (const { kind, count } of this.#queued) if (!authenticates(kind)) left.add(kind, count);
    return left;
  }
}

function sum(replies: ReplyQueue, valueOf: (kind: ExpectedReply) => number): number {
  let total = 0;
  for (const { kind, count } of replies) total += count * valueOf(kind);
  return total;
}

/** SSUBSCRIBE is always refused in a transaction (pubsub.c `ssubscribeCommand`). */
function isSubscription(
  reply: ExpectedReply,
): reply is Extract<ExpectedReply, { type: "subscription" }> {
  return reply.type === "subscription" && reply.command !== "ssubscribe";
}

function isConfirmation({ type, first, count }: FrameHead): boolean {
  return type === Byte.array && count === 3 && isSubscribeCommand(first);
}

function choices(count: number): readonly boolean[] {
  return count > 0 ? [false, true] : [false];
}
