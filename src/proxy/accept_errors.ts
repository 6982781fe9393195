import type { AtomicCounter } from "../platform/atomic_counter.ts";
import { log } from "../platform/log.ts";
import type { SharedCounters } from "./counters.ts";

/** Accepting counts as working again once it has not failed for this long. */
const RECOVERED_AFTER_MS = 1000;

/** Logs once that clients cannot be accepted, and once that they can again, for all threads. */
export class AcceptErrors {
  readonly #failures: AtomicCounter;
  /** 1 if the last message was that accepting fails. */
  readonly #failing: AtomicCounter;
  /** The number of failures in all threads at the last check, and since when it is the same. */
  #seen = 0;
  #seenSinceMs = -Infinity;

  constructor(
    { acceptFailures, acceptFailing }: Pick<SharedCounters, "acceptFailures" | "acceptFailing">,
  ) {
    this.#failures = acceptFailures;
    this.#failing = acceptFailing;
  }

  /** Records that a client could not be accepted. */
  fail(error: unknown): void {
    this.#failures.add(1);
    this.#check();
    if (!this.#failing.replace(0, 1)) return;
    log.error(
      "Cannot accept clients: {reason}; retrying. Raise ulimit -n, or lower --max-connections",
      { reason: error instanceof Error ? error.message : String(error) },
    );
  }

  /** Records that a client is served, which may also happen just before a failure. */
  succeed(): void {
    if (this.#failing.value === 0) return;
    this.#check();
    if (performance.now() - this.#seenSinceMs < RECOVERED_AFTER_MS) return;
    if (this.#failing.replace(1, 0)) log.info("Accepting clients again");
  }

  #check(): void {
    const failures = this.#failures.value;
    if (failures === this.#seen) return;
    this.#seen = failures;
    this.#seenSinceMs = performance.now();
  }
}
