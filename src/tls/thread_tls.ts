import { TlsClient } from "./client.ts";
import type { NodeMaterial, ServerMaterial } from "./material.ts";
import { TlsServer } from "./server.ts";

/** What both sides of the proxy need for TLS; workers get a copy. */
export interface TlsMaterial {
  /** Undefined if clients are served without TLS. */
  readonly server: ServerMaterial | undefined;
  /** Undefined if nodes are reached without TLS. */
  readonly node: NodeMaterial | undefined;
}

/** TLS to clients and to nodes, as one thread speaks it. */
export class ThreadTls {
  /** Undefined if clients are served without TLS. */
  readonly acceptor: TlsServer | undefined;
  /** Undefined if nodes are reached without TLS. */
  readonly connector: TlsClient | undefined;

  /** @throws {SyntaxError} if the material is unusable */
  constructor({ server, node }: TlsMaterial) {
    this.acceptor = server && new TlsServer(server);
    this.connector = node && new TlsClient(node);
  }

  /**
   * Handshakes that begin from now on use other material.
   *
   * @throws {SyntaxError} if that is unusable; the present one stays
   */
  update({ server, node }: TlsMaterial): void {
    if (server !== undefined) this.acceptor?.update(server);
    if (node !== undefined) this.connector?.update(node);
  }
}
