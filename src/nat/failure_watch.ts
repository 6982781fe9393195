import type { NatEntry, NatTable } from "./nat_table.ts";
import type { ClusterDiscovery } from "../cluster/discovery.ts";

/** What a failure watch needs of others. */
export interface FailureWatchOptions {
  readonly natTable: Pick<NatTable, "nodes">;
  readonly discovery: Pick<ClusterDiscovery, "nodesAt">;
  /** Whether there is anything to find out now: somebody has a session that might have to end. */
  readonly isNeeded: () => boolean;
  /** Whether a node takes connections, so that it can be asked. */
  readonly isUp: (node: NatEntry) => boolean;
  /** The cluster says `fail` of a node. */
  readonly failed: (node: NatEntry) => void;
}

/**
 * Between two queries: clients of a node that is gone without a word are to learn of it within 2 s
 * of the cluster's decision. It takes one node a fraction of a millisecond.
 */
const INTERVAL_MS = 1000;

/** While a node is suspected (`fail?`) the decision is near. */
const SUSPICION_INTERVAL_MS = 250;

/** Another node is asked if one takes longer. */
const QUERY_TIMEOUT_MS = 300;

/**
 * Asks the cluster once a second which nodes have failed. The word of one node is enough: it says
 * `fail`, unlike `fail?`, only when the majority of the primaries agree.
 */
export class FailureWatch {
  readonly #options: FailureWatchOptions;
  /** Nodes that did not answer; they are asked last, for each costs time. */
  readonly #silent = new Set<NatEntry>();
  /** Where to start among the nodes, so that it is not always the same one that is asked. */
  #offset = 0;
  #intervalMs = INTERVAL_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(options: FailureWatchOptions) {
    this.#options = options;
  }

  /** Begins to watch, after a first pause. */
  start(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(async () => {
      if (this.#options.isNeeded()) await this.#query();
      this.start();
    }, this.#intervalMs);
  }

  /** Ends the watch. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #query(): Promise<void> {
    const { natTable, discovery, isUp, failed } = this.#options;
    this.#intervalMs = INTERVAL_MS;
    for (const node of this.#candidates(natTable.nodes.filter(isUp))) {
      const lines = await discovery.nodesAt(node.address, QUERY_TIMEOUT_MS);
      if (this.#isStopped) return;
      if (lines === undefined) {
        this.#silent.add(node);
        continue;
      }
      this.#silent.delete(node);
      const flags = new Map(lines.map(({ id, flags }) => [id, flags]));
      for (const known of natTable.nodes) if (flags.get(known.id)?.has("fail")) failed(known);
      const isSuspicious = lines.some(({ flags }) => flags.has("fail?"));
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
