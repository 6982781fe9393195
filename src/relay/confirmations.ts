import type { ExpectedReply, SubscribeCommand } from "../commands/expected_reply.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Counts the confirmations of subscribe commands: one for each channel, and unsolicited ones. */
export class Confirmations {
  readonly #subscriptions: Subscriptions;
  #current: { readonly command: SubscribeCommand; readonly isRequested: boolean } | undefined;
  /** How many confirmations the first request still gets; 0 before its first one. */
  #left = 0;

  /** @param subscriptions records each confirmation */
  constructor(subscriptions: Subscriptions) {
    this.#subscriptions = subscriptions;
  }

  /** Begins a confirmation; `isRequested` is whether it answers the first request. */
  begin(command: SubscribeCommand, isRequested: boolean): void {
    this.#current = { command, isRequested };
  }

  /**
   * Ends a confirmation whose last value is `count`. Returns whether it completes the answer to the
   * first request, which expects `reply`.
   */
  end(count: number, reply: ExpectedReply | undefined): boolean {
    const { command, isRequested } = this.#current!;
    this.#current = undefined;
    if (isRequested) {
      if (this.#left === 0 && reply?.type === "subscription") {
        this.#left = reply.channels || Math.max(1, this.#subscriptions.endedBy(command));
      }
      this.#left--;
    }
    this.#subscriptions.confirm(command, count);
    return isRequested && this.#left === 0;
  }

  /** Records that the first request was answered. */
  endRequest(): void {
    this.#left = 0;
  }
}
