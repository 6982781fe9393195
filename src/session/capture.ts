/** Frames that are to be rewritten are larger, together, than what is kept of them. */
export class CaptureLimitError extends Error {
  override readonly name = "CaptureLimitError";
}

/** How much memory the captures of all sessions may take together, in bytes. */
export class CaptureBudget {
  readonly #limitBytes: number;
  #takenBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** What is taken now. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** @throws {CaptureLimitError} when there is not as much left */
  take(bytes: number): void {
    if (this.#takenBytes + bytes > this.#limitBytes) {
      throw new CaptureLimitError(
        `Replies with addresses take more than the ${this.#limitBytes} bytes of --capture-limit`,
      );
    }
    this.#takenBytes += bytes;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}

/** Holds a frame that arrives in pieces until it is whole, in a copy of its own. */
export class Capture {
  /** When its first piece had come. */
  readonly startedAtMs: number;
  readonly #budget: CaptureBudget;
  readonly #blocks: Uint8Array[] = [];
  /** How much of the last block is in use. */
  #used = 0;
  #length = 0;
  #taken = 0;

  constructor(budget: CaptureBudget, startedAtMs: number) {
    this.#budget = budget;
    this.startedAtMs = startedAtMs;
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

  /** All pieces so far, in a copy if there are many. */
  get bytes(): Uint8Array {
    const [first = new Uint8Array(0), ...more] = this.#blocks;
    if (more.length === 0) return first.subarray(0, this.#length);
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const block of this.#blocks) {
      const used = block.subarray(0, this.#length - at);
      whole.set(used, at);
      at += used.length;
    }
    return whole;
  }

  /** Gives back what it took of the budget; the capture is of no use then. */
  release(): void {
    this.#budget.give(this.#taken);
    this.#taken = 0;
    this.#blocks.length = 0;
  }

  /** Makes room for some bytes; nothing is moved, so that a long frame is copied once. */
  #extend(bytes: number): void {
    const size = Math.max(bytes, Math.min(LARGEST_BLOCK_BYTES, this.#length), SMALLEST_BLOCK_BYTES);
    this.#budget.take(size);
    this.#taken += size;
    this.#blocks.push(new Uint8Array(size));
    this.#used = 0;
  }
}

/** Most frames that are rewritten are smaller. */
const SMALLEST_BLOCK_BYTES = 4096;

/** Of so much a frame at the limit may waste the most part. */
const LARGEST_BLOCK_BYTES = 64 * 1024;
