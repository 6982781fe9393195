import { ExpectedReplies, type ExpectedReply } from "../commands/expected_reply.ts";
import type { ConnectionState } from "./connection_state.ts";
import { PairingError } from "./pairing_error.ts";
import { modeAfterRequest } from "./reply_mode.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { SentRequests } from "./sent_requests.ts";

/**
 * A pipeline of 30,000 scripts, each in a transaction of its own or among other commands, needs no
 * more, and is more than clients send before they read. A run takes some 100 bytes.
 */
const MAX_RUNS = 100_000;

/** The replies that are still to come: one for each request, or one for each result of an EXEC. */
export class PendingReplies {
  readonly #queue = new ReplyQueue();
  readonly #sent = new SentRequests();
  readonly #state: ConnectionState;

  /** @param state its reply mode follows the requests that are answered */
  constructor(state: ConnectionState) {
    this.#state = state;
  }

  /**
   * Adds the reply to a request that is about to be sent, or to each of `count` such requests.
   *
   * @throws {PairingError} when too many replies are pending
   */
  add(reply: ExpectedReply, count: number): void {
    const queue = this.#queue;
    if (reply === ExpectedReplies.plain) {
      queue.add(reply, count);
      return;
    }
    if (reply === ExpectedReplies.empty) {
      if (queue.total === 0) {
        this.#endRequest();
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

  /** What the requests that were sent may have changed. */
  get sent(): Readonly<SentRequests> {
    return this.#sent;
  }

  /** Whether a transaction will queue a request that is sent now. */
  get transaction(): "none" | "open" | "unknown" {
    if (!this.#sent.mayTransact) return "none";
    if (this.#sent.awaitsTransaction) return "unknown";
    return this.#state.transaction.phase === "none" ? "none" : "open";
  }

  /** How many requests are not answered. */
  get requests(): number {
    return this.#queue.total;
  }

  /** The reply to the first request that is not answered. */
  get firstRequest(): ExpectedReply | undefined {
    return this.#queue.first;
  }

  /** The next reply: the result of a command while those of an EXEC come. */
  get first(): ExpectedReply | undefined {
    return this.#coming.first;
  }

  /** How many replies like the next one come in a row. */
  get run(): number {
    return this.#coming.run;
  }

  /** Records that the first `count` requests are answered. */
  takeRequests(count: number): void {
    const queue = this.#queue;
    this.#sent.answered(queue.first!);
    queue.take(count);
    this.#endRequest();
    while (queue.first === ExpectedReplies.empty) {
      queue.take(1);
      this.#endRequest();
    }
  }

  #endRequest(): void {
    this.#state.replyMode = modeAfterRequest(this.#state.replyMode);
  }

  get #coming(): ReplyQueue {
    const { transaction } = this.#state;
    return transaction.phase === "results" ? transaction.left : this.#queue;
  }

  /** How many runs are kept for this connection. */
  get #runs(): number {
    const { transaction } = this.#state;
    if (transaction.phase === "none") return this.#queue.runs;
    const results = transaction.phase === "open" ? transaction.queued : transaction.left;
    return this.#queue.runs + results.runs;
  }
}
