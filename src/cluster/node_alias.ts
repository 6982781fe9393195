import type { HostPort } from "../platform/address.ts";
import { ConnectionWrapper } from "../platform/connection_wrapper.ts";
import type { Connection } from "../platform/net.ts";

/** No address in a reply has this host. */
const UNKNOWN_HOST = "unknown";

/**
 * A connection to a node that was reached at another address than its own, through a tunnel or a
 * `--dial-map`. `remoteAddr` is the node's own address or name, because replies use that. The host of
 * `localAddr` is not a valid one: the node sees the address of the tunnel or port forward instead,
 * and the socket's own address may belong to another client on the node's side.
 */
export class NodeAlias extends ConnectionWrapper {
  /** @param connection which this object then owns */
  constructor(connection: Connection, { host, port }: HostPort) {
    super(connection, {
      localAddr: { ...connection.localAddr, hostname: UNKNOWN_HOST },
      remoteAddr: { transport: "tcp", hostname: host, port },
    });
  }
}
