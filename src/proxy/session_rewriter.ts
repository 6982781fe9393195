import { type NatEntry, NoPublicPortError } from "../nat/nat_table.ts";
import { type Connection, peerAddress } from "../platform/net.ts";
import type { RewriteAction } from "../relay/frame_action.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import { type AddressSources, rewriteFrame } from "../rewrite/address_mapper.ts";
import { type RequestAddressMap, rewriteRequestArgs } from "../rewrite/request_rewriter.ts";
import type { SessionLog } from "./session_log.ts";

/** Clients retry after a CLUSTERDOWN error. */
const CLUSTERDOWN = "-CLUSTERDOWN The proxy has no port for a node of this reply\r\n";

/** Rewrites the addresses in the requests and replies of one session. */
export class SessionRewriter {
  readonly #node: NatEntry;
  readonly #client: Connection;
  readonly #upstream: Connection;
  readonly #sources: AddressSources;
  readonly #log: SessionLog;

  /** @param client borrowed for its addresses, and so is `upstream` */
  constructor(
    { node, client, upstream }: {
      readonly node: NatEntry;
      readonly client: Connection;
      readonly upstream: Connection;
    },
    sources: AddressSources,
    sessionLog: SessionLog,
  ) {
    this.#node = node;
    this.#client = client;
    this.#upstream = upstream;
    this.#sources = sources;
    this.#log = sessionLog;
  }

  /** Replaces public addresses in a request by private ones; undefined if there are none. */
  rewriteRequest(args: readonly string[]): Promise<readonly string[] | undefined> {
    return rewriteRequestArgs(args, this.#requestAddresses);
  }

  /** Replaces private addresses in a frame from the node, which arrived at `sinceMs`. */
  async rewriteReply(
    frame: Uint8Array,
    { rewrite, unasked }: RewriteAction,
    sinceMs: number,
  ): Promise<Uint8Array> {
    const origin = { from: this.#node, sinceMs, addressSources: this.#sources };
    try {
      return await rewriteFrame(frame, rewrite, origin);
    } catch (error) {
      if (!(error instanceof NoPublicPortError)) throw error;
      this.#log.noPublicPort(error, unasked === true);
      // No request waits for a push, so it can be dropped.
      return unasked ? new Uint8Array(0) : fromLatin1(CLUSTERDOWN);
    }
  }

  get #requestAddresses(): RequestAddressMap {
    const node = this.#node;
    const { publicHost, natTable, clients, resolver } = this.#sources;
    return {
      publicHost,
      reachedAt: peerAddress(this.#client.localAddr).host,
      ownPort: node.publicPort,
      ownAddress: peerAddress(this.#upstream.remoteAddr),
      nodeAt: (port) => natTable.atPort(port),
      isPrivate: (address) => natTable.isKnown(address),
      upstreamOf: (client) => clients.upstreamOf(node, client),
      resolve: (host) => resolver.resolve(host),
    };
  }
}
