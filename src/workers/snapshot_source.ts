import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { PublicView } from "../nat/public_view.ts";
import type { NodeKey, TableSnapshot } from "./messages.ts";

/** Takes snapshots of the NAT table for workers, and assigns keys to its rows. */
export class SnapshotSource {
  readonly #natTable: NatTable;
  readonly #view: PublicView;
  readonly #isUp: (node: NatEntry) => boolean;
  readonly #marks = new WeakMap<NatEntry, { readonly key: NodeKey; moves: number }>();
  #lastKey: NodeKey = 0;

  /**
   * @param view the first one
   * @param isUp whether a node accepts connections
   */
  constructor(natTable: NatTable, view: PublicView, isUp: (node: NatEntry) => boolean) {
    this.#natTable = natTable;
    this.#view = view;
    this.#isUp = isUp;
  }

  /** The table as it is now. */
  take(): TableSnapshot {
    const natTable = this.#natTable;
    return {
      nodes: natTable.nodes.map((node) => {
        const { id, address, announced, role, busPort, peerPort, listenPort } = node;
        return {
          ...this.#markOf(node),
          node: { id, address, announced, role, busPort, peerPort, listenPort },
          identified: natTable.withId(id) === node,
          isUp: this.#isUp(node),
        };
      }),
      aliases: [...natTable.aliases()].map((
        [alias, node],
      ) => [alias, node === undefined ? null : this.keyOf(node)]),
      hasHostnames: natTable.hasHostnames,
      publicPorts: this.#view.listedPorts,
    };
  }

  /** Makes workers end the sessions of a node when they get the next snapshot. */
  recordMove(node: NatEntry): void {
    this.#markOf(node).moves++;
  }

  /** The key of a node, which never changes. */
  keyOf(node: NatEntry): NodeKey {
    return this.#markOf(node).key;
  }

  /** The node of a key, if it is still in the table. */
  withKey(key: NodeKey): NatEntry | undefined {
    return this.#natTable.nodes.find((node) => this.keyOf(node) === key);
  }

  #markOf(node: NatEntry): { readonly key: NodeKey; moves: number } {
    let mark = this.#marks.get(node);
    if (mark === undefined) {
      mark = { key: ++this.#lastKey, moves: 0 };
      this.#marks.set(node, mark);
    }
    return mark;
  }
}
