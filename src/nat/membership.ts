import type { HostPort } from "../platform/address.ts";
import { isSameAddress } from "../cluster/node_ref.ts";
import { type ClusterView, isReady, locatedNodes } from "../cluster/view.ts";

/**
 * Whether a view shows the cluster of the given nodes. A view of another cluster that reuses an
 * address, or of a node that was removed, must not change the table. The view must list most known
 * nodes and at least one besides the answering node, unless the cluster has shrunk to one.
 */
export function belongsToCluster(view: ClusterView, ids: ReadonlySet<string>): boolean {
  const known = view.nodes.filter(({ id }) => ids.has(id));
  const others = known.filter(({ id }) => id !== view.answeredBy.id);
  const isAlone = known.length === 1 && others.length === 0 && (ids.size === 1 ||
    (view.nodes.length === 1 && isReady(view)));
  return ids.size === 0 || isAlone ||
    (others.length > 0 && known.length > Math.min(view.nodes.length, ids.size) / 2);
}

/**
 * Whether a view that fails `belongsToCluster` may show a cluster that replaced this one: it has a
 * node at a known address, or the last accepted view is older than `forgetAfterMs`.
 */
export function looksReplaced(view: ClusterView, known: {
  readonly addresses: readonly HostPort[];
  /** When the last accepted view was taken, in milliseconds of the monotonic clock. */
  readonly seenAtMs: number;
  readonly forgetAfterMs: number;
}): boolean {
  return view.takenAtMs - known.seenAtMs > known.forgetAfterMs ||
    locatedNodes(view).some(({ address }) =>
      known.addresses.some((other) => isSameAddress(other, address))
    );
}

/** A node that views have not listed for a time; the refresher verifies that it is gone. */
export interface Suspect {
  /** The node id. */
  readonly id: string;
  readonly address: HostPort;
}

/** Since when views have not listed a node. */
interface Absence {
  readonly sinceMs: number;
  /** The id of the first node that did not list it. */
  readonly reportedBy: string;
  isSuspect: boolean;
}

/** The nodes that have a port and that views do not list. */
export class MissingNodes {
  readonly #forgetAfterMs: number;
  readonly #absences = new Map<string, Absence>();

  /** @param forgetAfterMs how long views must omit a node until it is suspected to be gone */
  constructor(forgetAfterMs: number) {
    this.#forgetAfterMs = forgetAfterMs;
  }

  /** The ids of the suspected nodes. */
  get suspects(): string[] {
    return [...this.#absences].filter(([, { isSuspect }]) => isSuspect).map(([id]) => id);
  }

  /** Whether a node is suspected to be gone. */
  isSuspect(id: string): boolean {
    return this.#absences.get(id)?.isSuspect ?? false;
  }

  /**
   * Records which of some nodes a view does not list. Only a node of a working cluster can report
   * that another node is not a member, and no node can report that about itself.
   */
  record(view: ClusterView, ids: Iterable<string>): void {
    const listed = new Set(view.nodes.map(({ id }) => id));
    for (const id of ids) {
      if (id === view.answeredBy.id) continue;
      if (listed.has(id)) this.#absences.delete(id);
      else if (view.state === "ok" && !this.#absences.has(id)) {
        const { takenAtMs: sinceMs, answeredBy } = view;
        this.#absences.set(id, { sinceMs, reportedBy: answeredBy.id, isSuspect: false });
      }
    }
  }

  /** Suspects the nodes that have been missing for long enough, if two nodes report it. */
  suspectOld(view: ClusterView): void {
    if (view.state !== "ok") return;
    for (const absence of this.#absences.values()) {
      const isOld = view.takenAtMs - absence.sinceMs >= this.#forgetAfterMs;
      const isConfirmed = absence.reportedBy !== view.answeredBy.id || view.nodes.length === 1;
      if (isOld && isConfirmed) absence.isSuspect = true;
    }
  }

  /** Forgets that a node is missing. */
  delete(id: string): void {
    this.#absences.delete(id);
  }
}
