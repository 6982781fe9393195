import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { NodeAddress } from "../cluster/node_address.ts";
import { peerPortOf } from "../cluster/node_ports.ts";
import { aliasOf, isSameAddress, type NodeRef } from "../cluster/node_ref.ts";
import {
  announcedAddresses,
  announcesPlainPorts,
  type ClusterView,
  dialAddress,
  isHealthy,
  locatedNodes,
} from "../cluster/view.ts";
import type { MissingNodes } from "./missing_nodes.ts";
import { NoPublicPortError } from "./no_public_port_error.ts";
import type { PortAllocator } from "./port_allocator.ts";
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
  /** Why nodes with an address have no port, by id, and their aliases. */
  readonly #withoutPort = new Map<string, { error: NoPublicPortError; aliases: string[] }>();
  /** Why nodes of the last view cannot have a port, by id. */
  #unreachable = new Map<string, NoPublicPortError>();
  /** If the views of nodes stay different, a node is listed and omitted in turn. */
  readonly #throttle = new LogThrottle();

  constructor({ rows, ports, missing }: ReconcilerOptions) {
    this.#rows = rows;
    this.#ports = ports;
    this.#missing = missing;
  }

  /** The latest view. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** See `NatTable.noPortError`. */
  get noPortError(): NoPublicPortError | undefined {
    return this.#withoutPort.values().next().value?.error;
  }

  /** See `NatTable.lacksAddresses`. */
  get lacksAddresses(): boolean {
    return this.#view?.nodes.some(({ id, host }) => host === "" && this.#unreachable.has(id)) ??
      false;
  }

  /** See `NatTable.whyNoPort`. */
  whyNoPort(ref: NodeRef): NoPublicPortError | undefined {
    if (ref.id !== undefined) {
      return this.#withoutPort.get(ref.id)?.error ?? this.#unreachable.get(ref.id);
    }
    const alias = aliasOf(ref);
    return [...this.#withoutPort.values()].find(({ aliases }) => aliases.includes(alias))?.error ??
      this.#unreachable.get(this.#unreachableAt(alias)?.id ?? "");
  }

  /** See `NatTable.applyView`. */
  applyView(view: ClusterView, isRequired: boolean): TableChange[] {
    const changes: TableChange[] = [];
    // A view that arrives late can still add nodes.
    const isLatest = this.#view === undefined || view.takenAtMs >= this.#view.takenAtMs;
    if (isLatest) {
      this.#view = view;
      this.#missing.record(view, this.#ports.ids);
      for (const id of this.#withoutPort.keys()) {
        if (!view.nodes.some((node) => node.id === id)) this.#withoutPort.delete(id);
      }
    }
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
    if (isLatest) {
      this.#recordUnreachable(view, changes);
      this.#missing.updateLongMissing(view);
    }
    changes.push({ kind: "updated" });
    return changes;
  }

  /** See `NatTable.portOpened`. */
  portOpened(node: NatEntry, port: number): void {
    const row = this.#rows.all.find((row) => row === node);
    if (row === undefined) return;
    row.listenPort = port;
    this.#withoutPort.delete(row.id);
    if (row.id !== "") this.#ports.assign(row.id, port, row.address);
  }

  /** See `NatTable.portRefused`. */
  portRefused(node: NatEntry, reason: Error): TableChange[] {
    const row = this.#rows.all.find((row) => row === node);
    if (row === undefined) return [];
    let error = reason instanceof NoPublicPortError ? reason : undefined;
    if (error === undefined && this.#ports.staticPort(row.id) === undefined) {
      log.warning("{reason}; trying the next port", { reason: reason.message });
      const port = this.#ports.reserve(row.id);
      if (port !== undefined) return [this.#offer(row, port)];
      error = this.#noPortLeft(row.address);
    }
    this.#ports.cancel(row.id);
    this.#rows.remove(row);
    this.#recordWithoutPort(
      row.id,
      row.announced,
      error ?? new NoPublicPortError(reason.message, { cause: reason }),
    );
    return [{ kind: "updated" }];
  }

  /** Gives a row without an id the id of its node. */
  identify(row: Row, id: string): void {
    this.#rows.setId(row, id);
    this.#withoutPort.delete(id);
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
    return this.#ports.staticPort(node.id) === undefined
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
      log.info("Node {node_id} at {node_addr} was reset; its new id is {new_node_id}", {
        node_id: id,
        node_addr: formatHostPort(address),
        new_node_id: node.id,
      });
      this.identify(row, node.id);
      return row;
    }
    return undefined;
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
      this.#recordWithoutPort(id, announced, this.#noPortLeft(address));
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

  #noPortLeft(address: HostPort): NoPublicPortError {
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

  #recordWithoutPort(id: string, announced: readonly HostPort[], error: NoPublicPortError): void {
    if (!this.#withoutPort.has(id)) this.#report("error", id, error);
    this.#withoutPort.set(id, { error, aliases: announced.map(aliasOf) });
  }

  /** The node of the latest view that has no port of the kind in use, by an address of the other. */
  #unreachableAt(alias: string): ClusterNode | undefined {
    const view = this.#view;
    return view?.nodes.find((node) =>
      this.#unreachable.has(node.id) &&
      announcedAddresses(node, view).some((address) => aliasOf(address) === alias)
    );
  }

  /** Records the nodes of a view that cannot be connected to. */
  #recordUnreachable(view: ClusterView, changes: TableChange[]): void {
    if (announcesPlainPorts(view)) this.#reportPlainPorts(view);
    const unreachable = new Map<string, NoPublicPortError>();
    for (const node of view.nodes) {
      const isLocated = !node.flags.has("noaddr") && dialAddress(node, view) !== null;
      if (isLocated || node.flags.has("handshake")) continue;
      // A node that is down may lose its address; one that is up has given up its port.
      if (this.#rows.withId(node.id) && !(isHealthy(node) && node.host !== "")) continue;
      const known = this.#unreachable.get(node.id);
      const error = known ?? new NoPublicPortError(whyUnreachable(node, view));
      unreachable.set(node.id, error);
      if (known !== undefined) continue;
      this.#report("warning", node.id, error);
      if (node.host === "") changes.push({ kind: "unlocated", id: node.id });
    }
    this.#unreachable = unreachable;
  }

  #reportPlainPorts({ answeredBy: { id, host, port } }: ClusterView): void {
    this.#throttle.log("warning", { topic: "tls-cluster", cause: "plain ports" }, [
      "Node {node_id} announces its plain-text port {node_addr} to the proxy, which speaks TLS; " +
      "set `tls-cluster yes` on each node, or list the TLS address of each in --cluster-addr",
      { node_id: id, node_addr: formatHostPort({ host, port }) },
    ]);
  }

  #report(level: "warning" | "error", id: string, { message }: NoPublicPortError): void {
    this.#throttle.log(level, { topic: id, cause: message }, ["{reason}", {
      reason: message,
      node_id: id,
    }]);
  }
}

/** Adds the host name of a node to its address, which stays the same object if it has that. */
function nameRow(row: Row, address: NodeAddress): void {
  if (!isSameAddress(row.address, address) || row.address.hostname === address.hostname) return;
  row.address = address;
}

/** Why clients get port 0 for a node. */
function whyUnreachable({ id, host }: ClusterNode, { isTls }: ClusterView): string {
  if (host === "") {
    return `Node ${id} has no address in the cluster (noaddr), so clients get port 0 for it ` +
      "until a node reports its address";
  }
  const [kind, fix] = isTls
    ? ["TLS", "set `tls-port` in its configuration, or do without --cluster-tls"]
    : ["plain-text", "set `port` in its configuration, or use --cluster-tls"];
  return `Node ${id} at ${host} has no ${kind} port, so no client can reach it; ${fix}`;
}
