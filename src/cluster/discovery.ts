import { formatHostPort, type HostPort, isIpAddress } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { isExhausted, resolve } from "../platform/net.ts";
import { textOf } from "../resp/frame.ts";
import {
  NodeConnection,
  NodeConnectionError,
  type NodeConnectionOptions,
  orThrow,
} from "./node_connection.ts";
import { type ClusterNode, parseNodes } from "./node.ts";
import { withTimeout } from "../platform/timeout.ts";
import {
  announcedAddress,
  type ClusterView,
  failedAddresses,
  isBetter,
  isHealthy,
  knownAddresses,
  nodeAsked,
  tlsPortsOf,
} from "./view.ts";

/** What a topology starts from. */
export interface ClusterDiscoveryOptions extends NodeConnectionOptions {
  /** Addresses of nodes, or names: a name is as many seeds as it has addresses. */
  readonly seeds: readonly HostPort[];
}

/** Addresses to ask instead: those of a name, or of nodes that one lists that is no node itself. */
interface Referral {
  readonly addresses: readonly HostPort[];
  /** Why it is no answer by itself, if the addresses do not give one either. */
  readonly reason?: NodeConnectionError;
}

/**
 * A node that has not answered for so long may hang, so that another is asked, too. Nodes that are
 * far need less, and RFC 8305 gives an address of a host as much.
 */
const HEAD_START_MS = 250;

/** How long to wait for a better view, once there is one and all others have been asked. */
const PATIENCE_MS = 1000;

/** Whom a look asks, and which view it is for. */
export interface QueryOptions {
  /** Where nodes are besides those that told of themselves last. */
  readonly known?: readonly HostPort[];
  /** What sets a good view off from one that will do. */
  readonly wanted?: (view: ClusterView) => boolean;
  /**
   * Whether a view is of the cluster at all: at an address where a node once was there may be
   * one of another cluster now.
   */
  readonly belongs?: (view: ClusterView) => boolean;
  /** Whether a view that a seed gives is to be taken all the same, if nobody gives another. */
  readonly replaces?: (view: ClusterView) => boolean;
}

/** Asks the cluster who is there, over connections of its own. */
export class ClusterDiscovery {
  readonly #options: ClusterDiscoveryOptions;
  readonly #links = new Set<NodeConnection>();
  readonly #closing = new AbortController();
  /** Where nodes were when last heard of; the seeds may be gone by now. */
  #known: readonly HostPort[] = [];
  /** Nothing answered the last look, and that was said. */
  #silent = false;

  constructor(options: ClusterDiscoveryOptions) {
    this.#options = options;
  }

  /**
   * Asks one node after the other, the seeds last, until one gives a view that is `wanted`; if
   * none does, the best view that is `belongs` will do. A node that does not answer at once is not
   * waited for before the next one is asked. Nodes that such a view calls failed are not asked.
   *
   * @throws {AggregateError} of one LinkError for each node, when none answers; the first time
   * after one did it is logged, too
   */
  async queryAny(options: QueryOptions = {}): Promise<ClusterView> {
    const { known = [], wanted = () => true, belongs = () => true, replaces = belongs } = options;
    const seeds = new Set(this.#options.seeds.map(formatHostPort));
    const queue = [...this.#known, ...known, ...this.#options.seeds];
    const errors: unknown[] = [];
    const done = new Set<string>();
    const asking = new Set<Promise<void>>();
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
      else errors.push(new NodeConnectionError(`Node ${text} is not of the cluster any more`));
    };
    const ask = async (address: HostPort, text: string) => {
      try {
        const answer = seeds.has(text) && !isIpAddress(address.host)
          ? await this.#resolveSeed(address)
          : await this.#query(address, signal);
        if (!("addresses" in answer)) return consider(text, answer);
        // Whom a seed refers to counts as a seed, and comes before the next one.
        if (seeds.has(text)) answer.addresses.forEach((one) => seeds.add(formatHostPort(one)));
        queue.unshift(...answer.addresses);
        if (answer.reason !== undefined) errors.push(answer.reason);
      } catch (error) {
        errors.push(error);
      }
    };

    while (!signal.aborted && (found === undefined || !wanted(found))) {
      const address = queue.shift();
      if (address !== undefined) {
        const text = formatHostPort(address);
        if (done.has(text)) continue;
        done.add(text);
        const asked: Promise<void> = ask(address, text).finally(() => asking.delete(asked));
        asking.add(asked);
      }
      if (asking.size === 0) break;
      const limitMs = queue.length > 0
        ? HEAD_START_MS
        : (found ?? other) === undefined
        ? Infinity
        : PATIENCE_MS;
      const answered = await withTimeout(Promise.race(asking).then(() => true), limitMs);
      if (answered === undefined && queue.length === 0) break;
    }
    this.#closing.signal.removeEventListener("abort", stop);
    search.abort(new NodeConnectionError("Another node has answered"));
    const view = found ?? other;
    if (view === undefined) throw this.#miss(errors);
    if (this.#silent) log.info("The cluster is reachable again");
    this.#silent = false;
    this.#known = knownAddresses(view);
    return view;
  }

  /**
   * The cluster as the node at an address sees it that a node has vouched for, or undefined if
   * no node answers there. The credentials are shown to whoever listens.
   */
  async queryNode(address: HostPort): Promise<ClusterView | undefined> {
    try {
      return await this.viewAt(address);
    } catch (error) {
      if (error instanceof NodeConnectionError) return undefined;
      throw error;
    }
  }

  /**
   * The same, where it matters why no node answers.
   *
   * @throws {NodeConnectionError} when none does
   */
  async viewAt(address: HostPort): Promise<ClusterView> {
    const answer = await this.#query(address, this.#closing.signal);
    if (!("addresses" in answer)) return answer;
    throw answer.reason;
  }

  /** The seeds, each name replaced by its addresses. */
  async seedAddresses(): Promise<HostPort[]> {
    const resolved = this.#options.seeds.map(async (seed) => {
      if (isIpAddress(seed.host)) return [seed];
      return (await this.resolve(seed.host)).map((host) => ({ host, port: seed.port }));
    });
    return (await Promise.all(resolved)).flat();
  }

  /**
   * Whether the proxy itself is what one reaches at an address; undefined while there is no file
   * descriptor to find that out.
   */
  async isOwn(address: HostPort): Promise<boolean | undefined> {
    try {
      return await this.#options.dialer.isOwn(address);
    } catch (error) {
      if (isExhausted(error)) return undefined;
      throw error;
    }
  }

  /** The IP addresses of the name of a seed, or none. */
  resolve(host: string): Promise<string[]> {
    return resolve(host);
  }

  /** What CLUSTER NODES says at an address; undefined if no answer comes within `limitMs`. */
  async nodesAt(address: HostPort, limitMs: number): Promise<ClusterNode[] | undefined> {
    try {
      return await withTimeout(this.#askNodes(address), limitMs);
    } catch (error) {
      if (error instanceof NodeConnectionError) return undefined;
      throw error;
    }
  }

  /** Breaks off what is being asked; nothing can be asked any more. */
  close(): void {
    this.#closing.abort(new Error("the proxy is stopping"));
    for (const link of this.#links) link.close();
  }

  #miss(errors: unknown[]): AggregateError {
    // Before the first answer it is for whoever waits for that to say why there is none.
    if (this.#known.length > 0 && !this.#silent && !this.#closing.signal.aborted) {
      this.#silent = true;
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

  /** A node's view, or whom to ask instead: a discovery service lists nodes and is none. */
  async #query(address: HostPort, signal: AbortSignal): Promise<ClusterView | Required<Referral>> {
    const takenAtMs = performance.now();
    using link = await this.#open(address, signal);
    const abort = () => link.close();
    signal.addEventListener("abort", abort);
    try {
      const [told, info, shards] = await link.requestAll([
        ["CLUSTER", "NODES"],
        ["CLUSTER", "INFO"],
        ["CLUSTER", "SHARDS"],
      ]);
      const nodes = parseNodes(textOf(orThrow(told!)) ?? "");
      const answeredBy = nodeAsked(nodes, [address, link.remote]);
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
        answeredAt: link.remote,
        tlsPorts: shards instanceof NodeConnectionError ? new Map() : tlsPortsOf(shards!),
        state: /^cluster_state:(\w+)/m.exec(textOf(info!) ?? "")?.[1] ?? "unknown",
        takenAtMs,
      };
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #askNodes(address: HostPort): Promise<ClusterNode[]> {
    using link = await this.#open(address, this.#closing.signal);
    return parseNodes(textOf(await link.request("CLUSTER", "NODES")) ?? "");
  }

  async #open(address: HostPort, signal: AbortSignal): Promise<NodeConnection> {
    const options = { ...this.#options, signal };
    if (!signal.aborted) {
      const link = await NodeConnection.open(address, options, this.#links);
      if (!signal.aborted) return link;
      link.close();
    }
    throw new NodeConnectionError(
      signal.reason instanceof Error ? signal.reason.message : "The proxy is stopping",
    );
  }
}
