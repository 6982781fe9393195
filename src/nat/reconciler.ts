import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { NodeAddress } from "../cluster/node_address.ts";
import { peerPortOf } from "../cluster/node_ports.ts";
import { aliasOf, isSameAddress } from "../cluster/node_ref.ts";
import { announcedAddresses, type ClusterView, isHealthy, locatedNodes } from "../cluster/view.ts";
import type { MissingNodes } from "./missing_nodes.ts";
import { NoPublicPortError } from "./no_public_port_error.ts";
import type { PortAllocator } from "./port_allocator.ts";
import { PortlessNodes } from "./portless_nodes.ts";
import { wishesOf } from "./port_wishes.ts";
import { claimsById, type SharedPorts, verdictOn, type Wishes } from "./shared_ports.ts";
import type { PortChange, TableChange } from "./table_change.ts";
import { type NatEntry, newRow, type Row, SHARED, type TableRows } from "./table_rows.ts";

/** The parts of the NAT table that a `Reconciler` changes. */
export interface ReconcilerOptions {
  readonly rows: TableRows;
  readonly ports: PortAllocator;
  readonly missing: MissingNodes;
}

/**
 * Brings the rows of the NAT table in line with a view of the cluster: new nodes get a row and a
 * port, known nodes get new addresses and roles. A known node that a view reports at another
 * address is a conflict, which the refresher settles; a node that views omit goes to
 * `MissingNodes`.
 */
export class Reconciler {
  readonly #rows: TableRows;
  readonly #ports: PortAllocator;
  readonly #missing: MissingNodes;
  #view: ClusterView | undefined;
  /** When nodes lost the ids that they had before a reset, in milliseconds. */
  readonly #former = new Map<string, number>();
  /** The nodes that have no port, and why. */
  readonly portless = new PortlessNodes();

  constructor({ rows, ports, missing }: ReconcilerOptions) {
    this.#rows = rows;
    this.#ports = ports;
    this.#missing = missing;
  }

  /** The latest view. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** See `NatTable.applyView`. */
  applyView(view: ClusterView, isRequired: boolean): TableChange[] {
    const changes: TableChange[] = [];
    // A view that arrives late can still add nodes.
    const isLatest = this.#view === undefined || view.takenAtMs >= this.#view.takenAtMs;
    if (isLatest) {
      this.#view = view;
      this.#missing.record(view, this.#ports.ids);
      this.portless.keepListed(view);
    }
    this.#applyNodes(view, { isLatest, isRequired, changes });
    if (isLatest) {
      changes.push(...this.portless.recordUnreachable(view, this.#rows));
      this.#missing.updateLongMissing(view);
    }
    changes.push({ kind: "updated" });
    return changes;
  }

  /** Updates the rows of the nodes of a view, if it is the latest, and adds those that are new. */
  #applyNodes(view: ClusterView, { isLatest, isRequired, changes }: {
    readonly isLatest: boolean;
    readonly isRequired: boolean;
    readonly changes: TableChange[];
  }): void {
    const aliases = new Map<string, Row | typeof SHARED>();
    for (const { node, address } of locatedNodes(view)) {
      const known = this.#rows.withId(node.id);
      if (known !== undefined && !isLatest) continue;
      const announced = announcedAddresses(node, view);
      const row = known ?? this.#existingRow(node, address, view) ??
        this.#addRow(node.id, address, { view, announced, isRequired, changes });
      if (row === undefined) continue;
      row.announced = announced;
      row.role = node.flags.has("slave") ? "replica" : "primary";
      row.busPort = node.busPort;
      row.peerPort = peerPortOf(node, view.ports.get(node.id));
      this.#recordConflict(row, node, address, changes);
      // The node may have got its name since.
      if (!row.isConflicting && address.hostname !== undefined) nameRow(row, address);
      for (const alias of [address, ...announced].map(aliasOf)) {
        const other = aliases.get(alias);
        aliases.set(alias, other === undefined || other === row ? row : SHARED);
      }
    }
    for (const [alias, row] of aliases) this.#rows.setAlias(alias, row);
  }

  /** See `NatTable.wishes`. */
  wishes(view: ClusterView | undefined): Wishes {
    return wishesOf({ rows: this.#rows, ports: this.#ports, view, former: this.#former });
  }

  /** See `NatTable.lacksShared`. */
  get lacksShared(): boolean {
    return this.portless.ids.some((id) => this.#ports.portOf(id) !== undefined);
  }

  /** See `NatTable.waiting`. */
  get waiting(): string[] {
    return this.portless.ids.filter((id) => this.#ports.portOf(id) === undefined);
  }

  /** See `NatTable.follow`. */
  follow(shared: SharedPorts): TableChange[] {
    const changes: TableChange[] = [];
    const claims = claimsById(shared);
    this.#ports.replace(shared);
    for (const row of [...this.#rows.all]) {
      if (row.id === "") continue;
      const { id, address, listenPort: port } = row;
      const verdict = verdictOn(shared, { id, address, port }, claims);
      // A node that has moved to that address has a row of its own.
      const isSuccessor = verdict.kind === "renamed" && this.#rows.withId(verdict.id) === undefined;
      if (isSuccessor) this.#rename(row, verdict.id);
      else if (verdict.kind === "keep" || row.mappedAddress !== undefined) {
        // The port of a static mapping to an address stays; `SharedPortsKeeper` reports it.
        this.#ports.assign(id, port, address);
      } else {
        this.#reportCorrection(row, claims.get(id));
        this.#rows.remove(row);
        changes.push({ kind: "close", node: row });
      }
    }
    // Another proxy may have noticed first that a node is gone.
    this.#missing.keep(this.#ports.ids);
    const view = this.#view;
    if (view !== undefined) this.#applyNodes(view, { isLatest: false, isRequired: false, changes });
    for (const row of this.#rows.all) {
      const state = shared.get(row.listenPort);
      const isSame = state?.kind === "claimed" && isSameAddress(state.address, row.address);
      if (isSame) row.sharedAddress = state.address;
    }
    changes.push({ kind: "updated" });
    return changes;
  }

  /** See `NatTable.portOpened`. */
  portOpened(node: NatEntry, port: number): void {
    const row = this.#rows.all.find((row) => row === node);
    if (row === undefined) return;
    row.listenPort = port;
    this.portless.delete(row.id);
    if (row.id !== "") this.#ports.assign(row.id, port, row.address);
  }

  /** See `NatTable.portRefused`. */
  portRefused(node: NatEntry, reason: Error): TableChange[] {
    const row = this.#rows.all.find((row) => row === node);
    if (row === undefined) return [];
    let error = reason instanceof NoPublicPortError ? reason : undefined;
    const mayHaveAnother = !this.#ports.isShared && this.#ports.staticPort(row.id) === undefined;
    if (error === undefined && mayHaveAnother) {
      log.warning("{reason}; trying the next port", { reason: reason.message });
      const port = this.#ports.reserve(row.id);
      if (port !== undefined) return [this.#offer(row, port)];
      error = this.#noPortLeft(row.address, row.id);
    }
    this.#ports.cancel(row.id);
    this.#rows.remove(row);
    error ??= this.#refused(row.address, reason);
    this.portless.record(row.id, row.announced, error);
    return [{ kind: "updated" }];
  }

  /** Gives a row without an id the id of its node. */
  identify(row: Row, id: string): void {
    this.#rows.setId(row, id);
    this.portless.delete(id);
    this.#ports.assign(id, row.listenPort, row.address);
  }

  /** The row that a new node takes over: a static mapping to its address, or its predecessor's. */
  #existingRow(node: ClusterNode, address: HostPort, view: ClusterView): Row | undefined {
    const mapped = this.#rows.unidentifiedAt([address, ...announcedAddresses(node, view)]);
    if (mapped !== undefined) {
      // The mapping may name the port for the other kind of connection.
      if (mapped.address.port !== address.port) mapped.address = address;
      this.identify(mapped, node.id);
      return mapped;
    }
    // The shared ports name the successor.
    return this.#ports.staticPort(node.id) === undefined && !this.#ports.isShared
      ? this.#adoptPort(node, address, view)
      : undefined;
  }

  /**
   * Transfers the port of a node that is gone to its successor at the same address, which is the
   * same server with a new id (CLUSTER RESET HARD). Returns the row, if the old node had one.
   */
  #adoptPort(node: ClusterNode, address: HostPort, view: ClusterView): Row | undefined {
    const ports = this.#ports;
    for (const id of ports.ids) {
      const row = this.#rows.withId(id);
      const addresses = [row?.address ?? ports.addressOf(id), row?.mappedAddress];
      if (!addresses.some((one) => one !== undefined && isSameAddress(one, address))) continue;
      // A node that is still listed keeps its port, and so does a static mapping to an id.
      if (view.nodes.some((other) => other.id === id) || ports.staticPort(id) !== undefined) {
        continue;
      }
      ports.transfer(id, node.id);
      this.#missing.delete(id);
      if (row === undefined) return undefined;
      this.#rename(row, node.id);
      return row;
    }
    return undefined;
  }

  /** Gives the row of a node that was reset its new id. */
  #rename(row: Row, id: string): void {
    log.info("Node {node_id} at {node_addr} was reset; its new id is {new_node_id}", {
      node_id: row.id,
      node_addr: formatHostPort(row.address),
      new_node_id: id,
    });
    this.#missing.delete(row.id);
    if (this.#ports.isShared) this.#former.set(row.id, performance.now());
    this.identify(row, id);
  }

  /** Adds a row with a reserved port; records the reason and adds none if no port is left. */
  #addRow(id: string, address: HostPort, { view, announced, isRequired, changes }: {
    readonly view: ClusterView;
    readonly announced: readonly HostPort[];
    readonly isRequired: boolean;
    readonly changes: TableChange[];
  }): Row | undefined {
    const port = this.#reserve(id, view);
    if (port === undefined) {
      // A node that waits for its claim has a port a moment later, or the reason is logged.
      const isWaiting = this.#ports.isShared && this.#ports.portOf(id) === undefined;
      this.portless.record(id, announced, this.#noPortLeft(address, id), !isWaiting);
      return undefined;
    }
    const row = newRow(id, address, { isRequired });
    this.#rows.add(row);
    changes.push(this.#offer(row, port));
    return row;
  }

  /** Reserves a port; in a full range, one saved for a node that the cluster does not list. */
  #reserve(id: string, view: ClusterView): number | undefined {
    const ports = this.#ports;
    if (ports.isShared) return ports.reserve(id);
    for (const saved of ports.ids) {
      const port = ports.reserve(id);
      if (port !== undefined) return port;
      const isListed = view.nodes.some((node) => node.id === saved);
      if (isListed || this.#rows.withId(saved) !== undefined) continue;
      log.warning(
        "Reassigning the port saved for node {node_id}: no other port is left; raise --max-nodes",
        { node_id: saved },
      );
      ports.release(saved);
      this.#missing.delete(saved);
    }
    return ports.reserve(id);
  }

  #offer(row: Row, port: number): PortChange {
    row.listenPort = port;
    // Without a range, a saved port is only preferred.
    const isPreferred = this.#ports.usesFreePorts && port !== 0 &&
      this.#ports.staticPort(row.id) === undefined;
    return { kind: "open", node: row, port, isRequired: row.isRequired && !isPreferred };
  }

  #noPortLeft(address: HostPort, id: string): NoPublicPortError {
    const node = `Node ${formatHostPort(address)}`;
    const shared = this.#ports.portOf(id);
    if (this.#ports.isShared && shared === undefined) {
      return new NoPublicPortError(`${node} has no port in the shared ports yet (--shared-ports)`);
    }
    if (this.#ports.isShared) {
      const { first, count } = this.#ports.limits.range;
      return new NoPublicPortError(
        `${node} has port ${shared} in the shared ports (--shared-ports), and the ports of this ` +
          `proxy are ${first} to ${
            first + count - 1
          }; set the same --max-nodes and --port-map in ` +
          "all proxies",
      );
    }
    return new NoPublicPortError(
      `No port is left for node ${formatHostPort(address)}: ` +
        `raise --max-nodes above ${this.#ports.count}`,
    );
  }

  #recordConflict(row: Row, node: ClusterNode, address: HostPort, changes: TableChange[]): void {
    // Views report the old address of a node that is down.
    row.isConflicting = isHealthy(node) && !isSameAddress(row.address, address);
    if (!row.isConflicting) return;
    const { reportedAddress: last } = row;
    row.reportedAddress = address;
    if (last !== undefined && isSameAddress(last, address)) return;
    changes.push({ kind: "conflict", node: row, reportedAddress: address });
  }

  #refused(address: HostPort, reason: Error): NoPublicPortError {
    const remark = this.#ports.isShared
      ? `; node ${formatHostPort(address)} has no port here until then, because all proxies give ` +
        "it this one (--shared-ports)"
      : "";
    return new NoPublicPortError(`${reason.message}${remark}`, { cause: reason });
  }

  #reportCorrection({ id, address, listenPort }: Row, shared: number | undefined): void {
    log.warning(
      "Closing port {port}, which is another node's in the shared ports (--shared-ports); node " +
        "{node_id} at {node_addr} gets port {shared_port}",
      {
        port: listenPort,
        node_id: id,
        node_addr: formatHostPort(address),
        shared_port: shared ?? "another",
      },
    );
  }
}

/** Adds the host name of a node to its address, which stays the same object if it has that. */
function nameRow(row: Row, address: NodeAddress): void {
  if (!isSameAddress(row.address, address) || row.address.hostname === address.hostname) return;
  row.address = address;
}
