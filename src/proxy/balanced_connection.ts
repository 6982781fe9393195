import type { HostPort } from "../platform/address.ts";
import type { Connection } from "../platform/net.ts";
import type { ClientEnds } from "./proxy_header.ts";

/** A connection that comes through a load balancer, with the addresses of its client. */
export class BalancedConnection implements Connection {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly #connection: Connection;
  /** What was received after the header, until it is read. */
  #rest: Uint8Array | undefined;

  /**
   * @param connection is owned
   * @param ends undefined if the addresses of the connection count
   * @param rest what was received after the header, and is owned
   */
  constructor(connection: Connection, ends: ClientEnds | undefined, rest: Uint8Array) {
    this.#connection = connection;
    this.localAddr = ends === undefined ? connection.localAddr : addressOf(ends.destination);
    this.remoteAddr = ends === undefined ? connection.remoteAddr : addressOf(ends.source);
    if (rest.length > 0) this.#rest = rest;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const rest = this.#rest;
    if (rest === undefined) return this.#connection.read(buffer);
    const length = Math.min(rest.length, buffer.length);
    buffer.set(rest.subarray(0, length));
    this.#rest = length === rest.length ? undefined : rest.subarray(length);
    return Promise.resolve(length);
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

function addressOf({ host, port }: HostPort): Deno.NetAddr {
  return { transport: "tcp", hostname: host, port };
}
