import type { Connection } from "./net.ts";

/** A connection over another one, with other addresses. Subclasses may change what passes. */
export class ConnectionWrapper implements Connection {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly #connection: Connection;

  /** @param connection which this object then owns */
  constructor(
    connection: Connection,
    { localAddr, remoteAddr }: Pick<Connection, "localAddr" | "remoteAddr">,
  ) {
    this.#connection = connection;
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
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
