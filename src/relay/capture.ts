import { joined } from "../resp/bytes.ts";
import { AtomicCounter } from "../platform/atomic_counter.ts";

/** Frames that are to be rewritten are larger, together, than what is kept of them. */
export class CaptureLimitError extends Error {
  override readonly name = "CaptureLimitError";
}

/** How much memory the captures of all sessions may take together, in bytes. */
export class CaptureBudget {
  readonly #limitBytes: number;
  readonly #taken: AtomicCounter;

  /** @param taken what is taken now, which other threads may share */
  constructor(limitBytes: number, taken = new AtomicCounter()) {
    this.#limitBytes = limitBytes;
    this.#taken = taken;
  }

  /** What is taken now. */
  get takenBytes(): number {
    return this.#taken.value;
  }

  /** @throws {CaptureLimitError} when there is not as much left */
  take(bytes: number): void {
    if (this.#taken.addWithin(bytes, this.#limitBytes)) return;
    throw new CaptureLimitError(
      `Replies that are held in memory take more than the ${this.#limitBytes} bytes of --capture-limit`,
    );
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#taken.add(-bytes);
  }
}

/**
 * So much of a frame takes nothing of the budget: every connection may have that, whatever others
 * do. Redirects take some 50 bytes, CLUSTER SLOTS and NODES of a hundred nodes as much as this.
 */
export const OWN_BYTES = 16 * 1024;

/**
 * Holds a frame, or its beginning, that is to be rewritten: while it arrives in pieces, in a copy
 * of its own, and then what it has become until the client has that.
 */
export class Capture {
  readonly #budget: CaptureBudget;
  #blocks: Uint8Array[] = [];
  /** How much of the last block is in use. */
  #used = 0;
  #length = 0;
  /** What is held, and what of that takes a share of the budget. */
  #held = 0;
  #taken = 0;
  #sinceMs: number;
  #isWhole = false;

  /** @param startedAtMs when its first piece had come */
  constructor(budget: CaptureBudget, startedAtMs: number) {
    this.#budget = budget;
    this.#sinceMs = startedAtMs;
  }

  /** Whether the frame has come whole, so that it is the client who is waited for. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Since when it is waited for; Infinity if that is the client's affair alone. */
  get sinceMs(): number {
    return this.#isWhole && this.#taken === 0 ? Infinity : this.#sinceMs;
  }

  /**
   * Adds a piece, which is copied.
   *
   * @throws {CaptureLimitError} when the frame grows beyond what is left of the budget
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

  /** How many bytes there are so far. */
  get length(): number {
    return this.#length;
  }

  /** All pieces, the last of which came at `nowMs`, in one, which is the caller's. */
  join(nowMs: number): Uint8Array {
    this.#isWhole = true;
    this.#sinceMs = nowMs;
    const blocks = this.#blocks;
    this.#blocks = [];
    const last = blocks.pop()?.subarray(0, this.#used) ?? new Uint8Array(0);
    return blocks.length > 0 ? joined([...blocks, last]) : last;
  }

  /**
   * Holds so many bytes in the place of the frame.
   *
   * @throws {CaptureLimitError} when they are more, and that is not left of the budget
   */
  hold(bytes: number): void {
    const taken = Math.max(0, bytes - OWN_BYTES);
    if (taken > this.#taken) this.#budget.take(taken - this.#taken);
    else this.#budget.give(this.#taken - taken);
    this.#held = bytes;
    this.#taken = taken;
  }

  /** Holds nothing any more. */
  release(): void {
    this.#blocks = [];
    this.hold(0);
  }

  /** Makes room for some bytes; nothing is moved, so that a long frame is copied once. */
  #extend(bytes: number): void {
    const size = Math.max(bytes, Math.min(LARGEST_BLOCK_BYTES, this.#length));
    this.hold(this.#held + size);
    this.#blocks.push(new Uint8Array(size));
    this.#used = 0;
  }
}

/** Of so much a frame at the limit may waste the most part. */
const LARGEST_BLOCK_BYTES = 64 * 1024;
