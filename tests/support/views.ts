import { NatTable } from "../../src/nat/nat_table.ts";
import type { NatContext } from "../../src/nat/queries.ts";
import type { TableChange } from "../../src/nat/table_change.ts";
import { parseNodes } from "../../src/cluster/node.ts";
import type { SavedPorts, StaticMapping } from "../../src/nat/port_allocator.ts";
import type { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";

/** The node id that consists of one digit. */
export function idOf(digit: string): string {
  return digit.repeat(40);
}

/**
 * The view of a node at 10.0.0.1:7000: lines of CLUSTER NODES with one-digit ids, its own first.
 */
export function viewOf(lines: readonly string[], more: Partial<ClusterView> = {}): ClusterView {
  const nodes = parseNodes(lines.map((line) => `${idOf(line[0]!)}${line.slice(1)}\n`).join(""));
  return {
    nodes,
    answeredBy: nodes[0]!,
    answeredAt: { host: "10.0.0.1", port: 7000 },
    ports: new Map(),
    isTls: false,
    state: "ok",
    takenAtMs: performance.now(),
    ...more,
  };
}

/** The same view, from another of its nodes. */
export function seenBy(digit: string, view: ClusterView): ClusterView {
  return { ...view, answeredBy: view.nodes.find(({ id }) => id === idOf(digit))! };
}

/** A line of CLUSTER NODES for `viewOf`, by default of a primary other than the one that answers. */
export function line(digit: string, address: string, flags = "master"): string {
  return `${digit} ${address}@17000 ${flags} - 0 0 1 connected`;
}

/** What the NAT table of a test has other than the ordinary. */
export interface TableSceneOptions {
  first?: number;
  count?: number;
  staticMappings?: readonly StaticMapping[];
  saved?: SavedPorts;
  forgetAfterMs?: number;
  /** Whether ports come from `NatTable.follow`. */
  sharesPorts?: boolean;
  /** Ports that cannot be opened. */
  taken?: readonly number[];
  /** Whether a test verifies missing nodes itself; otherwise none of them answers. */
  verifies?: boolean;
}

/** A NAT table with the changes that were applied, as the proxy applies them. */
export class TableScene {
  readonly natTable: NatTable;
  /** As text: `open 8000`, `close 8000`, `moved 8000`, `conflict`, `unlocated`. */
  readonly done: string[] = [];
  readonly #taken: Set<number>;
  readonly #verifies: boolean;

  constructor(
    {
      first = 8000,
      count = 8,
      staticMappings = [],
      saved,
      forgetAfterMs = 0,
      sharesPorts = false,
      taken = [],
      verifies = false,
    }: TableSceneOptions = {},
  ) {
    this.#taken = new Set(taken);
    this.#verifies = verifies;
    this.natTable = new NatTable({
      firstPort: first,
      maxNodes: count,
      staticMappings,
      savedPorts: saved,
      forgetAfterMs,
      sharesPorts,
    });
  }

  /** The same scene after a view, in the form of `viewOf`. */
  knowing(lines: readonly string[]): this {
    this.applyView(viewOf(lines));
    return this;
  }

  /** Lets a port be opened that could not be. */
  free(port: number): void {
    this.#taken.delete(port);
  }

  /** Applies a view and its changes. */
  applyView(view: ClusterView, isRequired = false): void {
    this.apply(this.natTable.applyView(view, isRequired));
  }

  /** What resolvers and refreshers of the table work with. */
  context(discovery: ClusterDiscovery): NatContext {
    return { natTable: this.natTable, discovery, apply: (changes) => this.apply(changes) };
  }

  /** The ports and private addresses by the digit of each node's id. */
  get mapping(): Record<string, string> {
    return Object.fromEntries(
      this.natTable.nodes.map(({ id, listenPort, address }) => [
        id[0] ?? "",
        `${listenPort} ${address.host}:${address.port}`,
      ]),
    );
  }

  /** The same as one text, in the order of the digits. */
  get rows(): string {
    const rows = Object.entries(this.mapping).map(([digit, row]) => `${digit} ${row}`);
    return rows.toSorted().join(", ");
  }

  /** Applies changes; ports that cannot be opened are refused. */
  apply(changes: readonly TableChange[]): void {
    const { natTable } = this;
    const queue = [...changes];
    for (let change = queue.shift(); change !== undefined; change = queue.shift()) {
      if (change.kind === "open") {
        const { node, port, isRequired } = change;
        const error = new Error(`Cannot listen on ${port}`);
        if (!this.#taken.has(port)) {
          this.done.push(`open ${port}`);
          // For port 0, the kernel chooses any port.
          natTable.portOpened(node, port === 0 ? 40_000 + this.done.length : port);
        } else if (isRequired) throw error;
        else queue.unshift(...natTable.portRefused(node, error));
      } else if (change.kind === "close" || change.kind === "moved") {
        this.done.push(`${change.kind} ${change.node.listenPort}`);
      } else if (change.kind !== "updated") this.done.push(change.kind);
    }
    if (this.#verifies) return;
    for (const missing of natTable.longMissing) this.apply(natTable.forget(missing));
  }
}
