import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";

/** Between two looks at a condition: these rounds are made of short waits. */
const PAUSE_MS = 2;

/** Waits until a condition holds, and returns whether it did in time. */
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

/** A connection that keeps all that comes, one character a byte; it owns its socket. */
export class Recorder implements AsyncDisposable {
  readonly #conn: Deno.TcpConn;
  readonly #reading: Promise<void>;
  #received = "";
  #ended = false;
  #lastMs = performance.now();

  private constructor(conn: Deno.TcpConn) {
    conn.setNoDelay();
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** Connects, and begins to read. */
  static async connect(host: string, port: number): Promise<Recorder> {
    return new Recorder(await Deno.connect({ hostname: host, port }));
  }

  /** All that came since the start or the last `forget`. */
  get received(): string {
    return this.#received;
  }

  /** Whether the other side has ended the connection. */
  get ended(): boolean {
    return this.#ended;
  }

  /** How long nothing has come. */
  get quietMs(): number {
    return performance.now() - this.#lastMs;
  }

  /** Its own end, as CLIENT LIST has it. */
  get address(): string {
    const { hostname, port } = this.#conn.localAddr as Deno.NetAddr;
    return `${hostname}:${port}`;
  }

  /** Drops what came so far. */
  forget(): void {
    this.#received = "";
  }

  /** Writes all of a text; the other side may have closed. */
  async send(text: string): Promise<void> {
    const bytes = fromLatin1(text);
    this.#lastMs = performance.now();
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
    } catch {
      // That it has is seen by the read, behind what came before.
    }
  }

  /** Sends requests of which each has one answer of one line, and returns the text that came. */
  async ask(text: string, lines: number, deadlineMs = 5_000): Promise<string> {
    this.forget();
    await this.send(text);
    const came = await holds(
      () => this.#ended || this.#received.split("\r\n").length > lines,
      deadlineMs,
    );
    if (!came || this.#ended) throw new Error(`No answer came to ${JSON.stringify(text)}`);
    const received = this.#received;
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
        this.#received += toLatin1(chunk.subarray(0, length));
        this.#lastMs = performance.now();
      }
    } catch {
      // A reset, or the close of this side.
    }
    this.#ended = true;
  }
}
