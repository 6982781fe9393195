import type { ReadScheduler } from "../relay/relay_context.ts";

/**
 * The runtime serves at most this many connections in one round of its event loop. (A tokio task
 * has a budget of 128 operations, of which a few may not be reads.) The runtime polls the
 * connections left over only after those that received data meanwhile: with more busy connections
 * than this, many would wait for seconds.
 */
const READS_OF_A_FULL_ROUND = 120;

/** How many connections are released at once: a write for each read still fits into the budget. */
const RELEASED_AT_ONCE = 50;

/**
 * After a full round that left no connection over, the next round may be far away. Longer than most
 * rounds of a busy machine: a connection released earlier takes the place of one left over.
 */
const PATIENCE_MS = 3;

/**
 * Decides which connections of a thread may read. While each round of the event loop serves all
 * connections that have data, none waits. When rounds are full, connections that were served wait
 * in a queue until a round is not full, because such a round has served the others.
 *
 *     for (;;) {
 *       if (scheduler.isSaturated) await scheduler.waitTurn();
 *       const read = await source.read(room);
 *       scheduler.recordRead();
 *       …
 *     }
 */
export class FairReadScheduler implements ReadScheduler {
  #reads = 0;
  #isSaturated = false;
  /** Resolves the waiting connections, the longest waiting first. */
  readonly #waiting: (() => void)[] = [];
  /** While saturated, one of these two timers is set. */
  #nextRound: ReturnType<typeof setImmediate> | undefined;
  #fallback: ReturnType<typeof setTimeout> | undefined;

  /** Whether connections may have waited for longer than the one that was served last. */
  get isSaturated(): boolean {
    return this.#isSaturated;
  }

  /** Waits for the turn to read; to be called as soon as `isSaturated` is seen. */
  waitTurn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Records a read, right after it. */
  recordRead(): void {
    // The runtime settles all reads of a round together. So this microtask runs after each of them
    // was recorded, and before any connection that wrote what it read asks for more.
    if (this.#reads++ === 0) queueMicrotask(() => this.#endRound());
  }

  #endRound(): void {
    const isFull = this.#reads >= READS_OF_A_FULL_ROUND;
    this.#reads = 0;
    if (isFull) {
      this.#isSaturated = true;
      clearImmediate(this.#nextRound);
      this.#nextRound = undefined;
      clearTimeout(this.#fallback);
      // The runtime serves the connections left over before a timer that is due later.
      this.#fallback = setTimeout(() => this.#releaseNextRound(), PATIENCE_MS);
    } else if (this.#isSaturated) this.#releaseNextRound();
  }

  #releaseNextRound(): void {
    clearTimeout(this.#fallback);
    this.#nextRound ??= setImmediate(() => this.#release());
  }

  /** Releases some connections, and more in the next round unless this one gets full. */
  #release(): void {
    this.#nextRound = undefined;
    for (const resolve of this.#waiting.splice(0, RELEASED_AT_ONCE)) resolve();
    if (this.#waiting.length > 0) this.#releaseNextRound();
    else this.#isSaturated = false;
  }
}
