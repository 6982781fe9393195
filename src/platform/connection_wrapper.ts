import type { Connection } from "./net.ts";

/** A connection over another one. Subclasses give it other addresses, or change what passes. */
export class ConnectionWrapper implements Connection {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly #connection: Connection;

  /**
   * @param connection which this object then owns
   * @param addresses those of the connection by default
   */
  constructor(
    connection: Connection,
    addresses: Pick<Connection, "localAddr" | "remoteAddr"> = connection,
  ) {
    this.#connection = connection;
    this.localAddr = addresses.localAddr;
    this.remoteAddr = addresses.remoteAddr;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#connection.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    this.#connection.close();
  }
}
