import { Byte } from "../resp/bytes.ts";
import { isMonitorLine } from "./monitor_line.ts";
import type { FrameHead } from "./frame_head.ts";
import type { ExpectedReply } from "../commands/expected_reply.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { isMessage, isSubscribeWord } from "./subscriptions.ts";

/** How the frames behind the header of an EXEC are to be read. */
export interface Reading {
  /** The replies that come; undefined if they are those of all commands. */
  readonly left?: ReplyQueue;
  /** Arrays that look like messages are results. */
  readonly resultsLookLikeMessages: boolean;
}

/** How nearly all results are read. */
export const NOTHING_UNUSUAL: Reading = { resultsLookLikeMessages: false };

/** What the node may send among results. */
export interface Interludes {
  /** Messages that are arrays, once the transaction has subscribed to something. */
  readonly hasMessages: boolean;
  /** Lines of MONITOR. */
  readonly hasLines: boolean;
}

/**
 * The results of an EXEC among which there may be frames that are none, or one may be missing.
 * How many frames come until the marker tells which: the error of each AUTH was dropped or none,
 * and what looks like a message is one in each case or in none. What looks like a line of MONITOR
 * is one, for the node sends a line for each command.
 */
export class HeldResults {
  /** Whether there is anything to be found out. */
  readonly isUnclear: boolean;
  readonly #queued: ReplyQueue;
  readonly #interludes: Interludes;
  readonly #authentications: number;
  readonly #subscriptions: number;
  /** How many results there should be, but for confirmations. */
  readonly #expected: number;
  #results = 0;
  #messages = 0;
  #isComplete = false;

  /** @param queued what the commands of the transaction will send */
  constructor(queued: ReplyQueue, interludes: Interludes) {
    const count = (isMeant: (kind: ExpectedReply) => boolean) => countOf(queued, isMeant);
    this.#queued = queued;
    this.#interludes = interludes;
    this.#authentications = count(authenticates);
    // SSUBSCRIBE is always refused here (pubsub.c `ssubscribeCommand`).
    this.#subscriptions = count((reply) =>
      reply.type === "subscription" && reply.word !== "ssubscribe"
    );
    this.#expected = queued.total - this.#subscriptions - count(({ type }) => type === "none");
    this.isUnclear = this.#authentications > 0 ||
      (interludes.hasMessages && this.#subscriptions > 0) ||
      (interludes.hasLines && count(({ type }) => type === "script") > 0);
  }

  /** Whether all frames have come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Takes note of a frame. */
  note(head: FrameHead, isMarker: boolean): this {
    const { hasMessages, hasLines } = this.#interludes;
    const hasSubscribed = this.#subscriptions > 0;
    const isLine = hasLines && head.type === Byte.status && isMonitorLine(head.text);
    if (isMarker) this.#isComplete = true;
    else if (head.type === Byte.push || isLine) return this;
    else if (hasMessages && hasSubscribed && isMessage(head)) this.#messages++;
    else if (!(hasSubscribed && isConfirmation(head))) this.#results++;
    return this;
  }

  /** How to read the frames; undefined if they leave that open. */
  read(): Reading | undefined {
    const missing = this.#expected - this.#results;
    const found: Reading[] = [];
    for (const areDropped of choices(this.#authentications)) {
      for (const resultsLookLikeMessages of choices(this.#messages)) {
        const explained = (areDropped ? this.#authentications : 0) +
          (resultsLookLikeMessages ? this.#messages : 0);
        if (explained !== missing) continue;
        const left = areDropped ? { left: this.#withoutAuthentications() } : {};
        found.push({ ...left, resultsLookLikeMessages });
      }
    }
    return found.length === 1 ? found[0] : undefined;
  }

  #withoutAuthentications(): ReplyQueue {
    const left = new ReplyQueue();
    for (const { kind, count } of this.#queued) if (!authenticates(kind)) left.add(kind, count);
    return left;
  }
}

function countOf(replies: ReplyQueue, isMeant: (kind: ExpectedReply) => boolean): number {
  let total = 0;
  for (const { kind, count } of replies) if (isMeant(kind)) total += count;
  return total;
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
