import { setImmediate } from "node:timers";
import type { ByteSource } from "../../src/platform/net.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";

/** One direction of a connection in memory: a test gives bytes, and the tested code reads them. */
export class Feed implements ByteSource {
  readonly #most: number;
  #bytes = new Uint8Array(0);
  /** Whether no more bytes come. */
  ended = false;
  /** Wakes the read that waits for more. */
  #wake: (() => void) | undefined;

  /** @param most the most bytes that one read returns */
  constructor(most: number) {
    this.#most = most;
  }

  /** Gives bytes, one for each character, to the reader. */
  give(text: string): void {
    this.#bytes = fromLatin1(toLatin1(this.#bytes) + text);
    this.#wake?.();
  }

  /** Ends the stream after the bytes given so far. */
  end(): void {
    this.ended = true;
    this.#wake?.();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#bytes.length === 0) {
      if (this.ended) return null;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const length = Math.min(this.#bytes.length, buffer.length, this.#most);
    buffer.set(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.subarray(length);
    return length;
  }
}

/** Waits until all readers wait for more bytes; in memory, one turn of the event loop suffices. */
export async function untilIdle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
