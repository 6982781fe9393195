import type { Capture } from "../relay/capture.ts";

/**
 * How long a client that got the end of its stream may stay silent until its connection is closed.
 * Clients disconnect within a round trip, but a connection that is idle in a pool is not read. If
 * it were closed earlier, a request in flight would make the kernel drop data that the client has
 * not read yet.
 */
const CLOSE_WAIT_MS = 1000;

/**
 * A node that has ended its side does not answer any more, but a client that keeps unused
 * connections may not notice for hours. It gets this long to read what the node sent last, which a
 * close could cut off: as long as kernels keep a half-closed connection. When a client has ended
 * its side, a node that hangs does not notice either; then the node may be silent for this long.
 */
const HALF_CLOSED_TIMEOUT_MS = 60_000;

/** The timeouts that an operator sets; Infinity is no limit. */
export interface TimeoutOptions {
  /** How long both sides may be silent. */
  readonly idleTimeoutMs: number;
  /** How long a captured reply may take to arrive, or to be read by the client. */
  readonly captureTimeoutMs: number;
}

/**
 * A timeout that has expired. `half-closed` and `close-wait`: one side has ended and the other did
 * not follow. `unfinished-reply`: the node did not finish a captured reply. `unread-reply`: the
 * client did not read one.
 */
export type ExpiredTimeout =
  | "half-closed"
  | "close-wait"
  | "unfinished-reply"
  | "unread-reply"
  | "idle";

/** The clocks of one session. It has no timer: the frontend checks all sessions regularly. */
export class SessionTimeouts {
  /** The progress at the last check, and the time since which it has not changed. */
  #progress = 0;
  #idleSinceMs = 0;
  // Undefined until then, because Infinity would take an object for each client.
  #nodeEndedAtMs: number | undefined;
  #clientEndedAtMs: number | undefined;
  /** When a client that need not be waited for got the end of its stream. */
  #closedGracefullyAtMs: number | undefined;

  /** Records that the node has ended its side. */
  recordNodeEnd(): void {
    this.#nodeEndedAtMs = performance.now();
  }

  /** Records that the client has ended its side. */
  recordClientEnd(): void {
    this.#clientEndedAtMs = performance.now();
  }

  /** Records that the client has everything, and the end of its stream. */
  recordGracefulClose(): void {
    this.#closedGracefullyAtMs = performance.now();
  }

  /** Whether the client has ended its side. */
  get hasClientEnded(): boolean {
    return this.#clientEndedAtMs !== undefined;
  }

  /**
   * Checks all timeouts; undefined if none has expired.
   *
   * @param progress a number that changes whenever a side sends something
   * @param capture the reply that is captured now
   */
  check(
    nowMs: number,
    progress: number,
    capture: Pick<Capture, "isComplete" | "sinceMs"> | undefined,
    { idleTimeoutMs, captureTimeoutMs }: TimeoutOptions,
  ): ExpiredTimeout | undefined {
    const nodeEndedAtMs = this.#nodeEndedAtMs ?? Infinity;
    if (nowMs - nodeEndedAtMs > HALF_CLOSED_TIMEOUT_MS) return "half-closed";
    if (progress !== this.#progress || this.#idleSinceMs === 0) {
      this.#progress = progress;
      this.#idleSinceMs = nowMs;
    }
    const idleSince = (endedAtMs = Infinity) => Math.max(endedAtMs, this.#idleSinceMs);
    if (nowMs - idleSince(this.#closedGracefullyAtMs) > CLOSE_WAIT_MS) return "close-wait";
    if (nowMs - idleSince(this.#clientEndedAtMs) > HALF_CLOSED_TIMEOUT_MS) return "half-closed";
    if (capture !== undefined && nowMs - capture.sinceMs > captureTimeoutMs) {
      return capture.isComplete ? "unread-reply" : "unfinished-reply";
    }
    return nowMs - this.#idleSinceMs > idleTimeoutMs ? "idle" : undefined;
  }
}
