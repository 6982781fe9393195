import type { HostPort } from "../platform/address.ts";
import { aliasOf, isAddress, type NodeRef } from "../cluster/node_ref.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import type { NodeKey, TableSnapshot } from "./messages.ts";

/** What one picture has other than the one before. */
export interface Changes {
  /** Nodes that are no more. */
  readonly closed: readonly NatEntry[];
  /** Nodes that are somewhere else now, or have failed: what went on with them is over. */
  readonly moved: readonly NatEntry[];
}

/**
 * What a thread knows of the directory. Replies may name a node only when every thread listens
 * for it and understands its public address in a request, so what a picture tells counts for
 * replies when it is published.
 */
export class TableReplica {
  readonly #nodes = new Map<NodeKey, CopiedNode>();
  readonly #keys = new WeakMap<NatEntry, NodeKey>();
  #pictured: Names = { byId: new Map(), byAlias: new Map() };
  #published: Names = this.#pictured;

  /** Takes over a picture. */
  update({ nodes, aliases }: TableSnapshot): Changes {
    const closed: NatEntry[] = [];
    const moved: NatEntry[] = [];
    const keys = new Set(nodes.map(({ key }) => key));
    for (const [key, { node }] of this.#nodes) {
      if (keys.has(key)) continue;
      this.#nodes.delete(key);
      closed.push(node);
    }
    for (const { key, node, isUp, moves } of nodes) {
      const known = this.#nodes.get(key);
      if (known === undefined) {
        this.#nodes.set(key, { node, isUp, moves });
        this.#keys.set(node, key);
        continue;
      }
      Object.assign(known.node, node);
      if (known.moves !== moves) moved.push(known.node);
      known.moves = moves;
      known.isUp = isUp;
    }
    this.#pictured = {
      byId: new Map(
        nodes.filter(({ identified }) => identified).map(({ key, node }) => [node.id, key]),
      ),
      byAlias: new Map(aliases),
    };
    return { closed, moved };
  }

  /** Lets replies name the nodes of the last picture. */
  publish(): void {
    this.#published = this.#pictured;
  }

  /** All nodes. */
  get nodes(): NatEntry[] {
    return [...this.#nodes.values()].map(({ node }) => node);
  }

  /** The node of a number. */
  withKey(key: NodeKey): NatEntry | undefined {
    return this.#nodes.get(key)?.node;
  }

  /** The number of a node that is or was there. */
  keyOf(node: NatEntry): NodeKey {
    return this.#keys.get(node)!;
  }

  /** Whether a node takes connections. */
  isUp(node: NatEntry): boolean {
    return this.#nodes.get(this.keyOf(node))?.isUp ?? false;
  }

  /** The public port of a mentioned node, if replies may name it: see `Directory.portOf`. */
  portOf(ref: NodeRef): number | undefined {
    const { byId, byAlias } = this.#published;
    const key = ref.id !== undefined
      ? byId.get(ref.id)
      : isAddress(ref)
      ? byAlias.get(aliasOf(ref))
      : undefined;
    return key == undefined ? undefined : this.withKey(key)?.publicPort;
  }

  /** The node that clients reach on a public port. */
  atPort(publicPort: number): NatEntry | undefined {
    return this.nodes.find((node) => node.publicPort === publicPort);
  }

  /** Whether an address is a private one: that of a node, or of several. */
  isKnown(address: HostPort): boolean {
    return this.#pictured.byAlias.has(aliasOf(address));
  }
}

interface CopiedNode {
  readonly node: NatEntry;
  isUp: boolean;
  moves: number;
}

/** What names nodes. */
interface Names {
  readonly byId: ReadonlyMap<string, NodeKey>;
  readonly byAlias: ReadonlyMap<string, NodeKey | null>;
}
