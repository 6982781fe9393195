import { formatHostPort } from "../platform/address.ts";
import { AddressCheck } from "./address_check.ts";
import type { Directory, Dispute, Suspect } from "./nat_table.ts";
import {
  dialAddress,
  isReady,
  isSound,
  type LookOptions,
  type Topology,
} from "../cluster/discovery.ts";

/**
 * Between two looks at the cluster: what makes one necessary, such as a node that is gone, is
 * noticed by each of its clients.
 */
const MIN_PAUSE_MS = 1000;

/**
 * How many nodes are asked where another is. That its address is not known is a matter of one
 * view as a rule, and a node that is gone for good is asked for again and again.
 */
const MOST_ASKED = 16;

/** Keeps a directory true to its cluster: looks from time to time, and when there is a reason. */
export class TopologyWatch {
  readonly #directory: Directory;
  readonly #topology: Topology;
  readonly #intervalMs: number;
  readonly #addressCheck: AddressCheck;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #hinted = false;
  /** What is being asked besides. */
  #inquiries: Promise<void> | undefined;
  /** Ends the pause between two looks. */
  #wake = () => {};

  /** @param intervalMs between two looks; Infinity for none without a reason */
  constructor(
    directory: Directory,
    topology: Topology,
    intervalMs: number,
    addressCheck = new AddressCheck(directory, topology),
  ) {
    this.#directory = directory;
    this.#topology = topology;
    this.#intervalMs = intervalMs;
    this.#addressCheck = addressCheck;
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

  /** Ends the watch, and is done when it has ended; closing the topology first makes it quick. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
    await this.#inquiries;
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
    try {
      const view = await this.#topology.look(lookFor(this.#directory, { wanted: isReady }));
      if (!this.#stopped) this.#directory.learn(view);
    } catch (error) {
      // It was said that nobody answers, and clients may still be served.
      if (!(error instanceof AggregateError)) throw error;
    }
    // Nodes that do not answer take seconds for that, which the next look need not wait for.
    this.#inquiries ??= this.#inquire().finally(() => this.#inquiries = undefined);
  }

  async #inquire(): Promise<void> {
    await Promise.all([
      ...this.#directory.disputes.map((dispute) => this.#settle(dispute)),
      ...this.#directory.suspects.map((suspect) => this.#verify(suspect)),
      nameNodes(this.#directory, this.#topology),
      placeNodes(this.#directory, this.#topology),
      this.#addressCheck.run(),
    ]);
  }

  /**
   * Finds out whether a node is gone that views do not list. One that answers where it was, and is
   * in a cluster with others of this one, is served whoever else does not know it.
   */
  async #verify(suspect: Suspect): Promise<void> {
    const view = await this.#topology.visit(suspect.address);
    if (this.#stopped) return;
    const isMember = view?.answeredBy.id === suspect.id && view.nodes.length > 1 &&
      this.#directory.recognizes(view);
    if (isMember) this.#directory.keep(suspect);
    else this.#directory.forget(suspect);
  }

  /**
   * Finds out whether a node has moved. While it answers at its old address, what counts is the
   * address that it announces there. One that came back at another address does not know that
   * itself; there it has moved if it answers at the new one only.
   */
  async #settle({ node, address }: Dispute): Promise<void> {
    const isOwn = await this.#topology.isOwn(address);
    if (isOwn === undefined) return;
    if (isOwn) {
      this.#addressCheck.reportOwn(node, address);
      return;
    }
    const [here, there] = await Promise.all([
      this.#topology.visit(node.address),
      this.#topology.visit(address),
    ]);
    if (there?.answeredBy.id !== node.id || this.#stopped) return;
    if (here?.answeredBy.id !== node.id) this.#directory.move(node, address);
    else if (formatHostPort(here.answeredAt) === formatHostPort(there.answeredAt)) {
      this.#directory.move(node, address, true);
    } else {
      const { host, hostname, port } = here.answeredBy;
      const announced = formatHostPort({ host: host || hostname, port });
      if (announced === formatHostPort(address)) this.#directory.move(node, address);
    }
  }
}

/** A look for the cluster of a directory. */
export function lookFor(directory: Directory, more: Pick<LookOptions, "wanted"> = {}): LookOptions {
  return {
    known: directory.nodes.map(({ address }) => address),
    ours: directory.recognizes.bind(directory),
    instead: directory.isReplacedBy.bind(directory),
    ...more,
  };
}

/** Asks the nodes with a pinned port who they are that are not known to be in the cluster. */
export async function nameNodes(directory: Directory, topology: Topology): Promise<void> {
  await Promise.all(directory.nameless.map(async (node) => {
    const view = await topology.visit(node.address);
    if (view !== undefined) directory.name(node, view.answeredBy.id);
  }));
}

/** Asks other nodes where those are that the last view names by their ids only. */
export async function placeNodes(directory: Directory, topology: Topology): Promise<void> {
  const { view } = directory;
  if (view === undefined || !directory.hasUnplaced) return;
  const others = view.nodes.filter((node) => isSound(node) && node.id !== view.answeredBy.id)
    .map((node) => dialAddress(node, view)).filter((address) => address !== null);
  await Promise.all(
    others.slice(0, MOST_ASKED).map(async (address) => {
      const seen = await topology.visit(address);
      if (seen !== undefined && directory.recognizes(seen)) directory.learn(seen);
    }),
  );
}
