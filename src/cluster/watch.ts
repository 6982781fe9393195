import { formatHostPort } from "../address.ts";
import type { Directory, Dispute } from "./directory.ts";
import { isReady, type Topology } from "./topology.ts";

/**
 * Between two looks at the cluster: what makes one necessary, such as a node that is gone, is
 * noticed by each of its clients.
 */
const MIN_PAUSE_MS = 1000;

/** Keeps a directory true to its cluster: looks from time to time, and when there is a reason. */
export class TopologyWatch {
  readonly #directory: Directory;
  readonly #topology: Topology;
  readonly #intervalMs: number;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #hinted = false;
  /** Ends the pause between two looks. */
  #wake = () => {};

  /** @param intervalMs between two looks; Infinity for none without a reason */
  constructor(directory: Directory, topology: Topology, intervalMs: number) {
    this.#directory = directory;
    this.#topology = topology;
    this.#intervalMs = intervalMs;
  }

  /** Begins to watch, after a first pause. */
  start(): void {
    this.#running = this.#run();
  }

  /** Something says that what is known of the cluster is old; the watch will look soon. */
  hint(): void {
    this.#hinted = true;
    this.#wake();
  }

  /** Ends the watch, and is done when it has ended. What it asks is for the topology to break. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const minMs = Math.min(MIN_PAUSE_MS, this.#intervalMs);
    for (;;) {
      await this.#pause(minMs, () => this.#stopped);
      await this.#pause(this.#intervalMs - minMs, () => this.#stopped || this.#hinted);
      if (this.#stopped) return;
      this.#hinted = false;
      await this.#look();
    }
  }

  /** Waits for so long, or until something wakes the watch that ends its pause. */
  async #pause(durationMs: number, isOver: () => boolean): Promise<void> {
    if (isOver() || durationMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = () => {
      if (isOver()) resolve();
    };
    const timer = durationMs === Infinity ? undefined : setTimeout(resolve, durationMs);
    await promise;
    clearTimeout(timer);
    this.#wake = () => {};
  }

  async #look(): Promise<void> {
    const directory = this.#directory;
    const ours = directory.recognizes.bind(directory);
    try {
      const view = await this.#topology.look({ wanted: isReady, ours });
      if (!this.#stopped) directory.learn(view);
    } catch (error) {
      // It was said that nobody answers, and clients may still be served.
      if (!(error instanceof AggregateError)) throw error;
    }
    await Promise.all(directory.disputes.map((dispute) => this.#settle(dispute)));
    await nameNodes(directory, this.#topology);
  }

  /**
   * Finds out whether a node has moved. A node that came back at another address does not know
   * that itself, so its old address is right only if it still answers there; where it answers at
   * both, the one counts that it announces.
   */
  async #settle({ node, address }: Dispute): Promise<void> {
    const there = await this.#topology.visit(address);
    if (there?.answeredBy.id !== node.id) return;
    const { host, hostname, port } = there.answeredBy;
    const announced = formatHostPort({ host: host || hostname, port });
    const isThere = announced === formatHostPort(address) ||
      (await this.#topology.visit(node.address))?.answeredBy.id !== node.id;
    if (isThere && !this.#stopped) this.#directory.move(node, address);
  }
}

/** Asks the nodes with a pinned port who they are that are not known to be in the cluster. */
export async function nameNodes(directory: Directory, topology: Topology): Promise<void> {
  await Promise.all(directory.nameless.map(async (node) => {
    const view = await topology.visit(node.address);
    if (view !== undefined) directory.name(node, view.answeredBy.id);
  }));
}
