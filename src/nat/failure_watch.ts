import type { ClusterDiscovery } from "../cluster/discovery.ts";
import type { NatEntry, NatTable } from "./nat_table.ts";

/** The options of `FailureWatch`. */
export interface FailureWatchOptions {
  readonly natTable: Pick<NatTable, "nodes">;
  readonly discovery: Pick<ClusterDiscovery, "nodesAt">;
  /** Whether to query at all: a failure only matters to open sessions. */
  readonly isNeeded: () => boolean;
  /** Whether a node accepts connections, so that it can be queried. */
  readonly isUp: (node: NatEntry) => boolean;
  /** Called for each node that the cluster flags `fail`, at each query. */
  readonly onFailed: (node: NatEntry) => void;
}

/**
 * Between two queries. Sessions of a node that vanished must end within 2 s of the cluster's
 * decision. A query costs the node a fraction of a millisecond of CPU time.
 */
const INTERVAL_MS = 1000;

/** Between two queries while a node is flagged `fail?`, because the decision follows soon. */
const SUSPICION_INTERVAL_MS = 250;

/** How long a node may take to answer before the next one is queried. */
const QUERY_TIMEOUT_MS = 300;

/**
 * Queries one node a second for the nodes that have failed. One is enough: unlike `fail?`, a node
 * is flagged `fail` only after the majority of the primaries agree.
 */
export class FailureWatch {
  readonly #options: FailureWatchOptions;
  /** Nodes that did not answer. They are queried last, because each costs a timeout. */
  readonly #silent = new Set<NatEntry>();
  /** The index of the first node of the next query, so that the queries rotate. */
  #offset = 0;
  #intervalMs = INTERVAL_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(options: FailureWatchOptions) {
    this.#options = options;
  }

  /** Starts to query, after a first pause. */
  start(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(async () => {
      if (this.#options.isNeeded()) await this.#query();
      this.start();
    }, this.#intervalMs);
  }

  /** Stops to query. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #query(): Promise<void> {
    const { natTable, discovery, isUp, onFailed } = this.#options;
    this.#intervalMs = INTERVAL_MS;
    for (const node of this.#candidates(natTable.nodes.filter(isUp))) {
      const answer = await discovery.nodesAt(node.address, QUERY_TIMEOUT_MS);
      if (this.#isStopped) return;
      if (answer === undefined) {
        this.#silent.add(node);
        continue;
      }
      this.#silent.delete(node);
      const flags = new Map(answer.map(({ id, flags }) => [id, flags]));
      for (const known of natTable.nodes) if (flags.get(known.id)?.has("fail")) onFailed(known);
      const isSuspicious = answer.some(({ flags }) => flags.has("fail?"));
      if (isSuspicious) this.#intervalMs = SUSPICION_INTERVAL_MS;
      return;
    }
  }

  /** The nodes in the order in which to query them. */
  #candidates(nodes: readonly NatEntry[]): NatEntry[] {
    for (const node of this.#silent) if (!nodes.includes(node)) this.#silent.delete(node);
    const at = this.#offset++ % Math.max(1, nodes.length);
    const rotated = [...nodes.slice(at), ...nodes.slice(0, at)];
    const isSilent = (node: NatEntry) => this.#silent.has(node);
    return [...rotated.filter((node) => !isSilent(node)), ...rotated.filter(isSilent)];
  }
}
