import type { HostPort } from "../platform/address.ts";
import type { Connection } from "../platform/net.ts";

/** No address in a reply has this host. */
const UNKNOWN_HOST = "unknown";

/**
 * A connection to a node that was reached at another address than its own, through a tunnel or a
 * `--dial-map`. `remoteAddr` is the node's own address, or its name, as addresses in replies refer
 * to that. The host of `localAddr` is none, because the node sees the address of a tunnel or of a
 * port forward instead, and that of the socket may be the one of another client there.
 */
export class NodeAlias implements Connection {
  readonly remoteAddr: Deno.NetAddr;
  readonly #connection: Connection;

  /** @param connection which this object then owns */
  constructor(connection: Connection, { host, port }: HostPort) {
    this.#connection = connection;
    this.remoteAddr = { transport: "tcp", hostname: host, port };
  }

  get localAddr(): Deno.NetAddr {
    return { ...this.#connection.localAddr, hostname: UNKNOWN_HOST };
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
