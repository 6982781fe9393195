// cluster/ owns what a cluster reports about itself. It may import resp/ and platform/. Start here:
// ClusterDiscovery queries the nodes. node.ts parses CLUSTER NODES, view.ts derives facts from
// one view, node_connection.ts sends the proxy's own requests, and readiness.ts waits for a cluster
// that can be served.

import { formatHostPort, type HostPort, isIpAddress } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { isExhausted, resolve } from "../platform/net.ts";
import { textOf } from "../resp/frame.ts";
import { NodeConnection, type NodeConnectionOptions } from "./node_connection.ts";
import { NodeConnectionError, orThrow } from "./node_connection_error.ts";
import { type ClusterNode, parseNodes } from "./node.ts";
import { withTimeout } from "../platform/timeout.ts";
import {
  announcedAddress,
  answeringNode,
  type ClusterView,
  failedAddresses,
  isBetter,
  isHealthy,
  knownAddresses,
  tlsPortsOf,
} from "./view.ts";

/** The options of `ClusterDiscovery`. */
export interface ClusterDiscoveryOptions extends NodeConnectionOptions {
  /** The first addresses to query. A host name counts as one seed for each of its addresses. */
  readonly seeds: readonly HostPort[];
}

/** Addresses to query instead: those of a name, or the nodes that a discovery service lists. */
interface Referral {
  readonly addresses: readonly HostPort[];
  /** The error to report if none of the addresses answers. */
  readonly reason?: NodeConnectionError;
}

/**
 * A node that has not answered after this time may hang, so the next one is queried, too. Distant
 * nodes answer within it; RFC 8305 recommends it between attempts to the addresses of a host.
 */
const HEAD_START_MS = 250;

/** How long to wait for a better view once there is one and no further node to query. */
const BETTER_VIEW_WAIT_MS = 1000;

/** Which nodes a query goes to, and which view ends it. */
export interface QueryOptions {
  /** Addresses to query in addition to those of the last view. */
  readonly known?: readonly HostPort[];
  /** Whether a view is good enough to end the query. If none is, the best view is returned. */
  readonly isSufficient?: (view: ClusterView) => boolean;
  /** Whether a view shows the right cluster: a former address may belong to another one now. */
  readonly belongs?: (view: ClusterView) => boolean;
  /** Whether to accept another cluster's view from a seed, if no node has a view that belongs. */
  readonly replaces?: (view: ClusterView) => boolean;
}

/** Queries nodes for their views of the cluster, on connections of its own. */
export class ClusterDiscovery {
  readonly #options: ClusterDiscoveryOptions;
  readonly #connections = new Set<NodeConnection>();
  readonly #closing = new AbortController();
  /** The addresses of the last view; the seeds may be gone by now. */
  #known: readonly HostPort[] = [];
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
  async queryAny(options: QueryOptions = {}): Promise<ClusterView> {
    const { known = [], isSufficient = () => true } = options;
    const { belongs = () => true, replaces = belongs } = options;
    const seeds = new Set(this.#options.seeds.map(formatHostPort));
    const queue = [...this.#known, ...known, ...this.#options.seeds];
    const errors: unknown[] = [];
    const done = new Set<string>();
    const pending = new Set<Promise<void>>();
    // AbortSignal.any would do, but a million of them took a gigabyte (Deno 2.9.6).
    const search = new AbortController();
    const { signal } = search;
    const stop = () => search.abort(this.#closing.signal.reason);
    if (this.#closing.signal.aborted) stop();
    this.#closing.signal.addEventListener("abort", stop);
    let found: ClusterView | undefined;
    let other: ClusterView | undefined;

    const consider = (text: string, view: ClusterView) => {
      if (belongs(view)) {
        if (found === undefined || !isBetter(found, view)) found = view;
        for (const failed of failedAddresses(view)) done.add(formatHostPort(failed));
      } else if (seeds.has(text) && replaces(view)) other ??= view;
      else errors.push(new NodeConnectionError(`Node ${text} is in another cluster now`));
    };
    const query = async (address: HostPort, text: string) => {
      try {
        const answer = seeds.has(text) && !isIpAddress(address.host)
          ? await this.#resolveSeed(address)
          : await this.#query(address, signal);
        if (!("addresses" in answer)) return consider(text, answer);
        // The addresses that a seed refers to are seeds, and come before the next seed.
        if (seeds.has(text)) answer.addresses.forEach((one) => seeds.add(formatHostPort(one)));
        queue.unshift(...answer.addresses);
        if (answer.reason !== undefined) errors.push(answer.reason);
      } catch (error) {
        errors.push(error);
      }
    };

    while (!signal.aborted && (found === undefined || !isSufficient(found))) {
      const address = queue.shift();
      if (address !== undefined) {
        const text = formatHostPort(address);
        if (done.has(text)) continue;
        done.add(text);
        const querying: Promise<void> = query(address, text)
          .finally(() => pending.delete(querying));
        pending.add(querying);
      }
      if (pending.size === 0) break;
      const limitMs = queue.length > 0
        ? HEAD_START_MS
        : (found ?? other) === undefined
        ? Infinity
        : BETTER_VIEW_WAIT_MS;
      const answered = await withTimeout(Promise.race(pending).then(() => true), limitMs);
      if (answered === undefined && queue.length === 0) break;
    }
    this.#closing.signal.removeEventListener("abort", stop);
    search.abort(new NodeConnectionError("Another node has answered"));
    const view = found ?? other;
    if (view === undefined) throw this.#unreachable(errors);
    if (this.#isUnreachable) log.info("The cluster is reachable again");
    this.#isUnreachable = false;
    this.#known = knownAddresses(view);
    return view;
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
      if (isIpAddress(seed.host)) return [seed];
      return (await this.resolve(seed.host)).map((host) => ({ host, port: seed.port }));
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

  /** Ends all queries, and makes later ones fail. */
  close(): void {
    this.#closing.abort(new Error("the proxy is stopping"));
    for (const connection of this.#connections) connection.close();
  }

  #unreachable(errors: unknown[]): AggregateError {
    // Before the first answer, `waitUntilReady` logs the reasons.
    if (this.#known.length > 0 && !this.#isUnreachable && !this.#closing.signal.aborted) {
      this.#isUnreachable = true;
      log.warning("No node is reachable; keeping the last known topology: {reasons}", {
        reasons: errors.map((error) => error instanceof Error ? error.message : error).join("; "),
      });
    }
    return new AggregateError(errors, "No node answers");
  }

  async #resolveSeed({ host, port }: HostPort): Promise<Referral> {
    const found = await this.resolve(host);
    if (found.length === 0) throw new NodeConnectionError(`The name '${host}' does not resolve`);
    return { addresses: found.map((ip) => ({ host: ip, port })) };
  }

  /** The view of a node; or a referral, if it is a discovery service that lists nodes. */
  async #query(address: HostPort, signal: AbortSignal): Promise<ClusterView | Required<Referral>> {
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
      return {
        nodes,
        answeredBy,
        answeredAt: connection.remote,
        tlsPorts: shards instanceof NodeConnectionError ? new Map() : tlsPortsOf(shards!),
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

  async #open(address: HostPort, signal: AbortSignal): Promise<NodeConnection> {
    const options = { ...this.#options, signal };
    if (!signal.aborted) {
      const connection = await NodeConnection.open(address, options, this.#connections);
      if (!signal.aborted) return connection;
      connection.close();
    }
    throw new NodeConnectionError(
      signal.reason instanceof Error ? signal.reason.message : "The proxy is stopping",
    );
  }
}
