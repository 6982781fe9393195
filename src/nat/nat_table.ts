// nat/ owns which node has which port, and what clients are shown for it. It may import commands/, cluster/, resp/ and
// platform/. Start here: NatTable holds the rows and answers lookups.
//
// - Reconciler applies views of the cluster to the rows, membership.ts decides which views and
//   nodes belong to the cluster, and PortAllocator chooses the ports, unless several proxies agree
//   on them: then shared_ports.ts is the protocol, and SharedPortsKeeper follows it.
// - TopologyRefresher queries the cluster at intervals, NodeResolver when a frame refers to an
//   unknown node, AddressCheck when an announced address is new, FailureWatch for `fail` flags.
// - MappingFiles writes the state file and the map file.
//
// Every update of the table returns a list of changes (table_change.ts). The table opens no port
// and closes no connection: the proxy applies the list.

import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { aliasOf, isAddress, isSameAddress, type NodeRef } from "../cluster/node_ref.ts";
import type { ClusterView } from "../cluster/view.ts";
import { belongsToCluster, looksReplaced } from "./membership.ts";
import { type MissingNode, MissingNodes } from "./missing_nodes.ts";
import { PortAllocator, type SavedPorts, type StaticMapping } from "./port_allocator.ts";
import type { NoPublicPortError } from "./no_public_port_error.ts";
import { Reconciler } from "./reconciler.ts";
import type { SharedPorts, Wishes } from "./shared_ports.ts";
import type { TableChange } from "./table_change.ts";
import { type NatEntry, newRow, type Row, SHARED, TableRows } from "./table_rows.ts";

export type { NatEntry } from "./table_rows.ts";

/** The options of `NatTable`. */
export interface NatTableOptions {
  /** The first port of the range, or 0 for any free ports. */
  readonly firstPort: number;
  /** The size of the range. */
  readonly maxNodes: number;
  /** Fixed ports; those of addresses are open whether their node is in the cluster or not. */
  readonly staticMappings: readonly StaticMapping[];
  /** The assignments before a restart. */
  readonly savedPorts: SavedPorts | undefined;
  /** How long views must omit a node until its port is closed. */
  readonly forgetAfterMs: number;
  /** Whether ports come from what several proxies share, by `follow`. */
  readonly sharesPorts?: boolean;
}

/** A node for which views report another address than the one the proxy uses. */
export interface AddressConflict {
  readonly node: NatEntry;
  readonly reportedAddress: HostPort;
}

/**
 * The NAT table: node ⇄ port of the listener. The id identifies a node; addresses are aliases, of which a
 * node may have many: by IP and by name, for TCP and TLS, and old ones that other nodes still send.
 *
 * Nodes disagree for seconds while their cluster changes, and a removed node may disagree forever.
 * So a single view can add nodes, but it cannot move or remove one: the refresher verifies that a
 * node has moved, or is gone.
 *
 * A method that changes the table returns the changes; the caller applies them before it yields.
 */
export class NatTable {
  readonly #options: NatTableOptions;
  readonly #ports: PortAllocator;
  readonly #rows = new TableRows();
  readonly #missing: MissingNodes;
  readonly #reconciler: Reconciler;

  constructor(options: NatTableOptions) {
    this.#options = options;
    this.#ports = new PortAllocator({
      first: options.firstPort,
      count: options.maxNodes,
      staticMappings: options.staticMappings,
      saved: options.savedPorts,
      isShared: options.sharesPorts ?? false,
    });
    this.#missing = new MissingNodes(options.forgetAfterMs);
    this.#reconciler = new Reconciler({
      rows: this.#rows,
      ports: this.#ports,
      missing: this.#missing,
    });
  }

  /** Every row, in the order in which rows were added. */
  get nodes(): readonly NatEntry[] {
    return this.#rows.all;
  }

  /** The latest view that was applied. */
  get view(): ClusterView | undefined {
    return this.#reconciler.view;
  }

  /** Whether the nodes know host names, and show those that are announced: since 7.0. */
  get hasHostnames(): boolean {
    // CLUSTER SHARDS, which lists the ports, is as old.
    return (this.view?.ports.size ?? 0) > 0;
  }

  /** The assignments to save for the next start. */
  get savedPorts(): SavedPorts {
    return this.#ports.saved;
  }

  /** Why a node that could have a port has none; it was logged. Undefined if each has one. */
  get noPortError(): NoPublicPortError | undefined {
    return this.#reconciler.portless.firstError;
  }

  /** Why a referenced node has no port, if it is known to have none. */
  whyNoPort(ref: NodeRef): NoPublicPortError | undefined {
    return this.#reconciler.portless.why(ref);
  }

  /**
   * Whether the latest view lists a node without an address, and no earlier view had its address.
   */
  get lacksAddresses(): boolean {
    return this.#reconciler.portless.lacksAddresses;
  }

  /** The statically mapped nodes whose id is not known yet. */
  get unidentified(): readonly NatEntry[] {
    return this.#rows.all.filter(({ id }) => id === "");
  }

  /** The nodes that views have omitted for long; the refresher verifies that they are gone. */
  get longMissing(): MissingNode[] {
    return this.#missing.longMissing.map((id) => ({
      id,
      address: this.#rows.withId(id)?.address ?? this.#ports.addressOf(id),
    }));
  }

  /** The nodes that the latest view reports at another address; the refresher verifies it. */
  get addressConflicts(): AddressConflict[] {
    return this.#rows.all.filter(({ isConflicting }) => isConflicting)
      .map((row) => ({ node: row, reportedAddress: row.reportedAddress! }));
  }

  /** Every alias with its node; undefined for an alias of several nodes. */
  *aliases(): Generator<[alias: string, node: NatEntry | undefined]> {
    for (const [alias, row] of this.#rows.aliases) yield [alias, row === SHARED ? undefined : row];
  }

  /** Whether an address is private: that of one node, or of several. */
  isPrivate(address: HostPort): boolean {
    return this.#rows.withAlias(address) !== undefined;
  }

  /** Whether several nodes announce an address. */
  isShared(address: HostPort): boolean {
    return this.#rows.withAlias(address) === SHARED;
  }

  /** The node that is served on the port of a listener of the first view. */
  atPort(listenPort: number): NatEntry | undefined {
    return this.#rows.all.find((row) => row.listenPort === listenPort);
  }

  /** The node with an id. */
  withId(id: string): NatEntry | undefined {
    return this.#rows.withId(id);
  }

  /**
   * The `listenPort` of a referenced node, if the table has it. A redirect without an address is
   * never answered from the table, because slots move.
   */
  portOf(ref: NodeRef): number | undefined {
    if (ref.id !== undefined) return this.#rows.withId(ref.id)?.listenPort;
    const row = isAddress(ref) ? this.#rows.withAlias(ref) : undefined;
    return row === SHARED ? undefined : row?.listenPort;
  }

  /** Whether a view shows this cluster; see `membership.ts`. */
  belongsToCluster(view: ClusterView): boolean {
    return belongsToCluster(view, this.#rows.ids);
  }

  /** Whether a view may show a cluster that replaced this one; see `membership.ts`. */
  looksReplaced(view: ClusterView): boolean {
    return looksReplaced(view, {
      addresses: this.#rows.all.map(({ address }) => address),
      seenAtMs: this.view?.takenAtMs ?? -Infinity,
      forgetAfterMs: this.#options.forgetAfterMs,
    });
  }

  /**
   * Adds the rows of static mappings to addresses. Their ports open before the cluster is known, so
   * that it can be created or repaired through them.
   */
  openStaticMappings(): TableChange[] {
    const changes: TableChange[] = [];
    for (const { node: address, port } of this.#options.staticMappings) {
      if (typeof address === "string") continue;
      const row = newRow("", address, { isMapped: true, isRequired: true });
      row.listenPort = port;
      this.#rows.add(row);
      this.#rows.setAlias(aliasOf(address), row);
      changes.push({ kind: "open", node: row, port, isRequired: true });
    }
    return changes;
  }

  /**
   * Applies a view: new nodes get ports in the order of their private addresses, and nodes that
   * views have omitted for long enough become `longMissing`.
   *
   * @param isRequired whether the ports of new nodes are required: true at the start only
   */
  applyView(view: ClusterView, isRequired = false): TableChange[] {
    return this.#reconciler.applyView(view, isRequired);
  }

  /**
   * What the proxy wants in the shared ports, by the latest view or a given one; with
   * `sharesPorts` only.
   */
  wishes(view = this.view): Wishes {
    return this.#reconciler.wishes(view);
  }

  /** Whether a node of the latest view has a shared port, but none here. */
  get lacksShared(): boolean {
    return this.#reconciler.lacksShared;
  }

  /** Whether a node has a port, or had one before a restart. */
  hasPort(id: string): boolean {
    return this.#ports.portOf(id) !== undefined;
  }

  /** The ids of the nodes that wait for a shared port. */
  get waiting(): string[] {
    return this.#reconciler.waiting;
  }

  /**
   * Follows the shared ports: nodes that have a port in them get it, and a node whose port is
   * another node's loses it. A port that the shared ports lack stays while nobody else has it.
   */
  follow(shared: SharedPorts): TableChange[] {
    return this.#reconciler.follow(shared);
  }

  /** The port of a row is open: the offered one or, if that was 0, the one the kernel chose. */
  portOpened(node: NatEntry, port: number): void {
    this.#reconciler.portOpened(node, port);
  }

  /**
   * The port of a row cannot be opened. The row gets the next port; if none is left, its port is
   * static, or the reason is a `NoPublicPortError`, the table drops the row and logs why.
   */
  portRefused(node: NatEntry, reason: Error): TableChange[] {
    return this.#reconciler.portRefused(node, reason);
  }

  /** Records the id of a statically mapped node that had none. */
  assignId(node: NatEntry, id: string): TableChange[] {
    const row = this.#rows.all.find((row) => row === node);
    if (row === undefined || row.id !== "") return [];
    const other = this.#rows.withId(id);
    if (other === undefined) this.#reconciler.identify(row, id);
    else {
      // Clients already use the other port, so the node keeps both.
      log.warning(
        "Node {node_id} has port {port} until the next start; its static port {static_port} " +
          "(--port-map) works, too",
        { node_id: id, port: other.listenPort, static_port: row.listenPort },
      );
      row.id = id;
    }
    return [{ kind: "updated" }];
  }

  /** Keeps a missing node that is in the cluster. Its time starts again. */
  keep({ id }: MissingNode): void {
    this.#missing.delete(id);
  }

  /** Removes a missing node, unless a view has listed it since. */
  forget({ id }: MissingNode): TableChange[] {
    if (!this.#missing.isLongMissing(id)) return [];
    this.#missing.delete(id);
    const row = this.#rows.withId(id);
    if (row?.mappedAddress !== undefined) {
      // A static port stays open for the next node at that address.
      this.#ports.drop(id);
      this.#rows.setId(row, "");
      row.address = row.mappedAddress;
      row.isConflicting = false;
      return [{ kind: "updated" }];
    }
    this.#ports.release(id);
    if (row === undefined) return [{ kind: "updated" }];
    log.info("Node {node_id} at {node_addr} has left the cluster; closing port {port}", {
      node_id: id,
      node_addr: formatHostPort(row.address),
      port: row.listenPort,
    });
    this.#rows.remove(row);
    return [{ kind: "close", node: row }];
  }

  /**
   * Records that a node is at another address.
   *
   * @param keepsSessions whether it is another name of the same address, so that sessions continue
   */
  move({ id }: NatEntry, address: HostPort, keepsSessions = false): TableChange[] {
    const row = this.#rows.withId(id);
    if (row === undefined || isSameAddress(row.address, address)) return [];
    if (keepsSessions) {
      this.#setAddress(row, address);
      return [{ kind: "updated" }];
    }
    log.info("Node {node_id} has moved from {old_addr} to {node_addr}", {
      node_id: id,
      old_addr: formatHostPort(row.address),
      node_addr: formatHostPort(address),
    });
    return this.serveAt(row, address);
  }

  /** Sets the address that the proxy connects to, which may differ from the announced one. */
  serveAt({ id }: NatEntry, address: HostPort): TableChange[] {
    const row = this.#rows.withId(id);
    if (row === undefined) return [];
    this.#setAddress(row, address);
    return [{ kind: "moved", node: row }];
  }

  /** Adds an address by which a node is known. */
  addAlias({ id }: NatEntry, address: HostPort): TableChange[] {
    const row = this.#rows.withId(id);
    if (row === undefined) return [];
    this.#rows.setAlias(aliasOf(address), row);
    return [{ kind: "updated" }];
  }

  #setAddress(row: Row, address: HostPort): void {
    row.address = address;
    row.reportedAddress = undefined;
    row.isConflicting = false;
    this.#ports.assign(row.id, row.listenPort, address);
  }
}
