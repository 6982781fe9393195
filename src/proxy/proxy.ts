import { type NatEntry, type NatTable, NoPublicPortError } from "../nat/nat_table.ts";
import { FailureWatch } from "../nat/failure_watch.ts";
import { NodeResolver } from "../nat/node_resolver.ts";
import { TopologyRefresher } from "../nat/refresher.ts";
import type { PortChange, TableChange } from "../nat/table_change.ts";
import { Frontend, type FrontendContext } from "./frontend.ts";
import { ListenError } from "./listener.ts";
import { NodeMonitor } from "./node_monitor.ts";
import { log } from "../platform/log.ts";
import {
  byPort,
  createNatTable,
  createStartupContext,
  discover,
  mappingLine,
  type StartupContext,
} from "./startup.ts";
import { MappingFiles } from "../nat/mapping_files.ts";
import type { Config } from "../cli/config.ts";
import { SharedCounters } from "./counters.ts";
import type { WorkerPool } from "../workers/pool.ts";

/** What of the threads is loaded only if there are some. */
type Threads = Pick<typeof import("../workers/pool.ts"), "WorkerPool">;

/**
 * The proxy in service: it knows the cluster, and has a frontend serve the clients of each of its
 * nodes, or one in each of several threads. `start` gives one that listens; `stop` ends it.
 */
export class Proxy {
  readonly #config: Config;
  readonly #announce: (line: string) => void;
  readonly #natTable: NatTable;
  readonly #discovery: StartupContext;
  readonly #files: MappingFiles;
  readonly #watch: TopologyRefresher;
  readonly #monitor: NodeMonitor;
  readonly #failures: FailureWatch;
  readonly #counters: SharedCounters;
  readonly #frontend: Frontend;
  readonly #others: WorkerPool | undefined;
  /** Lines to announce when the other threads know what has changed, too. */
  readonly #news: string[] = [];
  /** Nodes that are up and whose ports another program has taken meanwhile. */
  readonly #refused = new Set<NatEntry>();
  #started = false;
  #stopping = false;

  private constructor(config: Config, announce: (line: string) => void, threads?: Threads) {
    this.#config = config;
    this.#announce = announce;
    const natTable = createNatTable(config);
    this.#natTable = natTable;
    const context = createStartupContext(natTable, config, (changes) => this.#apply(changes));
    this.#discovery = context;
    const { dialer, discovery, addressCheck } = context;
    this.#files = new MappingFiles(config, natTable);
    this.#watch = new TopologyRefresher(context, {
      intervalMs: config.refreshIntervalMs,
      addressCheck,
    });
    const nodeResolver = new NodeResolver(context);
    const probesRegularly = config.refreshIntervalMs < Infinity;
    const monitor = new NodeMonitor({
      probesRegularly,
      dialer,
      actions: {
        closePort: (node) => this.#closePort(node),
        openPort: (node) => this.#openPort(node),
        fail: (node) => this.#fail(node),
        unreachable: () => this.#watch.requestRefresh(),
      },
    });
    this.#monitor = monitor;
    this.#failures = new FailureWatch({
      natTable,
      discovery,
      isNeeded: () =>
        this.sessionCount > 0 &&
        (probesRegularly || natTable.nodes.some((node) => !monitor.isUp(node))),
      isUp: (node) => monitor.isUp(node),
      failed: (node) => monitor.confirmFailure(node),
    });
    const suspect = (node: NatEntry) => monitor.suspect(node);
    const isUp = (node: NatEntry) => monitor.isUp(node);
    const clients = () => this.#frontend.clients;
    this.#others = threads &&
      new threads.WorkerPool(config, { natTable, nodeResolver, suspect, isUp, clients });
    const frontendContext: FrontendContext = this.#others?.frontendContext ?? {
      natTable,
      nodeResolver,
      otherClients: undefined,
      counters: new SharedCounters(),
      bindMode: "own",
      suspect,
    };
    this.#counters = frontendContext.counters;
    this.#frontend = new Frontend(config, frontendContext);
  }

  /**
   * Listens on pinned ports, waits for the cluster, then listens for each of its nodes.
   *
   * @param announce gets a line for each node when it is listened for, in the order of ports
   * @throws {OperatorError} when it
   * cannot; then nothing is left listening
   */
  static async start(config: Config, announce: (line: string) => void): Promise<Proxy> {
    const proxy = config.threads === 1
      ? new Proxy(config, announce)
      : new Proxy(config, announce, await import("../workers/pool.ts"));
    try {
      await Promise.race([proxy.#begin(), proxy.failure]);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    proxy.#started = true;
    proxy.#news.length = 0;
    for (const node of byPort(proxy.nodes)) announce(mappingLine(config, node));
    // Clients may have made it learn something meanwhile.
    proxy.#files.update();
    proxy.#watch.start();
    proxy.#failures.start();
    return proxy;
  }

  /** The nodes and their public ports, in the order of ports given out. */
  get nodes(): readonly NatEntry[] {
    return this.#natTable.nodes;
  }

  /** How many sockets take clients, in all threads. */
  get listenerCount(): number {
    return this.#frontend.listenerCount * this.#config.threads;
  }

  /** How many clients are connected. */
  get sessionCount(): number {
    return this.#counters.sessions.value;
  }

  /** How much is kept of replies that are to be rewritten, in bytes. */
  get capturedBytes(): number {
    return this.#counters.captured.value;
  }

  /** Rejected with an OperatorError when a thread ends by itself or is stuck, else never settled. */
  get failure(): Promise<never> {
    return this.#others?.failure ?? new Promise(() => {});
  }

  /**
   * Stops listening, lets the replies that are under way come for up to `graceMs`, ends all
   * sessions, and is done when they are.
   *
   * @throws {OperatorError} when a thread ends by itself while replies come; then all is done, too
   */
  async stop(graceMs = 0): Promise<void> {
    this.#stopping = true;
    this.#monitor.stop();
    this.#failures.stop();
    this.#frontend.stopListening();
    this.#others?.stopListening();
    try {
      if (graceMs > 0) await this.#drain(graceMs);
    } finally {
      // A session that waits to hear about a node need not any more.
      this.#discovery.discovery.close();
      await Promise.all([this.#watch.stop(), this.#frontend.end(), this.#others?.end()]);
      await this.#files.settled();
    }
  }

  async #begin(): Promise<void> {
    // Pinned ports take clients while the proxy waits for the cluster.
    this.#frontend.checkTimeouts();
    await discover(this.#discovery, this.#config);
    await this.#files.begin();
    await this.#others?.begin();
  }

  async #drain(graceMs: number): Promise<void> {
    const drained = Promise.all([this.#frontend.drain(graceMs), this.#others?.drain(graceMs)]);
    await Promise.race([drained, this.failure]);
    const { sessionCount } = this;
    if (sessionCount === 0) return;
    log.warning("{count} clients are cut off, {grace} ms after the stop (--shutdown-grace)", {
      count: sessionCount,
      grace: graceMs,
    });
  }

  /** Applies changes of the NAT table, in order, and publishes the table. */
  #apply(changes: readonly TableChange[]): void {
    if (changes.length === 0) return;
    const queue = [...changes];
    for (let change = queue.shift(); change !== undefined; change = queue.shift()) {
      queue.unshift(...this.#applyOne(change));
    }
    this.#learned();
  }

  /** Applies one change; returns the changes that follow from a port that cannot be opened. */
  #applyOne(change: TableChange): readonly TableChange[] {
    switch (change.kind) {
      case "opened":
        return this.#open(change);
      case "moved":
        this.#follow(change.node);
        break;
      case "closed":
        this.#close(change.node);
        break;
      case "conflict":
      case "unlocated":
        this.#watch.requestRefresh();
        break;
      case "updated":
        break;
    }
    return [];
  }

  #open({ node, port, isRequired }: PortChange): readonly TableChange[] {
    const natTable = this.#natTable;
    if (this.#stopping) {
      return natTable.portRefused(node, new NoPublicPortError("The proxy is stopping"));
    }
    try {
      natTable.portOpened(node, this.#frontend.open(node, port, this.#others?.isClosing(port)));
    } catch (error) {
      if (isRequired || !(error instanceof ListenError)) throw error;
      return natTable.portRefused(node, error);
    }
    this.#news.push(mappingLine(this.#config, node));
    this.#monitor.watch(node);
    return [];
  }

  #close(node: NatEntry): void {
    this.#monitor.forget(node);
    this.#refused.delete(node);
    this.#frontend.close(node);
  }

  async #closePort(node: NatEntry): Promise<void> {
    await Promise.all([this.#frontend.closePort(node), this.#updateThreads()]);
  }

  async #openPort(node: NatEntry): Promise<boolean> {
    const { publicPort: port } = node;
    try {
      this.#frontend.open(node, port, this.#others?.isClosing(port));
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      if (!this.#refused.has(node)) log.error("{reason}; trying again", { reason: error.message });
      this.#refused.add(node);
      return false;
    }
    this.#refused.delete(node);
    await this.#updateThreads();
    return true;
  }

  async #fail(node: NatEntry): Promise<void> {
    const closed = this.#frontend.closePort(node);
    this.#frontend.endSessions(node);
    this.#others?.moved(node);
    await Promise.all([closed, this.#updateThreads()]);
  }

  async #updateThreads(): Promise<void> {
    this.#others?.update();
    await this.#others?.published();
  }

  #follow(node: NatEntry): void {
    this.#frontend.endSessions(node);
    this.#others?.moved(node);
    this.#monitor.reached(node);
    this.#news.push(mappingLine(this.#config, node));
  }

  #learned(): void {
    this.#others?.update();
    if (!this.#started) return;
    this.#files.update();
    const news = this.#news.splice(0);
    const tell = () => news.forEach(this.#announce);
    if (this.#others === undefined) tell();
    else this.#others.published().then(tell);
  }
}
