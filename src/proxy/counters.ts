import { LAST_PORT } from "../platform/address.ts";

/** A number that several threads may count, up to 2 ** 31 - 1. */
export class AtomicCounter {
  readonly #cell: Int32Array;

  /** @param cell where it is kept: one element, in memory that the threads share */
  constructor(cell: Int32Array = new Int32Array(1)) {
    this.#cell = cell;
  }

  /** The number as it is now. */
  get value(): number {
    return Atomics.load(this.#cell, 0);
  }

  /** Adds something, which may be negative, and returns the number before that. */
  add(change: number): number {
    return Atomics.add(this.#cell, 0, change);
  }

  /** Adds something unless the number would then be beyond a limit; whether it has done so. */
  addWithin(change: number, limit: number): boolean {
    for (;;) {
      const { value } = this;
      if (value + change > limit) return false;
      if (this.replace(value, value + change)) return true;
    }
  }

  /** Puts a number in the place of a certain other one; whether it was that. */
  replace(before: number, after: number): boolean {
    return Atomics.compareExchange(this.#cell, 0, before, after) === before;
  }
}

/** How threads know of each other's clients without a word. */
export interface ClientCounts {
  /** How many clients each public port has, by port. */
  readonly atPort: Int32Array;
  /** How many have ever come. */
  readonly arrivals: AtomicCounter;
  /** How many have ever gone. */
  readonly departures: AtomicCounter;
}

/** In elements of four bytes; the counts of clients come last, one for each port. */
const Place = {
  sessions: 2,
  captured: 3,
  failures: 4,
  fails: 5,
  arrivals: 6,
  departures: 7,
  atPort: 8,
} as const;

const TALLY_BYTES = 4 * (Place.atPort + LAST_PORT + 1);

/**
 * What a proxy counts of all its clients. Where several threads serve them, it is in memory that
 * they share.
 */
export class SharedCounters {
  /** The clients that are connected. */
  readonly sessions: AtomicCounter;
  /** The bytes that are kept of replies which are to be rewritten. */
  readonly captured: AtomicCounter;
  /** How often a client could not be taken. */
  readonly failures: AtomicCounter;
  /** Whether that was said last, 1, or that clients can be taken again, 0. */
  readonly fails: AtomicCounter;
  /** Undefined if there is one thread only. */
  readonly clients: ClientCounts | undefined;
  readonly #accepted: BigInt64Array;

  /** @param shared memory from `forThreads`, if several threads serve clients */
  constructor(shared?: SharedArrayBuffer) {
    const buffer = shared ?? new ArrayBuffer(4 * Place.atPort);
    const count = (place: number) => new AtomicCounter(new Int32Array(buffer, 4 * place, 1));
    this.#accepted = new BigInt64Array(buffer, 0, 1);
    this.sessions = count(Place.sessions);
    this.captured = count(Place.captured);
    this.failures = count(Place.failures);
    this.fails = count(Place.fails);
    this.clients = shared && {
      atPort: new Int32Array(shared, 4 * Place.atPort),
      arrivals: count(Place.arrivals),
      departures: count(Place.departures),
    };
  }

  /** Memory for the tally of several threads. */
  static forThreads(): SharedArrayBuffer {
    return new SharedArrayBuffer(TALLY_BYTES);
  }

  /** A number for one more client, from 1 on. */
  accept(): number {
    return Number(Atomics.add(this.#accepted, 0, 1n)) + 1;
  }
}
