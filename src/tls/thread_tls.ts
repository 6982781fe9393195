import { TlsClient } from "./client.ts";
import type { NodeMaterial, ServerMaterial } from "./material.ts";
import { TlsServer } from "./server.ts";

/** What both sides of the proxy need for TLS; workers get a copy. */
export interface TlsMaterial {
  /** By the name of the public view; clients of other views are served without TLS. */
  readonly servers: Readonly<Record<string, ServerMaterial>>;
  /** Undefined if nodes are reached without TLS. */
  readonly node: NodeMaterial | undefined;
}

/** TLS to clients and to nodes, as one thread speaks it. */
export class ThreadTls {
  /** By the name of the public view; clients of other views are served without TLS. */
  readonly acceptors: ReadonlyMap<string, TlsServer>;
  /** Undefined if nodes are reached without TLS. */
  readonly connector: TlsClient | undefined;

  /** @throws {SyntaxError} if the material is unusable */
  constructor({ servers, node }: TlsMaterial) {
    const acceptors = Object.entries(servers).map(
      ([view, material]) => [view, new TlsServer(material)] as const,
    );
    this.acceptors = new Map(acceptors);
    this.connector = node && new TlsClient(node);
  }

  /**
   * Handshakes that begin from now on use other material, where there is some.
   *
   * @throws {SyntaxError} if that is unusable; the present one stays
   */
  update({ servers, node }: TlsMaterial): void {
    for (const [view, material] of Object.entries(servers)) {
      this.acceptors.get(view)?.update(material);
    }
    if (node !== undefined) this.connector?.update(node);
  }
}
