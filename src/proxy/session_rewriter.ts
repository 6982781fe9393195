import type { AddressArgument } from "../commands/command_rows.ts";
import type { NodeRef } from "../cluster/node_ref.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import { NoPublicPortError, UnknownPublicPortError } from "../nat/no_public_port_error.ts";
import type { HostPort } from "../platform/address.ts";
import { type Connection, socketAddress } from "../platform/net.ts";
import type { RewriteAction } from "../relay/frame_action.ts";
import type { ReplyRewriter } from "../relay/reply_relay.ts";
import type { RequestRewriter } from "../relay/request_relay.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import type { AddressMap, MappedNode } from "../rewrite/address_map.ts";
import type { Rewriter } from "../rewrite/public_addresses.ts";
import { rewriteFrame } from "../rewrite/frame_rewriter.ts";
import { rewriteRequestArgs } from "../rewrite/request_rewriter.ts";
import type { AddressSources } from "./address_sources.ts";
import type { SessionLog } from "./session_log.ts";
import type { Statistics } from "./statistics.ts";

/** Clients retry after a CLUSTERDOWN error. */
const CLUSTERDOWN = "-CLUSTERDOWN The proxy has no port for a node of this reply\r\n";

/** The ends of a session; the connections are borrowed for their addresses. */
export interface SessionEnds {
  readonly node: NatEntry;
  readonly client: Connection;
  readonly upstream: Connection;
}

/** What a `SessionRewriter` reports to. */
export interface RewriteReports {
  readonly log: SessionLog;
  readonly statistics: Statistics;
}

/** Rewrites the addresses in the requests and replies of one session. */
export class SessionRewriter implements AddressMap, RequestRewriter, ReplyRewriter {
  readonly #node: NatEntry;
  readonly #client: Connection;
  readonly #upstream: Connection;
  readonly #sources: AddressSources;
  readonly #log: SessionLog;
  readonly #statistics: Statistics;

  constructor(
    { node, client, upstream }: SessionEnds,
    sources: AddressSources,
    { log, statistics }: RewriteReports,
  ) {
    this.#node = node;
    this.#client = client;
    this.#upstream = upstream;
    this.#sources = sources;
    this.#log = log;
    this.#statistics = statistics;
  }

  /** Replaces public addresses in a request by private ones; undefined if there are none. */
  rewriteRequest(
    args: readonly string[],
    address: AddressArgument,
  ): Promise<readonly string[] | undefined> {
    return rewriteRequestArgs(args, address, this);
  }

  /** Replaces private addresses in a frame from the node, which arrived at `sinceMs`. */
  async rewriteReply(
    frame: Uint8Array,
    { rewrite, kind, isUnsolicited }: RewriteAction,
    sinceMs: number,
  ): Promise<Uint8Array> {
    try {
      const rewritten = await this.#rewrite(frame, rewrite, sinceMs);
      this.#statistics.rewritten[kind]++;
      return rewritten;
    } catch (error) {
      if (!(error instanceof NoPublicPortError)) throw error;
      this.#statistics.unmapped++;
      this.#log.noPublicPort(error, isUnsolicited === true);
      // No request waits for a push, so it can be dropped.
      return isUnsolicited ? new Uint8Array(0) : fromLatin1(CLUSTERDOWN);
    }
  }

  async #rewrite(frame: Uint8Array, rewrite: Rewriter, sinceMs: number): Promise<Uint8Array> {
    try {
      return await rewriteFrame(frame, rewrite, this, sinceMs);
    } catch (error) {
      if (!(error instanceof UnknownPublicPortError)) throw error;
      await this.#sources.readPublicPorts();
      return await rewriteFrame(frame, rewrite, this, sinceMs);
    }
  }

  /** The host that the client gets for every node. */
  get publicHost(): string {
    return this.#sources.view.publicHost ?? this.reachedAt;
  }

  /** The IP address that clients get where nodes report one, if it is not the public host. */
  get publicIp(): string | undefined {
    return this.#sources.view.publicIp;
  }

  /** Whether nodes have host names in replies. */
  get hasHostnames(): boolean {
    return this.#sources.natTable.hasHostnames;
  }

  /** The id of the node; "" while it is unknown. */
  get ownId(): string {
    return this.#node.id;
  }

  /** The public port of the node. */
  get ownPort(): number {
    return this.#publicPort(this.#node.listenPort);
  }

  /** Whether a port is the public port of the node. */
  isOwnPort(publicPort: number): boolean {
    return this.#sources.view.publicPort(this.#node.listenPort) === publicPort;
  }

  /** The private address to which the session is connected. */
  get ownAddress(): HostPort {
    return socketAddress(this.#upstream.remoteAddr);
  }

  /** The IP address at which the client reached the proxy. */
  get reachedAt(): string {
    return socketAddress(this.#client.localAddr).host;
  }

  /** The public port of a node; undefined if `resolvePort` has to query the cluster for it. */
  portOf(ref: NodeRef): number | undefined {
    const listenPort = this.#sources.natTable.portOf(ref);
    return listenPort === undefined ? undefined : this.#publicPort(listenPort);
  }

  /** Queries the cluster for the public port of a node; see `NodeResolver.resolve`. */
  async resolvePort(ref: NodeRef, sinceMs: number): Promise<number | undefined> {
    const listenPort = await this.#sources.nodeResolver.resolve(ref, this.#node, sinceMs);
    return listenPort === undefined ? undefined : this.#publicPort(listenPort);
  }

  /** The node at a public port. */
  nodeAt(publicPort: number): MappedNode | undefined {
    const { view, natTable } = this.#sources;
    const listenPort = view.rowAtPublic(publicPort);
    return listenPort === undefined ? undefined : natTable.atPort(listenPort);
  }

  /** Whether an address is the private one of a node. */
  isPrivate(address: HostPort): boolean {
    return this.#sources.natTable.isPrivate(address);
  }

  /** The address of a client of the node; see `ClientAddresses.clientAt`. */
  clientAt(upstream: string): string | null | undefined {
    return this.#sources.clients.clientAt(this.#node, upstream);
  }

  /** Finds clients of the node; see `ClientAddresses.fetchClients`. */
  fetchClients(upstreams: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#sources.clients.fetchClients(this.#node, upstreams);
  }

  /** The upstream address of a client of the node; see `ClientAddresses.upstreamOf`. */
  upstreamOf(client: string): string | undefined | Promise<string | undefined> {
    return this.#sources.clients.upstreamOf(this.#node, client);
  }

  /** The IP addresses of a host name. */
  resolve(host: string): Promise<readonly string[]> {
    return this.#sources.resolver.resolve(host);
  }

  /** @throws {NoPublicPortError} while it is not known at which port clients reach the listener */
  #publicPort(listenPort: number): number {
    const { view } = this.#sources;
    const port = view.publicPort(listenPort);
    if (port !== undefined) return port;
    throw new UnknownPublicPortError(
      `The public port of port ${view.listenPort(listenPort)} is not known yet`,
    );
  }
}
