import type { ExpectedReply } from "../commands/expected_reply.ts";

/**
 * What the requests that were sent so far may have changed on the connection, whether the node
 * accepts them or not. It decides where a marker is needed.
 */
export class SentRequests {
  /** MULTI was sent, and no EXEC since. */
  #mayTransact = false;
  /** How many requests that begin or end a transaction are not answered. */
  #transactionRequests = 0;
  /** A request after that MULTI may leave open which results belong to which command. */
  #isExecDoubtful = false;
  #mayHaveShardChannels = false;
  #mayMonitor = false;

  /** Whether SSUBSCRIBE was sent at some time. */
  get mayHaveShardChannels(): boolean {
    return this.#mayHaveShardChannels;
  }

  /** Whether a MULTI may have opened a transaction that no EXEC has closed. */
  get mayTransact(): boolean {
    return this.#mayTransact;
  }

  /** Whether a request that begins or ends a transaction is not answered yet. */
  get awaitsTransaction(): boolean {
    return this.#transactionRequests > 0;
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
        this.#mayTransact = this.#isExecDoubtful = false;
        return;
      case "subscription":
        this.#mayHaveShardChannels ||= request.word === "ssubscribe";
        break;
      case "monitor":
        this.#mayMonitor = true;
    }
    if (this.#mayTransact) this.#isExecDoubtful ||= this.#blursResults(request);
  }

  /** Records that a request was answered. */
  answered(reply: ExpectedReply): void {
    if (changesTransaction(reply)) this.#transactionRequests--;
  }

  /**
   * Whether the replies may leave open how the node answers a request, unless a marker follows it:
   *
   * - SUNSUBSCRIBE: a node that loses the slot of a channel sends the same unasked;
   * - AUTH and HELLO AUTH: Redis 8.0 and Valkey 8.1 drop the error for a wrong password while
   *   other replies wait to be sent (acl.c `addAuthErrReply`);
   * - REPLCONF ACK, which is answered only if it is refused;
   * - MONITOR and SYNC on a connection that monitors, which a node ignores;
   * - a script on such a connection, which may return what looks like a line of MONITOR;
   * - EXEC, if its transaction holds one of these or a subscription, whose messages stand among the
   *   results.
   *
   * @param isQuiet whether the node has nothing else to send on this connection
   */
  isDoubtful(reply: ExpectedReply, isQuiet: boolean): boolean {
    switch (reply.type) {
      case "auth":
        return !isQuiet;
      case "hello":
        return reply.authenticates && !isQuiet;
      case "subscription":
        return reply.word === "sunsubscribe" && this.#mayHaveShardChannels;
      case "none":
        return true;
      case "monitor":
      case "stream":
      case "script":
        return this.#mayMonitor;
      case "exec":
        return this.#isExecDoubtful;
      default:
        return false;
    }
  }

  /** Whether the result of a command in a transaction may be missing, or look like another frame. */
  #blursResults(reply: ExpectedReply): boolean {
    return reply.type === "subscription" || reply.type === "auth" ||
      (reply.type === "hello" && reply.authenticates) ||
      (reply.type !== "exec" && this.isDoubtful(reply, true));
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
