/**
 * In one round of its event loop the runtime reads from so many connections that have something to
 * read. (A task of tokio has a budget of 128 operations, of which a few may be others than reads.)
 * Those that are left over it asks behind those to which something has come meanwhile: where more
 * than these are busy all the time, many would wait for seconds.
 */
const READS_OF_A_FULL_ROUND = 120;

/** So many are let read at once: with a write for each read they leave some of the budget. */
const LET_AT_ONCE = 50;

/**
 * After a full round that had left over nobody there may be no other for a while. Longer than most
 * rounds take, for a busy machine: whoever is let in before those left over takes their place.
 */
const PATIENCE_MS = 3;

/**
 * Whose turn it is to read, among the connections of a thread. As long as each round of the event
 * loop serves all who have something to read, nobody is held up. When rounds are full, those that
 * were served wait in a queue until a round was not, for that has served the others.
 *
 *     for (;;) {
 *       if (turns.areScarce) await turns.next();
 *       const read = await source.read(room);
 *       turns.note();
 *       …
 *     }
 */
export class ReadScheduler {
  #reads = 0;
  #areScarce = false;
  /** Who waits, longest first. */
  readonly #waiting: (() => void)[] = [];
  /** While turns are scarce, one of these two is under way. */
  #soon: ReturnType<typeof setImmediate> | undefined;
  #atLast: ReturnType<typeof setTimeout> | undefined;

  /** Whether others may have waited for longer than whoever was just served. */
  get isSaturated(): boolean {
    return this.#areScarce;
  }

  /** Waits for one's turn. To be called as soon as turns are seen to be scarce. */
  waitTurn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Notes a read, right after it. */
  recordRead(): void {
    // The runtime settles all reads of a round together. So this runs when each of them has been
    // noted, and before any of those who wrote what they read asks for more.
    if (this.#reads++ === 0) queueMicrotask(() => this.#endRound());
  }

  #endRound(): void {
    const isFull = this.#reads >= READS_OF_A_FULL_ROUND;
    this.#reads = 0;
    if (isFull) {
      this.#areScarce = true;
      clearImmediate(this.#soon);
      this.#soon = undefined;
      clearTimeout(this.#atLast);
      // Those left over come before what is due behind that time.
      this.#atLast = setTimeout(() => this.#letSomeSoon(), PATIENCE_MS);
    } else if (this.#areScarce) this.#letSomeSoon();
  }

  #letSomeSoon(): void {
    clearTimeout(this.#atLast);
    this.#soon ??= setImmediate(() => this.#letSome());
  }

  /** Lets some of those in the queue read, and others in the next round unless this one gets full. */
  #letSome(): void {
    this.#soon = undefined;
    for (const resolve of this.#waiting.splice(0, LET_AT_ONCE)) resolve();
    if (this.#waiting.length > 0) this.#letSomeSoon();
    else this.#areScarce = false;
  }
}
