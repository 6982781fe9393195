import type { ClusterDiscovery } from "../cluster/discovery.ts";
import type { NatEntry, NatTable } from "./nat_table.ts";

/** What a `FailureWatch` is created from. */
export interface FailureWatchOptions {
  readonly natTable: Pick<NatTable, "nodes">;
  readonly discovery: Pick<ClusterDiscovery, "nodesAt">;
  /** Whether a failure would matter now: there is a session that might have to end. */
  readonly isNeeded: () => boolean;
  /** Whether a node accepts connections, so that it can be queried. */
  readonly isUp: (node: NatEntry) => boolean;
  /** Takes each node that the cluster flags `fail`. */
  readonly failed: (node: NatEntry) => void;
}

/**
 * Between two queries. Sessions of a node that vanished must end within 2 s of the cluster's
 * decision. A query takes the node a fraction of a millisecond.
 */
const INTERVAL_MS = 1000;

/** While a node is flagged `fail?`, the decision is near. */
const SUSPICION_INTERVAL_MS = 250;

/** After this time, the next node is queried. */
const QUERY_TIMEOUT_MS = 300;

/**
 * Queries the cluster for failed nodes once a second. One node is enough: it flags a node `fail`,
 * unlike `fail?`, only after the majority of the primaries agree.
 */
export class FailureWatch {
  readonly #options: FailureWatchOptions;
  /** Nodes that did not answer. They are queried last, because each costs a timeout. */
  readonly #silent = new Set<NatEntry>();
  /** Where to start among the nodes, so that the queries rotate. */
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

  /** Stops. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #query(): Promise<void> {
    const { natTable, discovery, isUp, failed } = this.#options;
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
      for (const known of natTable.nodes) if (flags.get(known.id)?.has("fail")) failed(known);
      const isSuspicious = answer.some(({ flags }) => flags.has("fail?"));
      if (isSuspicious) this.#intervalMs = SUSPICION_INTERVAL_MS;
      return;
    }
  }

  #candidates(nodes: readonly NatEntry[]): NatEntry[] {
    for (const node of this.#silent) if (!nodes.includes(node)) this.#silent.delete(node);
    const at = this.#offset++ % Math.max(1, nodes.length);
    const rotated = [...nodes.slice(at), ...nodes.slice(0, at)];
    const isSilent = (node: NatEntry) => this.#silent.has(node);
    return [...rotated.filter((node) => !isSilent(node)), ...rotated.filter(isSilent)];
  }
}
