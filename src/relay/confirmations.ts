import type { ExpectedReply, SubscribeWord } from "../commands/expected_reply.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Follows the confirmations of SUBSCRIBE and the like: one for each channel, and some unasked. */
export class Confirmations {
  readonly #subscriptions: Subscriptions;
  #current: { readonly word: SubscribeWord; readonly isRequested: boolean } | undefined;
  /** How many are still to come for the request at the front; 0 before the first. */
  #left = 0;

  /** @param subscriptions follow each confirmation */
  constructor(subscriptions: Subscriptions) {
    this.#subscriptions = subscriptions;
  }

  /** A confirmation begins; `isRequested` tells whether it answers the request at the front. */
  begin(word: SubscribeWord, isRequested: boolean): void {
    this.#current = { word, isRequested };
  }

  /**
   * A confirmation ends with `count`. Returns whether it was the last one for the request at the
   * front, which expects `reply`.
   */
  end(count: number, reply: ExpectedReply | undefined): boolean {
    const { word, isRequested } = this.#current!;
    this.#current = undefined;
    if (isRequested) {
      if (this.#left === 0 && reply?.type === "subscription") {
        this.#left = reply.channels || Math.max(1, this.#subscriptions.endedBy(word));
      }
      this.#left--;
    }
    this.#subscriptions.confirm(word, count);
    return isRequested && this.#left === 0;
  }

  /** The request at the front is answered. */
  endRequest(): void {
    this.#left = 0;
  }
}
