/**
 * In one turn of the event loop the runtime reads from so many connections that have something to
 * read (the budget of a task in tokio). It asks the others behind those to which something has
 * come meanwhile: where more than these are busy all the time, most would wait for seconds.
 */
const MOST_READS = 128;

/** So many are let read at once: with a write for each read they leave some of the budget. */
const LET_AT_ONCE = 50;

/** When nobody else has anything to read, there is no turn of the event loop that tells so. */
const PATIENCE_MS = 10;

/**
 * Whose turn it is to read, among the connections of a thread. As long as each turn of the event
 * loop serves all who have something to read, nobody is held up. If there are more, those that were
 * served wait in a queue until the others were.
 *
 *     for (;;) {
 *       if (turns.areScarce) await turns.next();
 *       const read = await source.read(room);
 *       turns.note();
 *       …
 *     }
 */
export class Turns {
  #reads = 0;
  #areScarce = false;
  /** Who waits, longest first. */
  readonly #waiting: (() => void)[] = [];
  #soon: ReturnType<typeof setImmediate> | undefined;
  #atLast: ReturnType<typeof setTimeout> | undefined;

  /** Whether others may have waited for longer than whoever was just served. */
  get areScarce(): boolean {
    return this.#areScarce;
  }

  /** Waits until one's turn comes again. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Notes a read, right after it. */
  note(): void {
    // The runtime settles all reads of its turn at once: this runs behind what follows each of
    // them, up to its own next promise, and before the first of them asks for another read.
    if (this.#reads++ === 0) queueMicrotask(() => this.#endTurn());
  }

  #endTurn(): void {
    const isFull = this.#reads >= MOST_READS;
    this.#reads = 0;
    if (isFull) {
      this.#areScarce = true;
      clearImmediate(this.#soon);
      this.#soon = undefined;
      clearTimeout(this.#atLast);
      this.#atLast = setTimeout(() => this.#letSome(), PATIENCE_MS);
    } else if (this.#areScarce) this.#letSomeSoon();
  }

  /** Lets some of those in the queue read, in the next turn of the event loop. */
  #letSomeSoon(): void {
    clearTimeout(this.#atLast);
    this.#soon ??= setImmediate(() => this.#letSome());
  }

  #letSome(): void {
    this.#soon = undefined;
    for (const resolve of this.#waiting.splice(0, LET_AT_ONCE)) resolve();
    if (this.#waiting.length > 0) this.#letSomeSoon();
    else this.#areScarce = false;
  }
}
