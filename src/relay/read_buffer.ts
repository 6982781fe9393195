/**
 * The large buffers of a thread. Each is lent to a connection while that has more to read than
 * its own buffer takes; those that nobody needs wait for the next.
 */
export class BufferPool {
  /** The size of each buffer. */
  readonly bufferBytes: number;
  readonly #idle: Uint8Array<ArrayBuffer>[] = [];

  constructor(bufferBytes: number) {
    this.bufferBytes = bufferBytes;
  }

  /** Lends a buffer, in which anything may stand. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#idle.pop() ?? new Uint8Array(this.bufferBytes);
  }

  /** Takes a buffer back, which nothing reads or writes any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#idle.length * this.bufferBytes < MOST_IDLE_BYTES) this.#idle.push(buffer);
  }
}

/** Of the usual size 32; more connections are seldom in the middle of a large value at once. */
const MOST_IDLE_BYTES = 1024 * 1024;

/** Takes any one request or reply of most conversations. */
const SMALLEST_BYTES = 256;

/** What a connection may keep while it is silent; larger pieces need more than one read. */
const LARGEST_BYTES = 16 * 1024;

/** So many reads in a row must have needed less than a quarter of it until a buffer shrinks. */
const SHRINK_AFTER = 16;

/**
 * What one side of a session is read into. A read that is waited for holds its buffer for as long
 * as the peer is silent, so that buffer is a small one, which grows and shrinks with what comes.
 * A read that fills it leaves more behind in the socket; that is read into a large buffer from
 * the pool, which goes back when the socket is empty.
 *
 *     for (;;) {
 *       const read = await source.read(input.room);
 *       …
 *       input.end += read;                  input.bytes is valid up to input.end
 *       …                                   and what is not done with begins at `from`
 *       input.keep(from);
 *     }
 */
export class ReadBuffer {
  readonly #pool: BufferPool;
  #own: Uint8Array<ArrayBuffer>;
  #bytes: Uint8Array<ArrayBuffer>;
  #sparing = 0;
  /** Where what was read ends. */
  end = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#own = new Uint8Array(Math.min(SMALLEST_BYTES, pool.bufferBytes));
    this.#bytes = this.#own;
  }

  /** What was kept and read; another array after each `keep`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Where the next read goes. */
  get room(): Uint8Array {
    return this.end === 0 ? this.#bytes : this.#bytes.subarray(this.end);
  }

  /** What was kept and read, up to `end`; good until the next `keep`. */
  upTo(end: number): Uint8Array {
    return this.#bytes.subarray(0, end);
  }

  /** Keeps what stands behind `from`, in front of what is read next; the rest is done with. */
  keep(from: number): void {
    const kept = this.end - from;
    const next = this.#next(kept);
    if (next === this.#bytes) {
      if (kept > 0) next.copyWithin(0, from, this.end);
    } else {
      next.set(this.#bytes.subarray(from, this.end));
      if (this.#isLent) this.#pool.give(this.#bytes);
      this.#bytes = next;
    }
    this.end = kept;
  }

  /** The buffer for the next read, with room for as much again as is kept. */
  #next(kept: number): Uint8Array<ArrayBuffer> {
    const isFull = this.end === this.#bytes.length;
    if (this.#bytes === this.#own) this.#fit(isFull);
    if (!isFull && 2 * kept <= this.#own.length) return this.#own;
    if (2 * kept <= this.#pool.bufferBytes) {
      return this.#bytes.length === this.#pool.bufferBytes ? this.#bytes : this.#pool.take();
    }
    // What is held of a request may need more than the operator gives for a read.
    return 2 * kept <= this.#bytes.length ? this.#bytes : new Uint8Array(4 * kept);
  }

  get #isLent(): boolean {
    return this.#bytes !== this.#own && this.#bytes.length === this.#pool.bufferBytes;
  }

  /** Makes the own buffer larger or smaller by what the last read into it needed. */
  #fit(isFull: boolean): void {
    const size = this.#own.length;
    if (isFull && size < Math.min(LARGEST_BYTES, this.#pool.bufferBytes)) {
      this.#own = new Uint8Array(Math.min(2 * size, this.#pool.bufferBytes));
    }
    if (this.end > size / 4 || size <= SMALLEST_BYTES) this.#sparing = 0;
    else if (++this.#sparing === SHRINK_AFTER) {
      this.#sparing = 0;
      this.#own = new Uint8Array(size / 2);
    }
  }
}
