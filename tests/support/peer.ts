import { formatHostPort } from "../../src/platform/address.ts";
import { close, writeAll } from "../../src/platform/net.ts";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { findFreePorts } from "./ports.ts";
import { NodeTls, type TestConnection, TLS } from "./tls.ts";

/** Listens at an address as a node, and serves every connection until its block ends. */
export abstract class TcpPeer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  accepted = 0;
  readonly #listener: Deno.TcpListener;
  readonly #tls: NodeTls | undefined;
  readonly #connections = new Set<TestConnection>();
  readonly #done: Promise<void>;

  constructor({ host = "127.0.0.1", port = 0 } = {}) {
    this.#listener = Deno.listen({ hostname: host, port });
    this.host = host;
    this.port = this.#listener.addr.port;
    this.#tls = TLS.nodes ? new NodeTls(host) : undefined;
    this.#done = this.#accept();
  }

  /** Number of open connections. */
  get connected(): number {
    return this.#connections.size;
  }

  get address(): string {
    return formatHostPort(this);
  }

  /** Closes all connections. */
  endConnections(): void {
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.endConnections();
    await this.#done;
  }

  /** Talks until the other side ends; the connection is closed afterwards. */
  protected abstract talk(connection: TestConnection): Promise<void>;

  async #accept(): Promise<void> {
    const talks: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.accepted++;
      this.#connections.add(connection);
      // The other side may reset the connection, or this one close it.
      const talk = this.#talk(connection).catch(() => {});
      talks.push(talk.then(() => {
        this.#connections.delete(connection);
        // A handshake that failed has closed it.
        close(connection);
      }));
    }
    await Promise.all(talks);
  }

  async #talk(connection: TestConnection): Promise<void> {
    await this.talk(this.#tls === undefined ? connection : await this.#tls.accept(connection));
  }
}

/** A program at an address of no node: it sends the same answer to every read, or nothing. */
export class Peer extends TcpPeer {
  readonly #answer: string;

  /** @param port by default one low enough for a bus port above it, as CLUSTER MEET wants */
  constructor({ answer = "", host = "127.0.0.1", port = findFreePorts(1) } = {}) {
    super({ host, port });
    this.#answer = answer;
  }

  protected override async talk(connection: TestConnection): Promise<void> {
    const buffer = new Uint8Array(1024);
    while (await connection.read(buffer) !== null) {
      if (this.#answer !== "") await writeAll(connection, fromLatin1(this.#answer));
    }
  }
}
