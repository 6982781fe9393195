import { log } from "../platform/log.ts";
import type { AtomicCounter, SharedCounters } from "./counters.ts";

/** So long nothing must have failed for lack of descriptors until there are some again. */
const RECOVERED_AFTER_MS = 1000;

/** Says once that clients cannot be taken, and once that they can again. */
export class AcceptErrors {
  readonly #failures: AtomicCounter;
  /** Whether failing was said last, 1, or not, 0. */
  readonly #fails: AtomicCounter;
  /** How many failures there were, in any thread, when that was last looked at, and since when. */
  #seen = 0;
  #seenSinceMs = -Infinity;

  constructor({ failures, fails }: Pick<SharedCounters, "failures" | "fails">) {
    this.#failures = failures;
    this.#fails = fails;
  }

  /** A client could not be taken. */
  fail(error: unknown): void {
    this.#failures.add(1);
    this.#look();
    if (!this.#fails.replace(0, 1)) return;
    log.error("Cannot take clients, trying again: {reason}; see ulimit -n and --max-connections", {
      reason: error instanceof Error ? error.message : String(error),
    });
  }

  /** A client is served; so were others, perhaps, just before one could not be. */
  succeed(): void {
    if (this.#fails.value === 0) return;
    this.#look();
    if (performance.now() - this.#seenSinceMs < RECOVERED_AFTER_MS) return;
    if (this.#fails.replace(1, 0)) log.info("Taking clients again");
  }

  #look(): void {
    const failures = this.#failures.value;
    if (failures === this.#seen) return;
    this.#seen = failures;
    this.#seenSinceMs = performance.now();
  }
}
