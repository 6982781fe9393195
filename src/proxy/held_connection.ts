import { close, type Connection } from "../platform/net.ts";

/**
 * A TCP connection to a node that speaks TLS, on which nothing is sent: while it is open, the node
 * lives. To connect and close for each probe would fill the log of the node, which has a line at
 * level warning for each handshake that does not happen (networking.c `clientAcceptHandler`).
 */
export class HeldConnection {
  readonly #connection: Connection;
  readonly #sinceMs = performance.now();
  #isOpen = true;

  /**
   * @param connection is owned
   * @param onEnd is called when the node has ended it, unless `close` was called before
   */
  constructor(connection: Connection, onEnd: (held: HeldConnection) => void) {
    this.#connection = connection;
    this.#untilEnd().finally(() => {
      if (!this.#isOpen) return;
      this.close();
      onEnd(this);
    });
  }

  /** Whether neither side has closed it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** How long ago it was opened, in milliseconds. */
  get ageMs(): number {
    return performance.now() - this.#sinceMs;
  }

  /** Closes it; a second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    close(this.#connection);
  }

  async #untilEnd(): Promise<void> {
    try {
      // A node that speaks first, as in protected mode, closes the connection then.
      await this.#connection.read(new Uint8Array(1));
    } catch {
      // It was reset, or `close` was called.
    }
  }
}
