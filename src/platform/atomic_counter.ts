/** An integer up to 2 ** 31 - 1 that several threads may change at once. */
export class AtomicCounter {
  readonly #cell: Int32Array;

  /** @param cell one element, in shared memory if several threads use the counter */
  constructor(cell: Int32Array = new Int32Array(1)) {
    this.#cell = cell;
  }

  /** The current value. */
  get value(): number {
    return Atomics.load(this.#cell, 0);
  }

  /** Adds `change`, which may be negative, and returns the previous value. */
  add(change: number): number {
    return Atomics.add(this.#cell, 0, change);
  }

  /** Adds `change` unless the result would exceed `limit`; returns whether it did. */
  addWithin(change: number, limit: number): boolean {
    for (;;) {
      const { value } = this;
      if (value + change > limit) return false;
      if (this.replace(value, value + change)) return true;
    }
  }

  /** Sets the counter to `after` if it is `before`; returns whether it was. */
  replace(before: number, after: number): boolean {
    return Atomics.compareExchange(this.#cell, 0, before, after) === before;
  }
}
