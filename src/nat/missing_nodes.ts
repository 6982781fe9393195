import type { HostPort } from "../platform/address.ts";
import type { ClusterView } from "../cluster/view.ts";

/** A node that views have omitted for long; the refresher verifies that it is gone. */
export interface MissingNode {
  /** The node id. */
  readonly id: string;
  /** Where it was; undefined if the proxy has not served it. */
  readonly address: HostPort | undefined;
}

/** The time since which views omit a node. */
interface Absence {
  readonly sinceMs: number;
  /** The id of the first node that omitted it. */
  readonly reportedBy: string;
  isLong: boolean;
}

/** The nodes that have a port and that views omit. */
export class MissingNodes {
  readonly #forgetAfterMs: number;
  readonly #absences = new Map<string, Absence>();

  /** @param forgetAfterMs how long views must omit a node until it is long missing */
  constructor(forgetAfterMs: number) {
    this.#forgetAfterMs = forgetAfterMs;
  }

  /** The ids of the nodes that are long missing. */
  get longMissing(): string[] {
    return [...this.#absences].filter(([, { isLong }]) => isLong).map(([id]) => id);
  }

  /** Whether a node is long missing. */
  isLongMissing(id: string): boolean {
    return this.#absences.get(id)?.isLong ?? false;
  }

  /**
   * Records which nodes of `ids` a view omits. Only a view in state ok counts, and never for the
   * node that answered.
   */
  record(view: ClusterView, ids: Iterable<string>): void {
    const listed = new Set(view.nodes.map(({ id }) => id));
    for (const id of ids) {
      if (id === view.answeredBy.id) continue;
      if (listed.has(id)) this.#absences.delete(id);
      else if (view.state === "ok" && !this.#absences.has(id)) {
        const { takenAtMs: sinceMs, answeredBy } = view;
        this.#absences.set(id, { sinceMs, reportedBy: answeredBy.id, isLong: false });
      }
    }
  }

  /** Updates which nodes are long missing: those that two nodes have omitted for long enough. */
  updateLongMissing(view: ClusterView): void {
    if (view.state !== "ok") return;
    for (const absence of this.#absences.values()) {
      const isOld = view.takenAtMs - absence.sinceMs >= this.#forgetAfterMs;
      const isConfirmed = absence.reportedBy !== view.answeredBy.id || view.nodes.length === 1;
      if (isOld && isConfirmed) absence.isLong = true;
    }
  }

  /** Removes the nodes that have no port any more. */
  keep(ids: Iterable<string>): void {
    const kept = new Set(ids);
    for (const id of this.#absences.keys()) if (!kept.has(id)) this.#absences.delete(id);
  }

  /** Removes a node: it is not missing, or has no port any more. */
  delete(id: string): void {
    this.#absences.delete(id);
  }
}
