import { close, type TcpConnection, writeAll } from "../platform/net.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import type { Balancers } from "./balancers.ts";
import type { SharedCounters } from "./counters.ts";
import type { Refusal, Statistics } from "./statistics.ts";

/** The same error as a server's (networking.c `acceptCommonHandler`). */
const TOO_MANY_CLIENTS = "-ERR max number of clients reached\r\n";

/** Who may become a client. */
export interface AdmissionRules {
  /** Those from which all clients come; undefined if clients connect without. */
  readonly balancers: Balancers | undefined;
  /** The maximum number of clients in all threads; Infinity is no limit. */
  readonly maxConnections: number;
}

/** Decides which accepted connections become sessions, and counts these. */
export class Admission {
  readonly #rules: AdmissionRules;
  readonly #sessions: SharedCounters["sessions"];
  readonly #refused: Statistics["refused"];

  constructor(
    rules: AdmissionRules,
    { sessions }: Pick<SharedCounters, "sessions">,
    { refused }: Pick<Statistics, "refused">,
  ) {
    this.#rules = rules;
    this.#sessions = sessions;
    this.#refused = refused;
  }

  /**
   * Whether a connection becomes a session. That counts until `release`; another connection is
   * closed.
   *
   * @param speaksTls whether the client begins with a handshake
   */
  admit(client: TcpConnection, speaksTls: boolean): boolean {
    const refusal = this.#refusalOf(client);
    if (refusal === undefined) return true;
    this.#refused[refusal]++;
    // A client that expects a handshake cannot read the error; servers close, too.
    if (refusal === "max_connections" && !speaksTls) rejectClient(client);
    else close(client);
    return false;
  }

  /** A session that was admitted has ended. */
  release(): void {
    this.#sessions.add(-1);
  }

  #refusalOf(client: TcpConnection): Refusal | undefined {
    const { balancers, maxConnections } = this.#rules;
    if (balancers?.admits(client) === false) return "not_from_balancer";
    return this.#sessions.addWithin(1, maxConnections) ? undefined : "max_connections";
  }
}

async function rejectClient(client: TcpConnection): Promise<void> {
  try {
    await writeAll(client, fromLatin1(TOO_MANY_CLIENTS));
  } catch {
    // The client has disconnected.
  } finally {
    close(client);
  }
}
