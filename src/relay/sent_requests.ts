import { authenticates, type ExpectedReply } from "../commands/expected_reply.ts";

/**
 * The effects that the requests sent so far may have on the connection, if the node accepts them.
 * They decide which requests need a marker.
 */
export class SentRequests {
  /** Whether MULTI was sent, and no EXEC since. */
  #mayTransact = false;
  /** How many requests that begin or end a transaction are unanswered. */
  #transactionRequests = 0;
  /** Whether a request after that MULTI may make the results of EXEC ambiguous. */
  #execNeedsMarker = false;
  #mayHaveShardChannels = false;
  #mayMonitor = false;

  /** Whether SSUBSCRIBE was ever sent. */
  get mayHaveShardChannels(): boolean {
    return this.#mayHaveShardChannels;
  }

  /** Whether a MULTI may have opened a transaction that no EXEC has closed. */
  get mayTransact(): boolean {
    return this.#mayTransact;
  }

  /** Whether a request that begins or ends a transaction is unanswered. */
  get awaitsTransaction(): boolean {
    return this.#transactionRequests > 0;
  }

  /** Records that no transaction is open: every request that could begin one is answered. */
  endTransaction(): void {
    this.#mayTransact = this.#execNeedsMarker = false;
  }

  /** Records a request that is about to be sent. */
  add(reply: ExpectedReply): void {
    if (changesTransaction(reply)) this.#transactionRequests++;
    const request = reply.type === "marked" ? reply.reply : reply;
    switch (request.type) {
      case "multi":
        this.#mayTransact = true;
        return;
      case "exec":
      case "abort":
        this.endTransaction();
        return;
      case "subscription":
        this.#mayHaveShardChannels ||= request.command === "ssubscribe";
        break;
      case "monitor":
        this.#mayMonitor = true;
    }
    if (this.#mayTransact) this.#execNeedsMarker ||= this.#makesResultsAmbiguous(request);
  }

  /** Records that a request was answered. */
  answered(reply: ExpectedReply): void {
    if (changesTransaction(reply)) this.#transactionRequests--;
  }

  /**
   * Whether a marker must follow a request, because its reply may be ambiguous or missing:
   *
   * - SUNSUBSCRIBE: a node that loses the slot of a channel sends the same frame unsolicited;
   * - AUTH and HELLO AUTH: Redis 8.0 and Valkey 8.1 drop the error for a wrong password while
   *   other replies wait to be sent (acl.c `addAuthErrReply`);
   * - REPLCONF ACK: the node answers it only with an error;
   * - MONITOR and SYNC on a connection that monitors: the node ignores them;
   * - a script on such a connection: it may return a status that looks like a line of MONITOR;
   * - EXEC, if its transaction contains one of these or a subscription, whose messages come between
   *   the results.
   *
   * @param isQuiet whether the node has no other bytes to send on this connection
   */
  needsMarker(reply: ExpectedReply, isQuiet: boolean): boolean {
    if (authenticates(reply)) return !isQuiet;
    switch (reply.type) {
      case "subscription":
        return reply.command === "sunsubscribe" && this.#mayHaveShardChannels;
      case "none":
        return true;
      case "monitor":
      case "stream":
      case "script":
        return this.#mayMonitor;
      case "exec":
        return this.#execNeedsMarker;
      default:
        return false;
    }
  }

  /** Whether the result of a command in a transaction may be missing or look like another frame. */
  #makesResultsAmbiguous(reply: ExpectedReply): boolean {
    return reply.type === "subscription" || authenticates(reply) ||
      (reply.type !== "exec" && this.needsMarker(reply, true));
  }
}

/** Whether a request may begin or end a transaction. */
function changesTransaction(reply: ExpectedReply): boolean {
  switch (reply.type) {
    case "multi":
    case "exec":
    case "abort":
    case "discard":
    case "reset":
      return true;
    case "marked":
      return reply.reply.type === "exec";
    default:
      return false;
  }
}
