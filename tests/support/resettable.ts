import net from "node:net";
import type { TestConnection } from "./tls.ts";

/**
 * A connection that can be reset: Deno's own connections always send FIN first, which looks like
 * an orderly end to the other side.
 */
export class Resettable implements TestConnection {
  readonly #socket: net.Socket;
  #error: Error | undefined;
  #ended = false;
  #wake = () => {};

  /** @param socket owned by the connection from now on */
  constructor(socket: net.Socket) {
    this.#socket = socket;
    const wake = () => this.#wake();
    const end = () => this.#ended = true;
    socket.on("end", end).on("close", end).on("error", (error) => this.#error = error);
    for (const event of ["readable", "end", "close", "error"]) socket.on(event, wake);
  }

  static async connect(host: string, port: number): Promise<Resettable> {
    const socket = net.connect({ host, port, allowHalfOpen: true });
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Resettable(socket);
  }

  get localAddr(): Deno.NetAddr {
    const { localAddress, localPort } = this.#socket;
    return { transport: "tcp", hostname: localAddress!, port: localPort! };
  }

  get remoteAddr(): Deno.NetAddr {
    const { remoteAddress, remotePort } = this.#socket;
    return { transport: "tcp", hostname: remoteAddress!, port: remotePort! };
  }

  setNoDelay(): void {
    this.#socket.setNoDelay(true);
  }

  /** Whether the peer ends it within this time without sending anything. */
  async isOverWithin(durationMs: number): Promise<boolean> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, durationMs);
    while (!this.#ended && !isLate && this.#socket.readableLength === 0) {
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      // Makes the socket read on or report its end.
      this.#socket.read(0);
      await woken;
    }
    clearTimeout(timer);
    return this.#ended && this.#socket.readableLength === 0;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const most = Math.min(buffer.length, this.#socket.readableLength);
      const chunk: Uint8Array | null = most > 0 ? this.#socket.read(most) : this.#socket.read();
      if (chunk !== null) {
        buffer.set(chunk);
        return chunk.length;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Ends both directions at once; bytes in flight are lost. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
