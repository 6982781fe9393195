import { NodeDialer } from "../../src/cluster/node_dialer.ts";
import { type NatEntry, NatTable, type NatTableActions } from "../../src/nat/nat_table.ts";
import type { NodeConnectionOptions } from "../../src/cluster/node_connection.ts";
import { parseNodes } from "../../src/cluster/node.ts";
import {
  PortAllocator,
  type SavedPorts,
  type StaticMapping,
} from "../../src/nat/port_allocator.ts";
import type { ClusterView } from "../../src/cluster/view.ts";

/** How a topology talks to nodes that want no password. */
export const PLAIN_LINK: NodeConnectionOptions = {
  credentials: undefined,
  dialer: new NodeDialer(
    { listen: { host: "127.0.0.1", port: 0 }, publicHost: "127.0.0.1", connectTimeoutMs: 3000 },
    { atPort: () => undefined },
  ),
};

/** The node id that is one digit throughout. */
export function idOf(digit: string): string {
  return digit.repeat(40);
}

/**
 * What a node at 10.0.0.1:7000 sees: lines of CLUSTER NODES whose id is one digit, the first its
 * own.
 */
export function viewOf(lines: readonly string[], more: Partial<ClusterView> = {}): ClusterView {
  const nodes = parseNodes(lines.map((line) => `${idOf(line[0]!)}${line.slice(1)}\n`).join(""));
  return {
    nodes,
    answeredBy: nodes[0]!,
    answeredAt: { host: "10.0.0.1", port: 7000 },
    tlsPorts: new Map(),
    state: "ok",
    takenAtMs: performance.now(),
    ...more,
  };
}

/** The same view as another of its nodes has it. */
export function seenBy(digit: string, view: ClusterView): ClusterView {
  return { ...view, answeredBy: view.nodes.find(({ id }) => id === idOf(digit))! };
}

/** A line of CLUSTER NODES for `viewOf`, of a primary that is not the one to answer. */
export function line(digit: string, address: string, flags = "master"): string {
  return `${digit} ${address}@17000 ${flags} - 0 0 1 connected`;
}

/** What a test's directory may have other than the ordinary. */
export interface DirectorySceneOptions {
  first?: number;
  count?: number;
  pins?: readonly StaticMapping[];
  saved?: SavedPorts;
  forgetAfterMs?: number;
  /** Ports that cannot be listened on. */
  taken?: readonly number[];
  /** Whether a test says itself what becomes of suspects; else nobody answers where they were. */
  verifies?: boolean;
}

/** A directory, and what it had done by others. */
export class DirectoryScene implements NatTableActions {
  readonly natTable: NatTable;
  readonly ports: PortAllocator;
  /** In words: `open 8000`, `close 8000`, `moved 8000`, `disputed`. */
  readonly done: string[] = [];
  readonly #taken: Set<number>;
  readonly #verifies: boolean;

  constructor(
    {
      first = 8000,
      count = 8,
      pins = [],
      saved,
      forgetAfterMs = 0,
      taken = [],
      verifies = false,
    }: DirectorySceneOptions = {},
  ) {
    this.#taken = new Set(taken);
    this.#verifies = verifies;
    this.ports = new PortAllocator({ first, count, pins, saved });
    this.natTable = new NatTable({ ports: this.ports, pins, forgetAfterMs, actions: this });
  }

  /** The same with a view learned, in the manner of `viewOf`. */
  knowing(lines: readonly string[]): this {
    this.natTable.applyView(viewOf(lines));
    return this;
  }

  /** The ports by the digit of each node's id, and the address it is reached at. */
  get mapping(): Record<string, string> {
    return Object.fromEntries(
      this.natTable.nodes.map(({ id, publicPort, address }) => [
        id[0] ?? "",
        `${publicPort} ${address.host}:${address.port}`,
      ]),
    );
  }

  open(_node: NatEntry, port: number): number {
    if (this.#taken.has(port)) throw new Error(`Cannot listen on ${port}`);
    this.done.push(`open ${port}`);
    // A system that gives a free port gives any.
    return port === 0 ? 40_000 + this.done.length : port;
  }

  close({ publicPort }: NatEntry): void {
    this.done.push(`close ${publicPort}`);
  }

  moved({ publicPort }: NatEntry): void {
    this.done.push(`moved ${publicPort}`);
  }

  disputed(): void {
    this.done.push("disputed");
  }

  learned(): void {
    if (this.#verifies) return;
    for (const suspect of this.natTable.suspects) this.natTable.forget(suspect);
  }
}
