/** A frame is larger than what is kept of one. */
export class CaptureLimitError extends Error {
  override readonly name = "CaptureLimitError";
}

/** Holds a frame that arrives in pieces until it is whole, in a copy of its own. */
export class Capture {
  #bytes = new Uint8Array(4096);
  #length = 0;

  /**
   * Adds a piece, which is copied.
   *
   * @throws {CaptureLimitError} when the frame grows beyond the limit
   */
  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > CAPTURE_LIMIT_BYTES) {
      throw new CaptureLimitError(
        `A reply with addresses is larger than the ${CAPTURE_LIMIT_BYTES} bytes kept of one`,
      );
    }
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(CAPTURE_LIMIT_BYTES, 2 * length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** All pieces so far; borrowed until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/**
 * CLUSTER SLOTS of 1000 nodes with every slot a range of its own takes about 10 MB, CLIENT LIST
 * about 400 bytes a client; nothing sane comes near this.
 */
const CAPTURE_LIMIT_BYTES = 64 * 1024 * 1024;
