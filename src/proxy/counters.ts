import { MAX_PORT } from "../platform/address.ts";
import { AtomicCounter } from "../platform/atomic_counter.ts";

/** Offsets in elements of four bytes; the counts of clients come last, one for each port. */
const Offset = {
  sessions: 2,
  captured: 3,
  acceptFailures: 4,
  acceptFailing: 5,
  clientsAtPort: 6,
} as const;

const SHARED_BYTES = 4 * (Offset.clientsAtPort + MAX_PORT + 1);

/**
 * Counters over all clients of the proxy; in shared memory if several threads serve them. The first
 * two elements are the number of clients ever accepted.
 */
export class SharedCounters {
  /** The number of connected clients. */
  readonly sessions: AtomicCounter;
  /** The bytes of captured replies. */
  readonly captured: AtomicCounter;
  /** How often accepting a client failed. */
  readonly acceptFailures: AtomicCounter;
  /** 1 if the last message is that accepting fails, 0 if it is that accepting works. */
  readonly acceptFailing: AtomicCounter;
  /** The number of clients of each node, by its `listenPort`; undefined if there is only one thread. */
  readonly clientsAtPort: Int32Array | undefined;
  readonly #accepted: BigInt64Array;

  /** @param shared memory from `forThreads`, if several threads serve clients */
  constructor(shared?: SharedArrayBuffer) {
    const buffer = shared ?? new ArrayBuffer(4 * Offset.clientsAtPort);
    const count = (offset: number) => new AtomicCounter(new Int32Array(buffer, 4 * offset, 1));
    this.#accepted = new BigInt64Array(buffer, 0, 1);
    this.sessions = count(Offset.sessions);
    this.captured = count(Offset.captured);
    this.acceptFailures = count(Offset.acceptFailures);
    this.acceptFailing = count(Offset.acceptFailing);
    this.clientsAtPort = shared && new Int32Array(shared, 4 * Offset.clientsAtPort);
  }

  /** The memory for the counters of several threads. */
  static forThreads(): SharedArrayBuffer {
    return new SharedArrayBuffer(SHARED_BYTES);
  }

  /** The id of the next client, from 1 on. */
  nextClientId(): number {
    return Number(Atomics.add(this.#accepted, 0, 1n)) + 1;
  }
}
