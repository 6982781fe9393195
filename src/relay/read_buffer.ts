/**
 * The read buffers of a thread. Each connection has a small one. It borrows a large one while it
 * has more to read than fits in there; idle large buffers are kept for the next connection.
 */
export class BufferPool {
  /** The size of each large buffer, in bytes. */
  readonly bufferBytes: number;
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];
  /** The second half of the memory of the last small buffer, unless it was taken. */
  #half: Uint8Array<ArrayBuffer> | undefined;

  constructor(bufferBytes: number) {
    this.bufferBytes = bufferBytes;
  }

  /**
   * Returns a small buffer, which the caller keeps. Two of them share an `ArrayBuffer`, usually the
   * two of one session: a second `ArrayBuffer` would take more memory than the bytes in it.
   */
  createSmall(): Uint8Array<ArrayBuffer> {
    const half = this.#half;
    if (half !== undefined) {
      this.#half = undefined;
      return half;
    }
    const bytes = Math.min(MIN_BYTES, this.bufferBytes);
    const memory = new ArrayBuffer(2 * bytes);
    this.#half = new Uint8Array(memory, bytes);
    return new Uint8Array(memory, 0, bytes);
  }

  /** Lends a large buffer with arbitrary content. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#idle.pop() ?? new Uint8Array(this.bufferBytes);
  }

  /** Takes back a large buffer, which the caller must not use any more. */
  release(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#idle.length * this.bufferBytes < MAX_IDLE_BYTES) this.#idle.push(buffer);
  }
}

/** 32 buffers of the default size; more connections rarely read large values at the same time. */
const MAX_IDLE_BYTES = 1024 * 1024;

/** Enough for a request or reply of most connections. */
const MIN_BYTES = 256;

/** The most that an idle connection may keep; more bytes at once need more than one read. */
const MAX_OWN_BYTES = 16 * 1024;

/** A buffer shrinks after this many consecutive reads that need at most a quarter of it. */
const SHRINK_AFTER = 16;

/**
 * The read buffer of one direction of a session. A pending read holds its buffer while the peer is
 * idle, so the own buffer is small; it grows and shrinks with the traffic. A read that fills it
 * leaves bytes in the socket: the next reads then use a large buffer of the pool, which goes back
 * when the socket is empty.
 *
 *     for (;;) {
 *       const read = await source.read(input.free);
 *       …
 *       input.end += read;                  input.bytes is valid up to input.end
 *       …                                   the bytes to keep begin at `from`
 *       input.keep(from);
 *     }
 */
export class ReadBuffer {
  readonly #pool: BufferPool;
  #own: Uint8Array<ArrayBuffer>;
  #bytes: Uint8Array<ArrayBuffer>;
  #smallReads = 0;
  /** The end of the bytes that were read. */
  end = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#own = pool.createSmall();
    this.#bytes = this.#own;
  }

  /** The kept and read bytes; borrowed until the next `keep`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The free part of the buffer, for the next read. */
  get free(): Uint8Array {
    return this.end === 0 ? this.#bytes : this.#bytes.subarray(this.end);
  }

  /** The kept and read bytes up to `end`; borrowed until the next `keep`. */
  upTo(end: number): Uint8Array {
    return this.#bytes.subarray(0, end);
  }

  /** Keeps the bytes from `from` on, before those of the next read, and discards the others. */
  keep(from: number): void {
    const kept = this.end - from;
    const next = this.#next(kept);
    if (next === this.#bytes) {
      if (kept > 0) next.copyWithin(0, from, this.end);
    } else {
      next.set(this.#bytes.subarray(from, this.end));
      if (this.#isLent) this.#pool.release(this.#bytes);
      this.#bytes = next;
    }
    this.end = kept;
  }

  /** The buffer for the next read, with at least as many free bytes as kept ones. */
  #next(kept: number): Uint8Array<ArrayBuffer> {
    const isFull = this.end === this.#bytes.length;
    if (this.#bytes === this.#own) this.#fit(isFull);
    if (!isFull && 2 * kept <= this.#own.length) return this.#own;
    if (2 * kept <= this.#pool.bufferBytes) {
      return this.#bytes.length === this.#pool.bufferBytes ? this.#bytes : this.#pool.take();
    }
    // A held request may be longer than the configured buffer size.
    return 2 * kept <= this.#bytes.length ? this.#bytes : new Uint8Array(4 * kept);
  }

  get #isLent(): boolean {
    return this.#bytes !== this.#own && this.#bytes.length === this.#pool.bufferBytes;
  }

  /** Grows or shrinks the own buffer after a read into it. */
  #fit(isFull: boolean): void {
    const size = this.#own.length;
    if (isFull && size < Math.min(MAX_OWN_BYTES, this.#pool.bufferBytes)) {
      this.#own = new Uint8Array(Math.min(2 * size, this.#pool.bufferBytes));
    }
    if (this.end > size / 4 || size <= MIN_BYTES) this.#smallReads = 0;
    else if (++this.#smallReads === SHRINK_AFTER) {
      this.#smallReads = 0;
      this.#own = size / 2 > MIN_BYTES ? new Uint8Array(size / 2) : this.#pool.createSmall();
    }
  }
}
