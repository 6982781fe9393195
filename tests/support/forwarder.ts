import { until } from "./until.ts";

/** Forwards TCP connections from some ports to others on 127.0.0.1, like a NAT that changes ports. */
export class Forwarder implements AsyncDisposable {
  readonly #listeners: Deno.Listener[] = [];
  readonly #open = new Set<Deno.Conn>();
  readonly #ends: Promise<unknown>[] = [];

  /** @param first the first port of each side; any free ports for `from` 0 */
  constructor(first: { readonly from: number; readonly to: number }, count: number) {
    for (let index = 0; index < count; index++) {
      const port = first.from === 0 ? 0 : first.from + index;
      const listener = Deno.listen({ hostname: "127.0.0.1", port });
      this.#listeners.push(listener);
      this.#ends.push(this.#accept(listener, first.to + index));
    }
  }

  /** The ports that are forwarded, in the order of those to which they lead. */
  get ports(): number[] {
    return this.#listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  }

  async #accept(listener: Deno.Listener, port: number): Promise<void> {
    for await (const client of listener) this.#ends.push(this.#forward(client, port));
  }

  async #forward(client: Deno.Conn, port: number): Promise<void> {
    this.#open.add(client);
    try {
      const target = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#open.add(target);
      // A connection that is reset ends both directions.
      await Promise.allSettled([
        client.readable.pipeTo(target.writable),
        target.readable.pipeTo(client.writable),
      ]);
    } catch {
      // The port is closed, and so becomes the connection.
      client.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // It has ended.
      }
    }
    await until("all forwards have ended", async () => {
      const count = this.#ends.length;
      await Promise.all(this.#ends);
      return count === this.#ends.length;
    });
  }
}
