import { log } from "./log.ts";

/** So long nothing must have failed for lack of descriptors until there are some again. */
const RECOVERED_AFTER_MS = 1000;

/** Says once that clients cannot be taken, and once that they can again. */
export class Accepting {
  #failedAtMs = -Infinity;
  #fails = false;

  /** A client could not be taken. */
  fail(error: unknown): void {
    this.#failedAtMs = performance.now();
    if (this.#fails) return;
    this.#fails = true;
    log.error("Cannot take clients, trying again: {reason}; see ulimit -n and --max-connections", {
      reason: error instanceof Error ? error.message : String(error),
    });
  }

  /** A client is served; so were others, perhaps, just before one could not be. */
  succeed(): void {
    if (!this.#fails || performance.now() - this.#failedAtMs < RECOVERED_AFTER_MS) return;
    this.#fails = false;
    log.info("Taking clients again");
  }
}
