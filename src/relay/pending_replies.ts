import { ExpectedReplies, type ExpectedReply } from "../commands/expected_reply.ts";
import type { ConnectionState } from "./connection_state.ts";
import { PairingError } from "./pairing_error.ts";
import { modeAfterRequest } from "./reply_mode.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { SentRequests } from "./sent_requests.ts";

/**
 * Enough for a pipeline of 30,000 scripts that alternate with other commands; clients read replies
 * before they send so many. A run takes about 100 bytes.
 */
const MAX_RUNS = 100_000;

/** The replies that the node has still to send: one for each request and each result of an EXEC. */
export class PendingReplies {
  readonly #queue = new ReplyQueue();
  readonly #sent = new SentRequests();
  readonly #state: ConnectionState;

  /** @param state its reply mode changes with each answered request */
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
      // CLIENT REPLY SKIP affects an empty request only directly after it.
      if (queue.last === ExpectedReplies.plain) return;
    }
    // Plain runs need no limit: they outnumber the other runs by one at most.
    if (this.#runs >= MAX_RUNS) {
      throw new PairingError(
        `The client sent more than ${MAX_RUNS} requests of alternating kinds before their replies`,
      );
    }
    const { transaction } = this.#state;
    if (transaction.phase === "none" && !this.#sent.awaitsTransaction) this.#sent.endTransaction();
    this.#sent.add(reply);
    queue.add(reply, count);
  }

  /** The effects that the requests sent so far may have. */
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

  /** The next reply; while the results of an EXEC come, the next result. */
  get first(): ExpectedReply | undefined {
    return this.#next.first;
  }

  /** How many replies equal to the next one follow in a row. */
  get run(): number {
    return this.#next.run;
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

  get #next(): ReplyQueue {
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
