import { joined } from "../resp/bytes.ts";
import { AtomicCounter } from "../platform/atomic_counter.ts";

/** The captures of all sessions together would exceed their memory limit. */
export class CaptureLimitError extends Error {
  override readonly name = "CaptureLimitError";
}

/** Limits the memory that the captures of all sessions take together. */
export class CaptureBudget {
  readonly #limitBytes: number;
  readonly #taken: AtomicCounter;

  /** @param taken the bytes taken so far, which other threads may share */
  constructor(limitBytes: number, taken = new AtomicCounter()) {
    this.#limitBytes = limitBytes;
    this.#taken = taken;
  }

  /** The bytes taken so far. */
  get takenBytes(): number {
    return this.#taken.value;
  }

  /**
   * Takes bytes of the budget.
   *
   * @throws {CaptureLimitError} when less is left; nothing is taken then
   */
  take(bytes: number): void {
    if (this.#taken.addWithin(bytes, this.#limitBytes)) return;
    throw new CaptureLimitError(
      `Captured replies need more than the ${this.#limitBytes} bytes of --capture-limit`,
    );
  }

  /** Releases bytes that were taken. */
  release(bytes: number): void {
    this.#taken.add(-bytes);
  }
}

/**
 * The first bytes of a capture do not count, so that each connection has them even if others use up
 * the budget. A redirect takes about 50 bytes, CLUSTER SLOTS or NODES of 100 nodes about 16 KiB.
 */
export const UNCOUNTED_BYTES = 16 * 1024;

/**
 * The bytes of a frame that is to be rewritten, in a copy of their own, while its pieces arrive.
 * After that it accounts for the memory of the rewritten frame until the client has read that.
 */
export class Capture {
  readonly #budget: CaptureBudget;
  #blocks: Uint8Array[] = [];
  /** How many bytes of the last block are in use. */
  #used = 0;
  #length = 0;
  /** The bytes in memory, and those of them that are taken from the budget. */
  #held = 0;
  #taken = 0;
  #sinceMs: number;
  #isComplete = false;

  /** @param startedAtMs when the first piece arrived, in milliseconds of the monotonic clock */
  constructor(budget: CaptureBudget, startedAtMs: number) {
    this.#budget = budget;
    this.#sinceMs = startedAtMs;
  }

  /** Whether the frame is complete, so that the session waits for the client. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Since when the session waits for the node or the client, in milliseconds of the monotonic
   * clock; Infinity if it waits for the client and takes nothing of the budget.
   */
  get sinceMs(): number {
    return this.#isComplete && this.#taken === 0 ? Infinity : this.#sinceMs;
  }

  /**
   * Adds a copy of a piece.
   *
   * @throws {CaptureLimitError} when the budget does not suffice
   */
  add(piece: Uint8Array): void {
    let left = piece;
    for (;;) {
      const block = this.#blocks.at(-1);
      const fitting = left.subarray(0, (block?.length ?? 0) - this.#used);
      block?.set(fitting, this.#used);
      this.#used += fitting.length;
      this.#length += fitting.length;
      left = left.subarray(fitting.length);
      if (left.length === 0) return;
      this.#extend(left.length);
    }
  }

  /** How many bytes were added. */
  get length(): number {
    return this.#length;
  }

  /** Returns all pieces joined, which the caller then owns; the last one arrived at `nowMs`. */
  join(nowMs: number): Uint8Array {
    this.#isComplete = true;
    this.#sinceMs = nowMs;
    const blocks = this.#blocks;
    this.#blocks = [];
    const last = blocks.pop()?.subarray(0, this.#used) ?? new Uint8Array(0);
    return blocks.length > 0 ? joined([...blocks, last]) : last;
  }

  /**
   * Accounts for `bytes` instead of the bytes so far.
   *
   * @throws {CaptureLimitError} when they are more than before and the budget does not suffice
   */
  hold(bytes: number): void {
    const taken = Math.max(0, bytes - UNCOUNTED_BYTES);
    if (taken > this.#taken) this.#budget.take(taken - this.#taken);
    else this.#budget.release(this.#taken - taken);
    this.#held = bytes;
    this.#taken = taken;
  }

  /** Frees the bytes and gives back their share of the budget. */
  release(): void {
    this.#blocks = [];
    this.hold(0);
  }

  /** Adds a block for `bytes` or more; blocks never move, so a long frame is copied once. */
  #extend(bytes: number): void {
    const size = Math.max(bytes, Math.min(MAX_BLOCK_BYTES, this.#length));
    this.hold(this.#held + size);
    this.#blocks.push(new Uint8Array(size));
    this.#used = 0;
  }
}

/** Upper bound on allocation waste for a capture at the limit. */
const MAX_BLOCK_BYTES = 64 * 1024;
