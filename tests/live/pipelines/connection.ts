import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import type { TestConnection } from "../../support/tls.ts";

/** The pause between two checks of a condition. */
const PAUSE_MS = 2;

/** Waits for a condition, and returns whether it holds in time. */
export async function holds(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (!await condition()) {
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return true;
}

/** A connection that records all received bytes as characters; it owns its socket. */
export class Recorder implements AsyncDisposable {
  readonly #conn: TestConnection;
  readonly #reading: Promise<void>;
  /** Everything received since the start or the last `forget`. */
  received = "";
  /** Whether the other side has ended the connection. */
  ended = false;
  #lastMs = performance.now();

  /** @param conn a connection, which the recorder then owns */
  constructor(conn: TestConnection) {
    conn.setNoDelay();
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** The time since the last received byte. */
  get quietMs(): number {
    return performance.now() - this.#lastMs;
  }

  /** Its local address, as in CLIENT LIST. */
  get address(): string {
    const { hostname, port } = this.#conn.localAddr;
    return `${hostname}:${port}`;
  }

  forget(): void {
    this.received = "";
  }

  /** Writes a text; the other side may have closed. */
  async send(text: string): Promise<void> {
    const bytes = fromLatin1(text);
    this.#lastMs = performance.now();
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
    } catch {
      // The reader notices the end.
    }
  }

  /** Sends requests with one-line replies, and returns the replies. */
  async ask(text: string, lines: number, deadlineMs = 5_000): Promise<string> {
    this.forget();
    await this.send(text);
    const came = await holds(
      () => this.ended || this.received.split("\r\n").length > lines,
      deadlineMs,
    );
    if (!came || this.ended) throw new Error(`No answer came to ${JSON.stringify(text)}`);
    const received = this.received;
    this.forget();
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const length = await this.#conn.read(chunk);
        if (length === null) break;
        this.received += toLatin1(chunk.subarray(0, length));
        this.#lastMs = performance.now();
      }
    } catch {
      // Reset, or closed by this side.
    }
    this.ended = true;
  }
}
