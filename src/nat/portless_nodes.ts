import { formatHostPort, type HostPort } from "../platform/address.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { aliasOf, type NodeRef } from "../cluster/node_ref.ts";
import {
  announcedAddresses,
  announcesPlainPorts,
  type ClusterView,
  dialAddress,
  isHealthy,
} from "../cluster/view.ts";
import { NoPublicPortError } from "./no_public_port_error.ts";
import type { TableChange } from "./table_change.ts";
import type { TableRows } from "./table_rows.ts";

/** The nodes of the cluster that have no port, and why; logs each reason once. */
export class PortlessNodes {
  /** Why nodes with an address have no port, by id, and their aliases. */
  readonly #refused = new Map<string, { error: NoPublicPortError; aliases: string[] }>();
  #view: ClusterView | undefined;
  /** Why nodes of the last view cannot have a port, by id. */
  #unreachable = new Map<string, NoPublicPortError>();
  /** If the views of nodes stay different, a node is listed and omitted in turn. */
  readonly #throttle = new LogThrottle();

  /** The ids of the nodes that have an address and no port. */
  get ids(): string[] {
    return [...this.#refused.keys()];
  }

  /** See `NatTable.noPortError`. */
  get firstError(): NoPublicPortError | undefined {
    return this.#refused.values().next().value?.error;
  }

  /** See `NatTable.lacksAddresses`. */
  get lacksAddresses(): boolean {
    return this.#view?.nodes.some(({ id, host }) => host === "" && this.#unreachable.has(id)) ??
      false;
  }

  /** See `NatTable.whyNoPort`. */
  why(ref: NodeRef): NoPublicPortError | undefined {
    if (ref.id !== undefined) {
      return this.#refused.get(ref.id)?.error ?? this.#unreachable.get(ref.id);
    }
    const alias = aliasOf(ref);
    return [...this.#refused.values()].find(({ aliases }) => aliases.includes(alias))?.error ??
      this.#unreachable.get(this.#unreachableAt(alias)?.id ?? "");
  }

  /**
   * Records why a node with an address has no port.
   *
   * @param isLogged whether a new reason is logged
   */
  record(
    id: string,
    announced: readonly HostPort[],
    error: NoPublicPortError,
    isLogged = true,
  ): void {
    const isKnown = this.#refused.get(id)?.error.message === error.message;
    if (isLogged && !isKnown) this.#report("error", id, error);
    this.#refused.set(id, { error, aliases: announced.map(aliasOf) });
  }

  /** Removes a node: it has a port. */
  delete(id: string): void {
    this.#refused.delete(id);
  }

  /** Removes the nodes that the latest view does not list. */
  keepListed(view: ClusterView): void {
    for (const id of this.#refused.keys()) {
      if (!view.nodes.some((node) => node.id === id)) this.#refused.delete(id);
    }
  }

  /** Records the nodes of the latest view that cannot be connected to. */
  recordUnreachable(view: ClusterView, rows: TableRows): TableChange[] {
    const changes: TableChange[] = [];
    this.#view = view;
    if (announcesPlainPorts(view)) this.#reportPlainPorts(view);
    const unreachable = new Map<string, NoPublicPortError>();
    for (const node of view.nodes) {
      const isLocated = !node.flags.has("noaddr") && dialAddress(node, view) !== null;
      if (isLocated || node.flags.has("handshake")) continue;
      // A node that is down may lose its address; one that is up has given up its port.
      if (rows.withId(node.id) && !(isHealthy(node) && node.host !== "")) continue;
      const known = this.#unreachable.get(node.id);
      const error = known ?? new NoPublicPortError(whyUnreachable(node, view));
      unreachable.set(node.id, error);
      if (known !== undefined) continue;
      this.#report("warning", node.id, error);
      if (node.host === "") changes.push({ kind: "unlocated", id: node.id });
    }
    this.#unreachable = unreachable;
    return changes;
  }

  /** The node of the latest view that has no port of the kind in use, by an address of the other. */
  #unreachableAt(alias: string): ClusterNode | undefined {
    const view = this.#view;
    return view?.nodes.find((node) =>
      this.#unreachable.has(node.id) &&
      announcedAddresses(node, view).some((address) => aliasOf(address) === alias)
    );
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
