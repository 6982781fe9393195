import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import { NoPublicPortError } from "../nat/no_public_port_error.ts";
import type { PortChange, TableChange } from "../nat/table_change.ts";
import { log } from "../platform/log.ts";
import type { Frontends } from "./frontends.ts";
import { ListenError } from "./listener.ts";
import type { NodeMonitor } from "./node_monitor.ts";

/** What `NodePorts` acts on. */
export interface NodePortsContext {
  readonly natTable: NatTable;
  readonly frontends: Frontends;
  readonly monitor: NodeMonitor;
  /** Requests a query of the cluster. */
  requestRefresh(): void;
}

/** Opens and closes the ports of nodes as the NAT table changes, and as nodes go down and up. */
export class NodePorts {
  readonly #context: NodePortsContext;
  /** Nodes that are up, but whose ports another program has taken meanwhile. */
  readonly #refused = new Set<NatEntry>();
  #isStopped = false;

  constructor(context: NodePortsContext) {
    this.#context = context;
  }

  /** Opens no more ports for new nodes. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Applies changes of the NAT table in order, and those that follow from them. */
  apply(changes: readonly TableChange[]): void {
    const queue = [...changes];
    for (let change = queue.shift(); change !== undefined; change = queue.shift()) {
      queue.unshift(...this.#applyOne(change));
    }
  }

  /** Opens the port of a node that is up again; false if another program has the port. */
  async reopen(node: NatEntry): Promise<boolean> {
    const { frontends } = this.#context;
    try {
      frontends.open(node, node.listenPort);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      if (!this.#refused.has(node)) log.error("{reason}; retrying", { reason: error.message });
      this.#refused.add(node);
      return false;
    }
    this.#refused.delete(node);
    await frontends.update();
    return true;
  }

  /** Ends the sessions of a failed node, and closes its port. */
  async fail(node: NatEntry): Promise<void> {
    const { frontends } = this.#context;
    frontends.endSessions(node, "node_failed");
    await frontends.closePort(node);
  }

  /** Applies one change; returns the changes that follow from a port that cannot be opened. */
  #applyOne(change: TableChange): readonly TableChange[] {
    switch (change.kind) {
      case "open":
        return this.#open(change);
      case "moved":
        this.#follow(change.node);
        break;
      case "close":
        this.#close(change.node);
        break;
      case "conflict":
      case "unlocated":
        this.#context.requestRefresh();
        break;
      case "updated":
        break;
    }
    return [];
  }

  #open({ node, port, isRequired }: PortChange): readonly TableChange[] {
    const { natTable, frontends, monitor } = this.#context;
    if (this.#isStopped) {
      return natTable.portRefused(node, new NoPublicPortError("The proxy is stopping"));
    }
    try {
      natTable.portOpened(node, frontends.open(node, port));
    } catch (error) {
      if (isRequired || !(error instanceof ListenError)) throw error;
      return natTable.portRefused(node, error);
    }
    monitor.watch(node);
    return [];
  }

  #close(node: NatEntry): void {
    const { frontends, monitor } = this.#context;
    monitor.forget(node);
    this.#refused.delete(node);
    frontends.close(node);
  }

  #follow(node: NatEntry): void {
    const { frontends, monitor } = this.#context;
    frontends.endSessions(node, "node_moved");
    monitor.reached(node);
  }
}
