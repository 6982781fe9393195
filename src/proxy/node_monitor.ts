import type { NatEntry } from "../nat/nat_table.ts";
import { type NodeMonitorOptions, type NodeState, NodeWatch } from "./node_watch.ts";

/**
 * Monitors which nodes accept connections, and keeps the public ports of the others closed, so that
 * clients are refused there as they would be by the node itself.
 *
 * A probe is a TCP connection: once a second, and when a session suspects its node. It is closed at
 * once, because the node counts it as a client. Only the main thread has a monitor.
 */
export class NodeMonitor {
  readonly #options: NodeMonitorOptions;
  readonly #watches = new Map<NatEntry, NodeWatch>();
  #isStopped = false;

  constructor(options: NodeMonitorOptions) {
    this.#options = options;
  }

  /** Starts to monitor a node whose public port is open. */
  watch(node: NatEntry): void {
    if (this.#isStopped) return;
    const watch = new NodeWatch(node, this.#options);
    this.#watches.set(node, watch);
    watch.run();
  }

  /** Stops monitoring a node. */
  forget(node: NatEntry): void {
    this.#watches.get(node)?.stop();
    this.#watches.delete(node);
  }

  /** The state of a node; undefined if it is not monitored. */
  stateOf(node: NatEntry): NodeState | undefined {
    return this.#watches.get(node)?.state;
  }

  /** Whether a node accepts connections, as far as is known. */
  isUp(node: NatEntry): boolean {
    return (this.stateOf(node)?.status ?? "up") === "up";
  }

  /** Probes a node at once; done when its port is open or closed accordingly. */
  async suspect(node: NatEntry): Promise<void> {
    await this.#watches.get(node)?.suspect();
  }

  /** Opens the port of a node that has answered, maybe at a new address, if the port is closed. */
  reached(node: NatEntry): void {
    this.#watches.get(node)?.reached();
  }

  /** Pings a node that the cluster marks as failed; if it does not answer, its sessions end. */
  async confirmFailure(node: NatEntry): Promise<void> {
    await this.#watches.get(node)?.confirmFailure();
  }

  /** Stops probing; ports stay as they are. */
  stop(): void {
    this.#isStopped = true;
    for (const node of [...this.#watches.keys()]) this.forget(node);
  }
}
