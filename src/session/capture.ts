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
  #bytes = new Uint8Array(0);
  #length = 0;

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
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) this.#grow(length);
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** All pieces so far; borrowed until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Gives back what it took of the budget; the capture is of no use then. */
  release(): void {
    this.#budget.give(this.#bytes.length);
    this.#bytes = new Uint8Array(0);
  }

  /** Makes room for `length` bytes, and for as many again so that it need not soon grow again. */
  #grow(length: number): void {
    const size = Math.max(SMALLEST_BYTES, 2 * length);
    this.#budget.take(size - this.#bytes.length);
    const grown = new Uint8Array(size);
    grown.set(this.bytes);
    this.#bytes = grown;
  }
}

/** Most frames that are rewritten are smaller. */
const SMALLEST_BYTES = 4096;
