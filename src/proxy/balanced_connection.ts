import type { HostPort } from "../platform/address.ts";
import { ConnectionWrapper } from "../platform/connection_wrapper.ts";
import type { Connection } from "../platform/net.ts";
import type { ClientEnds } from "./proxy_header.ts";

/** A connection that comes through a load balancer, with the addresses of its client. */
export class BalancedConnection extends ConnectionWrapper {
  /** The bytes that came with the header and have not been read. */
  #rest: Uint8Array | undefined;

  /**
   * @param connection is owned
   * @param ends undefined if the addresses of the connection count
   * @param rest the bytes that came with the header; owned
   */
  constructor(connection: Connection, ends: ClientEnds | undefined, rest: Uint8Array) {
    super(
      connection,
      ends && { localAddr: addressOf(ends.destination), remoteAddr: addressOf(ends.source) },
    );
    if (rest.length > 0) this.#rest = rest;
  }

  override read(buffer: Uint8Array): Promise<number | null> {
    const rest = this.#rest;
    if (rest === undefined) return super.read(buffer);
    const length = Math.min(rest.length, buffer.length);
    buffer.set(rest.subarray(0, length));
    this.#rest = length === rest.length ? undefined : rest.subarray(length);
    return Promise.resolve(length);
  }
}

function addressOf({ host, port }: HostPort): Deno.NetAddr {
  return { transport: "tcp", hostname: host, port };
}
