// proxy/ owns sockets, sessions and time. It may import relay/, rewrite/ and nat/, and all layers
// below them. It knows neither the configuration nor threads: each class declares the options it
// takes, and `Frontends` is all that it knows of one thread or several.
//
// Start with `Proxy`; node_ports.ts applies the changes of the NAT table to the frontends. The way of
// a reply starts in frontend.ts (accept, admit) and continues in session.ts (dial, two relays, the
// end).

import { FailureWatch } from "../nat/failure_watch.ts";
import { formatMap } from "../nat/map_file.ts";
import type { MappingFiles, MappingFilesOptions } from "../nat/mapping_files.ts";
import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import { NodeResolver } from "../nat/node_resolver.ts";
import type { PublicPortsFile } from "../nat/public_ports_file.ts";
import { TopologyRefresher } from "../nat/refresher.ts";
import { createViews, type PublicViews } from "../nat/public_view.ts";
import type { TableChange } from "../nat/table_change.ts";
import type { OptionFile } from "../platform/files_watcher.ts";
import { log } from "../platform/log.ts";
import type { CreateFrontends, Frontends } from "./frontends.ts";
import { AnswerCheck } from "./answer_check.ts";
import { MappingLines } from "./mapping_lines.ts";
import { NodeMonitor } from "./node_monitor.ts";
import { NodePorts } from "./node_ports.ts";
import {
  createNatTable,
  createStartupContext,
  discover,
  loadSharedPorts,
  type StartupContext,
  type StartupOptions,
} from "./startup.ts";
import { type ProxyStatus, statusOf } from "./status.ts";

/** The options of a proxy. */
export interface ProxyOptions extends StartupOptions, MappingFilesOptions {
  /** How often to query the topology; Infinity is only when something has happened. */
  readonly refreshIntervalMs: number;
  /** The file with the public ports of the first view; undefined if options have them. */
  readonly publicPortsFile: OptionFile | undefined;
}

/** What `start` creates before the proxy. */
interface ProxyParts {
  readonly views: PublicViews;
  readonly natTable: NatTable;
  readonly SharedPorts: Awaited<ReturnType<typeof loadSharedPorts>>;
}

/** What a proxy tells the program that starts it. */
export interface ProxyEvents {
  /**
   * Gets a line for each node when its port is open, in the order of ports; again when the node moves
   * or its public port changes, or is not known any more.
   */
  announce(line: string): void;
  /** Gets the proxy before it has found its cluster. */
  created?(proxy: Proxy): void;
}

/**
 * The proxy in service: it follows the topology of the cluster, and has its frontends serve the
 * clients of each node. `start` returns one that listens; `stop` ends it.
 */
export class Proxy {
  readonly #options: ProxyOptions;
  readonly #views: PublicViews;
  readonly #announce: (line: string) => void;
  readonly #lines: MappingLines;
  readonly #natTable: NatTable;
  readonly #startup: StartupContext;
  readonly #refresher: TopologyRefresher;
  readonly #monitor: NodeMonitor;
  readonly #failures: FailureWatch;
  readonly #frontends: Frontends;
  readonly #ports: NodePorts;
  readonly #answers: AnswerCheck;
  /** Set during the start, if there are files to write. */
  #files: MappingFiles | undefined;
  /** Set when the start begins. */
  #publicPortsFile: PublicPortsFile | undefined;
  #started = false;
  #isDraining = false;
  /** Why the start is not done. */
  #obstacle = "No node has answered yet";

  private constructor(
    options: ProxyOptions,
    createFrontends: CreateFrontends,
    announce: (line: string) => void,
    { views, natTable, SharedPorts }: ProxyParts,
  ) {
    this.#options = options;
    this.#announce = announce;
    this.#views = views;
    this.#lines = new MappingLines(views);
    this.#natTable = natTable;
    const context = createStartupContext(
      natTable,
      { ...options, views },
      (changes) => this.#apply(changes),
      SharedPorts,
    );
    this.#startup = context;
    const { dialer, discovery, addressCheck } = context;
    this.#refresher = new TopologyRefresher(context, {
      intervalMs: options.refreshIntervalMs,
      addressCheck,
    });
    const probesRegularly = options.refreshIntervalMs < Infinity;
    const monitor = new NodeMonitor({
      probesRegularly,
      dialer,
      actions: {
        closePort: (node) => this.#frontends.closePort(node),
        openPort: (node) => this.#ports.reopen(node),
        fail: (node) => this.#ports.fail(node),
        requestRefresh: () => this.#refresher.requestRefresh(),
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
      onFailed: (node) => monitor.confirmFailure(node),
    });
    this.#frontends = createFrontends({
      natTable,
      views,
      nodeResolver: new NodeResolver(context),
      isUp: (node) => monitor.isUp(node),
      readPublicPorts: async () => await this.#publicPortsFile?.readNow(),
      suspect: (node) => monitor.suspect(node),
    });
    this.#ports = new NodePorts({
      natTable,
      frontends: this.#frontends,
      monitor,
      requestRefresh: () => this.#refresher.requestRefresh(),
    });
    this.#answers = new AnswerCheck(
      dialer,
      () => natTable.nodes.filter((node) => monitor.stateOf(node)?.status === "up"),
    );
  }

  /**
   * Listens on the ports of static mappings, waits for the cluster, then listens for each node.
   *
   * @throws {OperatorError} when it cannot start; then nothing is left listening
   */
  static async start(
    options: ProxyOptions,
    createFrontends: CreateFrontends,
    events: ProxyEvents,
  ): Promise<Proxy> {
    const announce = (line: string) => events.announce(line);
    const views = createViews(options);
    const natTable = await createNatTable(options, views);
    const SharedPorts = await loadSharedPorts(options);
    const proxy = new Proxy(options, createFrontends, announce, { views, natTable, SharedPorts });
    events.created?.(proxy);
    try {
      await Promise.race([proxy.#begin(), proxy.failure]);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    proxy.#started = true;
    proxy.#lines.takeNew(proxy.nodes).forEach(announce);
    // Clients may have changed the NAT table meanwhile.
    proxy.#record();
    proxy.#refresher.start();
    proxy.#failures.start();
    proxy.#startup.sharedPorts?.start(() => proxy.#refresher.requestRefresh());
    return proxy;
  }

  /** The nodes and their ports, in the order in which ports were assigned. */
  get nodes(): readonly NatEntry[] {
    return this.#natTable.nodes;
  }

  /** The number of connected clients. */
  get sessionCount(): number {
    return this.#frontends.counters.sessions.value;
  }

  /** The memory that captured replies take, in bytes. */
  get capturedBytes(): number {
    return this.#frontends.counters.captured.value;
  }

  /** Reports from now on that no new client should come; `stop` follows. */
  beginDrain(): void {
    this.#isDraining = true;
  }

  /** What the proxy does now, with the statistics of all threads. */
  async status(): Promise<ProxyStatus> {
    const reports = await this.#frontends.report();
    return statusOf({
      phase: this.#phase,
      views: this.#views,
      obstacle: this.#obstacle,
      natTable: this.#natTable,
      discovery: this.#startup.discovery.history,
      sharedPorts: this.#startup.sharedPorts?.status,
      counters: this.#frontends.counters,
      reports,
      stateOf: (node) => this.#monitor.stateOf(node),
    });
  }

  /** Why clients cannot be served; undefined if they can, because a node answers. */
  async whyNotReady(): Promise<string | undefined> {
    if (this.#phase === "draining") return "The proxy is stopping";
    if (this.#phase === "starting") return `The start is not done: ${this.#obstacle}`;
    if (await this.#answers.isAnswering()) return undefined;
    return "No node answers; the ports of nodes that refuse connections are closed";
  }

  /** The mapping as `--map-file` has it. */
  get map(): string {
    return formatMap(this.#views, this.nodes);
  }

  get #phase(): ProxyStatus["phase"] {
    if (this.#isDraining) return "draining";
    return this.#started ? "serving" : "starting";
  }

  /** Reads the file of public ports at once; undefined without such a file. */
  reloadPublicPorts(): Promise<void> | undefined {
    return this.#publicPortsFile?.reload();
  }

  /** Rejected with an OperatorError when clients cannot be served any more, else never settled. */
  get failure(): Promise<never> {
    return this.#frontends.failure;
  }

  /**
   * Stops listening, lets sessions finish the replies in progress for up to `graceMs`, and ends all
   * sessions; done when they have ended.
   *
   * @throws {OperatorError} when a thread is lost meanwhile; then all has ended, too
   */
  async stop(graceMs = 0): Promise<void> {
    this.#isDraining = true;
    this.#ports.stop();
    this.#monitor.stop();
    this.#failures.stop();
    this.#frontends.stopListening();
    try {
      if (graceMs > 0) await this.#drain(graceMs);
    } finally {
      // Sessions do not wait for queries any more.
      this.#startup.discovery.close();
      const { sharedPorts } = this.#startup;
      await Promise.all([
        sharedPorts?.stop(),
        this.#publicPortsFile?.stop(),
        this.#refresher.stop(),
        this.#frontends.end(),
      ]);
      await this.#files?.settled();
    }
  }

  async #begin(): Promise<void> {
    const { publicPortsFile } = this.#options;
    if (publicPortsFile !== undefined) await this.#followPublicPorts(publicPortsFile);
    const onObstacle = (obstacle: string) => this.#obstacle = obstacle;
    await discover(this.#startup, { ...this.#options, onObstacle });
    this.#obstacle = "Not all ports are open yet";
    await this.#beginFiles();
    await this.#frontends.ready();
  }

  async #beginFiles(): Promise<void> {
    const { stateFile, mapFile } = this.#options;
    if (stateFile === undefined && mapFile === undefined) return;
    // Loaded only if an option asks for it, for a short start.
    const { MappingFiles } = await import("../nat/mapping_files.ts");
    this.#files = new MappingFiles(this.#options, {
      natTable: this.#natTable,
      views: this.#views,
    });
    await this.#files.begin();
  }

  async #followPublicPorts(file: OptionFile): Promise<void> {
    // Loaded only if an option asks for it, for a short start.
    const { PublicPortsFile } = await import("../nat/public_ports_file.ts");
    this.#publicPortsFile = await PublicPortsFile.follow(
      file,
      this.#views[0],
      () => this.#publish(),
    );
  }

  /** Writes down the mapping, and logs which public ports are not known. */
  #record(): void {
    this.#files?.update();
    this.#publicPortsFile?.report(this.nodes.map(({ listenPort }) => listenPort));
  }

  async #drain(graceMs: number): Promise<void> {
    await Promise.race([this.#frontends.drain(graceMs), this.failure]);
    const { sessionCount } = this;
    if (sessionCount === 0) return;
    log.warning(
      "Closing {count} clients that have not ended within {grace_ms} ms " +
        "(--shutdown-grace)",
      { count: sessionCount, grace_ms: graceMs },
    );
  }

  /** Applies changes of the NAT table in order, then has all threads follow. */
  #apply(changes: readonly TableChange[]): void {
    if (changes.length === 0) return;
    this.#ports.apply(changes);
    this.#startup.sharedPorts?.update();
    this.#publish();
  }

  /** Tells all threads of a change of the mapping and, after the start, updates files and stdout. */
  #publish(): void {
    const updated = this.#frontends.update();
    if (!this.#started) return;
    this.#record();
    const lines = this.#lines.takeNew(this.nodes);
    updated.then(() => lines.forEach(this.#announce));
  }
}
