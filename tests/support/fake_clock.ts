type TimerFunction = "setTimeout" | "setInterval";

/** A timer that was set while a clock was faked. */
interface Timer {
  readonly delayMs: number | undefined;
  /** Calls back, as if the time had passed. */
  go(): void;
}

/**
 * The clock of the program while a block lasts: `performance.now` and `Date.now` run ahead as far as
 * a test says, and the timers of the given functions fire only when a test says so.
 */
export class FakeClock implements Disposable {
  /** The timers that were set, oldest first. */
  readonly timers: Timer[] = [];
  readonly #originals: [TimerFunction, unknown][] = [];
  readonly #date = Date.now;
  #aheadMs = 0;

  constructor(...faked: TimerFunction[]) {
    const now = performance.now.bind(performance);
    performance.now = () => now() + this.#aheadMs;
    Date.now = () => this.#date() + this.#aheadMs;
    for (const name of faked) {
      this.#originals.push([name, globalThis[name]]);
      // No real timer has the id 0.
      const set = (go: () => void, delayMs?: number) => (this.timers.push({ delayMs, go }), 0);
      Object.assign(globalThis, { [name]: set });
    }
  }

  /** Sets how far the clock is ahead. */
  set aheadMs(ms: number) {
    this.#aheadMs = ms;
  }

  /** Fires every timer once. */
  fire(): void {
    for (const timer of this.timers) timer.go();
  }

  [Symbol.dispose](): void {
    Date.now = this.#date;
    // The method of the prototype shows again.
    Reflect.deleteProperty(performance, "now");
    Object.assign(globalThis, Object.fromEntries(this.#originals));
  }
}
