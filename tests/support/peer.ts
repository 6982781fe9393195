import { formatHostPort } from "../../src/platform/address.ts";
import { writeAll } from "../../src/platform/net.ts";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { findFreePorts } from "./ports.ts";

/** A program at an address of no node: it says the same to whatever comes, or nothing at all. */
export class Peer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** How many connections there were. */
  accepted = 0;
  readonly #listener: Deno.TcpListener;
  readonly #answer: string;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>;

  /** @param port a free one unless told, low enough for a bus port above it, as CLUSTER MEET wants */
  constructor({ answer = "", host = "127.0.0.1", port = findFreePorts(1) } = {}) {
    this.port = port;
    this.host = host;
    this.#answer = answer;
    this.#listener = Deno.listen({ hostname: host, port: this.port });
    this.#done = this.#accept();
  }

  /** The address as servers write it. */
  get address(): string {
    return formatHostPort(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.#done;
  }

  async #accept(): Promise<void> {
    const talks: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.accepted++;
      this.#connections.add(connection);
      talks.push(this.#talk(connection));
    }
    await Promise.all(talks);
  }

  async #talk(connection: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(1024);
    try {
      while (await connection.read(buffer) !== null) {
        if (this.#answer !== "") await writeAll(connection, fromLatin1(this.#answer));
      }
      this.#connections.delete(connection);
      connection.close();
    } catch {
      // Reset by the other side, or closed by this one.
      if (this.#connections.delete(connection)) {
        try {
          connection.close();
        } catch {
          // It was this one.
        }
      }
    }
  }
}
