import { Byte } from "../resp/bytes.ts";
import type { ExpectedReply } from "../commands/expected_reply.ts";
import type { FrameHead } from "./frame_head.ts";
import { isRefusedMarker } from "./marker.ts";
import { isMonitorLine } from "./monitor_line.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { isMessage, isSubscribeWord } from "./subscriptions.ts";

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
  /** Commands are queued; `queued` holds what they will be answered. */
  | { readonly phase: "open"; readonly queued: ReplyQueue }
  /** The results of EXEC come in; `left` holds those that are missing. */
  | { readonly phase: "results"; readonly left: ReplyQueue; readonly reading: Reading };

/** No transaction. */
export const NO_TRANSACTION: Transaction = { phase: "none" };

/** How the frames behind the header of an EXEC are read. */
export interface Reading {
  /** The replies that come; undefined if all commands are answered. */
  readonly left?: ReplyQueue;
  /** Arrays that look like messages are results. */
  readonly resultsLookLikeMessages: boolean;
}

/** How nearly all results are read. */
export const USUAL_READING: Reading = { resultsLookLikeMessages: false };

/** What the node may send among results. */
export interface Interludes {
  /** Messages that are arrays, once the transaction has subscribed to something. */
  readonly hasMessages: boolean;
  /** Lines of MONITOR. */
  readonly hasLines: boolean;
}

/**
 * The results of an EXEC among which other frames may stand, or one may be missing. The number of
 * frames up to the marker decides: the error of each AUTH was dropped or none was, and every frame
 * that looks like a message is one or none is. A frame that looks like a line of MONITOR is one,
 * because the node sends a line for each command.
 */
export class HeldResults {
  /** Whether anything has to be found out. */
  readonly isUnclear: boolean;
  readonly #queued: ReplyQueue;
  readonly #interludes: Interludes;
  readonly #authentications: number;
  /** Commands that are answered by confirmations, and how many confirmations at least. */
  readonly #subscriptions: number;
  readonly #channels: number;
  /** How many results there should be, except confirmations. */
  readonly #expected: number;
  #results = 0;
  #confirmations = 0;
  #messages = 0;
  #isComplete = false;

  /** @param queued what the commands of the transaction will be answered */
  constructor(queued: ReplyQueue, interludes: Interludes) {
    this.#queued = queued;
    this.#interludes = interludes;
    const channels = sum(queued, (reply) => isSubscription(reply) ? reply.channels || 1 : 0);
    const count = (isMeant: (kind: ExpectedReply) => boolean) =>
      sum(queued, (reply) => isMeant(reply) ? 1 : 0);
    this.#authentications = count(authenticates);
    this.#subscriptions = count(isSubscription);
    this.#channels = channels;
    this.#expected = queued.total - this.#subscriptions - count(({ type }) => type === "none");
    this.isUnclear = count((reply) => this.#isUnclear(reply)) > 0;
  }

  /** Whether all frames have come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Counts a frame, and returns whether it answers the marker. */
  add(head: FrameHead, isNonce: boolean): boolean {
    if (isNonce || this.#refusesMarker(head)) {
      this.#isComplete = true;
      return true;
    }
    const { hasMessages, hasLines } = this.#interludes;
    const hasSubscribed = this.#subscriptions > 0;
    const isLine = hasLines && head.type === Byte.status && isMonitorLine(head.text);
    if (head.type === Byte.push) {
      if (isSubscribeWord(head.word)) this.#confirmations++;
    } else if (hasMessages && hasSubscribed && isMessage(head)) this.#messages++;
    else if (hasSubscribed && isConfirmation(head)) this.#confirmations++;
    else if (!isLine) this.#results++;
    return false;
  }

  /** How to read the frames; undefined if they leave that open. */
  read(): Reading | undefined {
    const missing = this.#expected - this.#results;
    const readings: Reading[] = [];
    for (const areDropped of choices(this.#authentications)) {
      for (const resultsLookLikeMessages of choices(this.#messages)) {
        const explained = (areDropped ? this.#authentications : 0) +
          (resultsLookLikeMessages ? this.#messages : 0);
        if (!this.#areRefused(explained - missing)) continue;
        const left = areDropped ? { left: this.#withoutAuthentications() } : {};
        readings.push({ ...left, resultsLookLikeMessages });
      }
    }
    return readings.length === 1 ? readings[0] : undefined;
  }

  /** Whether so many subscriptions may have been refused, each by an error. */
  #areRefused(count: number): boolean {
    if (count === 0) return this.#confirmations >= this.#channels;
    return count > 0 && count <= this.#subscriptions && this.#confirmations < this.#channels;
  }

  /** An error ends the results only when none can be missing; until then it may be one. */
  #refusesMarker(head: FrameHead): boolean {
    if (head.type !== Byte.error) return false;
    const missing = this.#expected - this.#results;
    const refusal = isRefusedMarker(head);
    return refusal === "ping" ? missing <= this.#authentications : refusal !== "no" && missing <= 0;
  }

  #isUnclear(reply: ExpectedReply): boolean {
    switch (reply.type) {
      case "none":
      case "monitor":
        return true;
      case "script":
        return this.#interludes.hasLines;
      case "subscription":
        return this.#interludes.hasMessages;
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
  return reply.type === "subscription" && reply.word !== "ssubscribe";
}

/** Whether a request is answered by an error that a node may drop. */
function authenticates(reply: ExpectedReply): boolean {
  return reply.type === "auth" || (reply.type === "hello" && reply.authenticates);
}

function isConfirmation({ type, word, count }: FrameHead): boolean {
  return type === Byte.array && count === 3 && isSubscribeWord(word);
}

function choices(count: number): readonly boolean[] {
  return count > 0 ? [false, true] : [false];
}
