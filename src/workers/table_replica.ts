import type { HostPort } from "../platform/address.ts";
import { aliasOf, isAddress, type NodeRef } from "../cluster/node_ref.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import type { NodeChange } from "../nat/table_change.ts";
import type { NodeKey, TableSnapshot } from "./messages.ts";

/**
 * A copy of the NAT table from snapshots. Replies may name a node only when every thread listens
 * for it and translates its public address in a request. So `portOf`, which is for replies, uses
 * the last published snapshot; all other methods use the latest one.
 */
export class TableReplica {
  readonly #nodes = new Map<NodeKey, ReplicaEntry>();
  readonly #keys = new WeakMap<NatEntry, NodeKey>();
  #current: NameIndex = { byId: new Map(), byAlias: new Map() };
  #published: NameIndex = this.#current;
  #hasHostnames = false;

  /** Replaces the copy with a snapshot, and returns the changes to apply. */
  update({ nodes, aliases, hasHostnames }: TableSnapshot): NodeChange[] {
    this.#hasHostnames = hasHostnames;
    const changes: NodeChange[] = [];
    const keys = new Set(nodes.map(({ key }) => key));
    for (const [key, { node }] of this.#nodes) {
      if (keys.has(key)) continue;
      this.#nodes.delete(key);
      changes.push({ kind: "close", node });
    }
    for (const { key, node, isUp, moves } of nodes) {
      const known = this.#nodes.get(key);
      if (known === undefined) {
        this.#nodes.set(key, { node, isUp, moves });
        this.#keys.set(node, key);
        continue;
      }
      Object.assign(known.node, node);
      if (known.moves !== moves) changes.push({ kind: "moved", node: known.node });
      known.moves = moves;
      known.isUp = isUp;
    }
    this.#current = {
      byId: new Map(
        nodes.filter(({ identified }) => identified).map(({ key, node }) => [node.id, key]),
      ),
      byAlias: new Map(aliases),
    };
    return changes;
  }

  /** Allows replies to name the nodes of the last snapshot. */
  publish(): void {
    this.#published = this.#current;
  }

  /** Every node of the latest snapshot. */
  get nodes(): NatEntry[] {
    return [...this.#nodes.values()].map(({ node }) => node);
  }

  /** Whether the nodes know host names: see `NatTable.hasHostnames`. */
  get hasHostnames(): boolean {
    return this.#hasHostnames;
  }

  /** The node of a key. */
  withKey(key: NodeKey): NatEntry | undefined {
    return this.#nodes.get(key)?.node;
  }

  /** The key of a node that is or was in the table. */
  keyOf(node: NatEntry): NodeKey {
    return this.#keys.get(node)!;
  }

  /** Whether a node accepts connections. */
  isUp(node: NatEntry): boolean {
    return this.#nodes.get(this.keyOf(node))?.isUp ?? false;
  }

  /** The `listenPort` of a node, if replies may name it: see `NatTable.portOf`. */
  portOf(ref: NodeRef): number | undefined {
    const { byId, byAlias } = this.#published;
    const key = ref.id !== undefined
      ? byId.get(ref.id)
      : isAddress(ref)
      ? byAlias.get(aliasOf(ref))
      : undefined;
    return key == undefined ? undefined : this.withKey(key)?.listenPort;
  }

  /** The node that is served on a port: see `NatTable.atPort`. */
  atPort(listenPort: number): NatEntry | undefined {
    return this.nodes.find((node) => node.listenPort === listenPort);
  }

  /** Whether an address is a private one: that of a node, or of several. */
  isPrivate(address: HostPort): boolean {
    return this.#current.byAlias.has(aliasOf(address));
  }
}

interface ReplicaEntry {
  readonly node: NatEntry;
  isUp: boolean;
  moves: number;
}

/** Maps node ids and addresses to keys. */
interface NameIndex {
  readonly byId: ReadonlyMap<string, NodeKey>;
  readonly byAlias: ReadonlyMap<string, NodeKey | null>;
}
