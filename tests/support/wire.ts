import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { decodeFrame, encodeRequest, type Value } from "../../src/resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { connectToProxy } from "./tls.ts";
import { within } from "./until.ts";

/** Far longer than any reply takes on a loaded machine; a test that reaches it has failed. */
const DEADLINE_MS = 5_000;

/** The bytes of a request as a text with one character for each byte. */
export function wire(...args: string[]): string {
  return toLatin1(encodeRequest(args));
}

/** The methods of a connection that a raw client uses. */
export type WireConnection =
  & Pick<Deno.TcpConn, "read" | "write" | "closeWrite" | "close" | "setNoDelay" | "localAddr">
  & { reset?(): void };

/**
 * A raw connection of a test. It owns its socket; bytes that were received and not yet read are
 * kept when a wait fails. Texts have one character for each byte.
 */
export class WireClient implements Disposable {
  readonly #conn: WireConnection;
  /** Received and not yet returned. */
  #received: Uint8Array = new Uint8Array(0);
  #ended = false;
  /** Whether the other side has reset the connection. */
  wasReset = false;
  /** The read in progress, which continues after a wait whose deadline has passed. */
  #reading: Promise<void> | undefined;
  #closed = false;

  /** @param conn a connection, which the client then owns */
  constructor(conn: WireConnection) {
    conn.setNoDelay();
    this.#conn = conn;
  }

  /** Connects to a proxy, with Nagle's algorithm off so that each `send` is a packet. */
  static async connect(host: string, port: number): Promise<WireClient> {
    return new WireClient(await connectToProxy(host, port));
  }

  /** The same in TCP whatever the proxy speaks, or to another server. */
  static async connectTcp(host: string, port: number): Promise<WireClient> {
    return new WireClient(await Deno.connect({ hostname: host, port }));
  }

  get localAddress(): string {
    const { hostname, port } = this.#conn.localAddr;
    return `${hostname}:${port}`;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array | string, deadlineMs = DEADLINE_MS): Promise<void> {
    const all = typeof bytes === "string" ? fromLatin1(bytes) : bytes;
    const end = performance.now() + deadlineMs;
    for (let sent = 0; sent < all.length;) {
      const leftMs = end - performance.now();
      const what = `send bytes ${sent} to ${all.length}`;
      sent += await within(what, this.#conn.write(all.subarray(sent)), leftMs);
    }
  }

  /** Sends a request and reads the next frame. */
  async ask(...args: string[]): Promise<Value> {
    const [value] = await this.askAll([args]);
    return value!;
  }

  /** Sends requests in one write and then reads as many frames. */
  async askAll(requests: readonly string[][], deadlineMs = DEADLINE_MS): Promise<Value[]> {
    const bytes = requests.map((args) => wire(...args)).join("");
    await this.send(bytes, deadlineMs);
    const frames = await this.readFrames(requests.length, deadlineMs);
    return frames.map((frame) => decodeFrame(fromLatin1(frame)));
  }

  /** Reads the next `count` frames, and returns their bytes. */
  async readFrames(count: number, deadlineMs = DEADLINE_MS): Promise<string[]> {
    const scanner = new ReplyScanner();
    const ends: number[] = [];
    let scanned = 0;
    await this.#receiveUntil(`${count} frames`, () => {
      while (ends.length < count && scanned < this.#received.length) {
        const { length } = this.#received;
        scanned = scanner.advance(this.#received, scanned, length, 1, NO_STOPS);
        if (scanner.frames === 1) ends.push(scanned);
      }
      return ends.length === count;
    }, deadlineMs);
    let from = 0;
    const frames = ends.map((end) => toLatin1(this.#received.subarray(from, from = end)));
    this.#received = this.#received.subarray(from);
    return frames;
  }

  /** Reads up to and including the first `text`. */
  async readUntil(text: string, deadlineMs = DEADLINE_MS): Promise<string> {
    let end = -1;
    await this.#receiveUntil(JSON.stringify(text), () => {
      const at = toLatin1(this.#received).indexOf(text);
      if (at >= 0) end = at + text.length;
      return end >= 0;
    }, deadlineMs);
    const read = toLatin1(this.#received.subarray(0, end));
    this.#received = this.#received.subarray(end);
    return read;
  }

  /** Reads and drops `count` bytes, or all until the end, and returns how many. */
  async skip(count: number, deadlineMs = DEADLINE_MS): Promise<number> {
    const end = performance.now() + deadlineMs;
    let skipped = 0;
    while (skipped < count) {
      const some = () => this.#received.length > 0 || this.#ended;
      await this.#receiveUntil("more bytes", some, end - performance.now());
      if (this.#received.length === 0) break;
      const taken = Math.min(count - skipped, this.#received.length);
      this.#received = this.#received.subarray(taken);
      skipped += taken;
    }
    return skipped;
  }

  async readToEnd(deadlineMs = DEADLINE_MS): Promise<string> {
    await this.#receiveUntil("the end of the connection", () => this.#ended, deadlineMs);
    const read = toLatin1(this.#received);
    this.#received = new Uint8Array(0);
    return read;
  }

  /** Closes the writing direction; the other side can still send. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Whether `close` or `reset` was called. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Resets the connection.
   *
   * @throws {TypeError} when the connection has no reset
   */
  reset(): void {
    if (this.#conn.reset === undefined) throw new TypeError("The connection cannot be reset");
    this.#closed = true;
    this.#conn.reset();
  }

  /** Closes the connection; may be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #receiveUntil(what: string, enough: () => boolean, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!enough()) {
      if (this.#ended) throw this.#error(what, new Error("The connection has ended"));
      this.#reading ??= this.#read();
      try {
        await within("receive more", this.#reading, Math.max(0, end - performance.now()));
      } catch (cause) {
        throw this.#error(what, cause);
      }
    }
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(64 * 1024);
    try {
      const length = await this.#conn.read(chunk);
      if (length === null) this.#ended = true;
      else this.#keep(chunk.subarray(0, length));
    } catch (error) {
      // The other side has reset the connection, or this side has closed it.
      this.#ended = true;
      this.wasReset = error instanceof Deno.errors.ConnectionReset;
    } finally {
      this.#reading = undefined;
    }
  }

  /** Appends to `#received`, in a buffer that doubles: TLS has many small reads. */
  #keep(bytes: Uint8Array): void {
    const { byteOffset, length } = this.#received;
    const total = length + bytes.length;
    let [store, at] = [new Uint8Array(this.#received.buffer), byteOffset];
    if (at + total > store.length) {
      [store, at] = [new Uint8Array(2 * total), 0];
      store.set(this.#received);
    }
    store.set(bytes, at + length);
    this.#received = store.subarray(at, at + total);
  }

  #error(what: string, cause: unknown): Error {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const seen = JSON.stringify(toLatin1(this.#received));
    return new Error(`Cannot read ${what}: ${reason}; received so far: ${seen}`, { cause });
  }
}
