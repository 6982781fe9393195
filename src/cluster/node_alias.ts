import type { HostPort } from "../platform/address.ts";
import type { Connection } from "../platform/net.ts";

/** No address in a reply has this host. */
const UNKNOWN_HOST = "unknown";

/**
 * A connection to a node that was reached at another address than its own, through a tunnel or a
 * `--dial-map`. `remoteAddr` is the node's own address or name, because replies use that. The host of
 * `localAddr` is not a valid one: the node sees the address of the tunnel or port forward instead,
 * and the socket's own address may belong to another client on the node's side.
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
