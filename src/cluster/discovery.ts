// cluster/ owns what a cluster reports about itself. It may import resp/ and platform/. Start here:
// ClusterDiscovery queries the nodes, and ViewSearch decides which one is next. node.ts parses
// CLUSTER NODES, view.ts derives facts from one view, node_connection.ts sends the proxy's own
// requests, and readiness.ts waits for a cluster that can be served.

import { formatHostPort, type HostPort, isIpAddress } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { isExhausted, resolve } from "../platform/net.ts";
import { textOf } from "../resp/frame.ts";
import { NodeConnection, type NodeConnectionOptions } from "./node_connection.ts";
import { messagesOf, NodeConnectionError, orThrow } from "./node_connection_error.ts";
import { type ClusterNode, parseNodes } from "./node.ts";
import { named, type NodeAddress } from "./node_address.ts";
import { portsOf, withoutTlsPorts } from "./node_ports.ts";
import { aliasOf } from "./node_ref.ts";
import { withTimeout } from "../platform/timeout.ts";
import {
  announcedAddress,
  answeringNode,
  type ClusterView,
  isHealthy,
  knownAddresses,
} from "./view.ts";
import { type Referral, type SearchOptions, ViewSearch } from "./view_search.ts";

/** The options of `ClusterDiscovery`. */
export interface ClusterDiscoveryOptions extends NodeConnectionOptions {
  /** The first addresses to query. A host name counts as one seed for each of its addresses. */
  readonly seeds: readonly HostPort[];
}

/** Which nodes a query goes to, and which view ends it. */
export interface QueryOptions extends SearchOptions {
  /** Addresses to query in addition to those of the last view. */
  readonly known?: readonly HostPort[];
}

/** The queries of a discovery so far. */
export interface DiscoveryHistory {
  /** How many queries have ended with a view. */
  readonly successes: number;
  /** How many queries no node has answered. */
  readonly failures: number;
  /** When the last view came, in milliseconds since 1970; undefined before the first. */
  readonly lastSuccessAtMs: number | undefined;
  /** Why no node answered the last query; undefined if one did. */
  readonly problem: string | undefined;
}

/** Queries nodes for their views of the cluster, on connections of its own. */
export class ClusterDiscovery {
  readonly #options: ClusterDiscoveryOptions;
  readonly #connections = new Set<NodeConnection>();
  readonly #closing = new AbortController();
  /** See `ClusterView.seedNames`. */
  readonly #seedNames = new Map<string, string>();
  /** The addresses of the last view, because the seeds may be gone. */
  #known: readonly HostPort[] = [];
  #history: DiscoveryHistory = {
    successes: 0,
    failures: 0,
    lastSuccessAtMs: undefined,
    problem: undefined,
  };
  /** Whether no node answered the last query, which was logged. */
  #isUnreachable = false;

  constructor(options: ClusterDiscoveryOptions) {
    this.#options = options;
  }

  /**
   * Queries one node after the other, seeds last, until a view `isSufficient`; if none is, returns
   * the best view that `belongs`. A node that does not answer soon does not delay the next one.
   * Nodes that a view reports as failed are skipped.
   *
   * @throws {AggregateError} of a NodeConnectionError for each node, if none answers; the first
   * failure after a success is logged
   */
  async queryAny({ known = [], ...options }: QueryOptions = {}): Promise<ClusterView> {
    // The first view has the names of all seeds, although only one of them is queried.
    if (this.#options.dialer.speaksTls && this.#known.length === 0) await this.seedAddresses();
    // AbortSignal.any would do, but a million of them took a gigabyte (Deno 2.9.6).
    const controller = new AbortController();
    const { signal } = controller;
    const stop = () => controller.abort(this.#closing.signal.reason);
    if (this.#closing.signal.aborted) stop();
    this.#closing.signal.addEventListener("abort", stop);
    const query = (address: HostPort, isSeed: boolean) =>
      isSeed && !isIpAddress(address.host) && !this.#options.dialer.dialsName(address)
        ? this.#resolveSeed(address)
        : this.#query(address, signal);
    const addresses = { known: [...this.#known, ...known], seeds: this.#options.seeds };
    const search = new ViewSearch(addresses, query, options);
    const view = await search.run(signal);
    this.#closing.signal.removeEventListener("abort", stop);
    controller.abort(new NodeConnectionError("Another node has answered"));
    if (view === undefined) throw this.#unreachable(search.errors);
    if (this.#isUnreachable) log.info("The cluster is reachable again");
    this.#isUnreachable = false;
    this.#known = knownAddresses(view);
    this.#history = {
      ...this.#history,
      successes: this.#history.successes + 1,
      lastSuccessAtMs: Date.now(),
      problem: undefined,
    };
    return view;
  }

  /** The results of `queryAny` so far. */
  get history(): DiscoveryHistory {
    return this.#history;
  }

  /**
   * The view of the node at an address; undefined if no node answers there. The server there gets
   * the credentials, so the address must be a seed or one that a node has reported.
   */
  async queryNode(address: HostPort): Promise<ClusterView | undefined> {
    try {
      return await this.queryNodeOrThrow(address);
    } catch (error) {
      if (error instanceof NodeConnectionError) return undefined;
      throw error;
    }
  }

  /**
   * Like `queryNode`, for callers that need the reason why no node answers.
   *
   * @throws {NodeConnectionError} if no node answers
   */
  async queryNodeOrThrow(address: HostPort): Promise<ClusterView> {
    const answer = await this.#query(address, this.#closing.signal);
    if (!("addresses" in answer)) return answer;
    throw answer.reason;
  }

  /** The seeds, with each name replaced by its addresses. */
  async seedAddresses(): Promise<HostPort[]> {
    const resolved = this.#options.seeds.map(async (seed) => {
      const isDialled = isIpAddress(seed.host) || this.#options.dialer.dialsName(seed);
      return isDialled ? [seed] : await this.#addressesOf(seed);
    });
    return (await Promise.all(resolved)).flat();
  }

  /**
   * Whether an address is a port of the proxy itself; undefined if no file descriptor is free for
   * the check.
   */
  async isOwn(address: HostPort): Promise<boolean | undefined> {
    try {
      return await this.#options.dialer.isOwn(address);
    } catch (error) {
      if (isExhausted(error)) return undefined;
      throw error;
    }
  }

  /** The IP addresses of a host name; none if it does not resolve. */
  resolve(host: string): Promise<string[]> {
    return resolve(host);
  }

  /** The reply to CLUSTER NODES at an address; undefined if it does not arrive within `limitMs`. */
  async nodesAt(address: HostPort, limitMs: number): Promise<ClusterNode[] | undefined> {
    try {
      return await withTimeout(this.#queryNodes(address), limitMs);
    } catch (error) {
      if (error instanceof NodeConnectionError) return undefined;
      throw error;
    }
  }

  /**
   * Opens a connection to a node, which the caller closes; `close` closes it, too.
   *
   * @throws {NodeConnectionError} if the node cannot be reached within `limitMs`, or refuses the
   * credentials
   */
  async connect(address: NodeAddress, limitMs: number): Promise<NodeConnection> {
    const attempt = new AbortController();
    const { signal } = this.#closing;
    const stop = () => attempt.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    const timer = setTimeout(
      () => attempt.abort(new Error(`it did not answer within ${limitMs} ms`)),
      limitMs,
    );
    try {
      return await this.#open(address, attempt.signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Ends all queries, and makes later ones fail. */
  close(): void {
    this.#closing.abort(new Error("the proxy is stopping"));
    for (const connection of this.#connections) connection.close();
  }

  #unreachable(errors: unknown[]): AggregateError {
    this.#history = {
      ...this.#history,
      failures: this.#history.failures + 1,
      problem: messagesOf(errors),
    };
    // Before the first answer, `waitUntilReady` logs the reasons.
    if (this.#known.length > 0 && !this.#isUnreachable && !this.#closing.signal.aborted) {
      this.#isUnreachable = true;
      log.warning("No node is reachable; keeping the last known topology: {reasons}", {
        reasons: messagesOf(errors),
      });
    }
    return new AggregateError(errors, "No node answers");
  }

  async #resolveSeed(seed: HostPort): Promise<Referral> {
    const addresses = await this.#addressesOf(seed);
    if (addresses.length > 0) return { addresses };
    throw new NodeConnectionError(`The name '${seed.host}' does not resolve`);
  }

  /** The addresses of a seed's name, each with that name. */
  async #addressesOf({ host: name, port }: HostPort): Promise<NodeAddress[]> {
    const addresses = (await this.resolve(name)).map((host) => named({ host, port }, name));
    for (const address of addresses) this.#seedNames.set(aliasOf(address), name);
    return addresses;
  }

  /** The view of a node; or a referral, if it is a discovery service that lists nodes. */
  async #query(
    address: NodeAddress,
    signal: AbortSignal,
  ): Promise<ClusterView | Required<Referral>> {
    const takenAtMs = performance.now();
    using connection = await this.#open(address, signal);
    const abort = () => connection.close();
    signal.addEventListener("abort", abort);
    try {
      const [nodesReply, info, shards] = await connection.requestAll([
        ["CLUSTER", "NODES"],
        ["CLUSTER", "INFO"],
        ["CLUSTER", "SHARDS"],
      ]);
      const nodes = parseNodes(textOf(orThrow(nodesReply!)) ?? "");
      const answeredBy = answeringNode(nodes, [address, connection.remote]);
      if (answeredBy === undefined || info instanceof NodeConnectionError) {
        const others = nodes.filter((node) => node !== answeredBy && isHealthy(node));
        return {
          addresses: others.flatMap((node) => announcedAddress(node) ?? []),
          reason: info instanceof NodeConnectionError ? info : new NodeConnectionError(
            `Node ${formatHostPort(address)} does not list itself in CLUSTER NODES`,
          ),
        };
      }
      const ports = shards instanceof NodeConnectionError ? new Map() : portsOf(shards!);
      return {
        nodes: withoutTlsPorts(nodes, answeredBy, ports),
        answeredBy,
        answeredAt: connection.remote,
        ports,
        seedNames: this.#seedNames,
        isTls: this.#options.dialer.speaksTls,
        state: /^cluster_state:(\w+)/m.exec(textOf(info!) ?? "")?.[1] ?? "unknown",
        takenAtMs,
      };
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #queryNodes(address: HostPort): Promise<ClusterNode[]> {
    using connection = await this.#open(address, this.#closing.signal);
    return parseNodes(textOf(await connection.request("CLUSTER", "NODES")) ?? "");
  }

  async #open(address: NodeAddress, signal: AbortSignal): Promise<NodeConnection> {
    const options = { ...this.#options, signal };
    if (!signal.aborted) {
      // An address from a file, or from a reply, has no name.
      const hostname = address.hostname ?? this.#seedNames.get(aliasOf(address)) ?? "";
      const at = named(address, hostname);
      const connection = await NodeConnection.open(at, options, this.#connections);
      if (!signal.aborted) return connection;
      connection.close();
    }
    throw new NodeConnectionError(
      signal.reason instanceof Error ? signal.reason.message : "The proxy is stopping",
    );
  }
}
