import { type MappedNode, UnmappedError } from "./cluster/directory.ts";
import { Locator } from "./cluster/locator.ts";
import { Topology } from "./cluster/topology.ts";
import { TopologyWatch } from "./cluster/watch.ts";
import type { Config } from "./config.ts";
import { Frontend } from "./frontend.ts";
import { byPort, createMapping, discover, type Mapping, mappingLine } from "./mapping.ts";
import { Records } from "./records.ts";

/**
 * The proxy in service: it knows the cluster, and has a frontend serve the clients of each of its
 * nodes. `start` gives one that listens; `stop` ends it.
 */
export class Proxy {
  readonly #config: Config;
  readonly #announce: (line: string) => void;
  readonly #topology: Topology;
  readonly #mapping: Mapping;
  readonly #records: Records;
  readonly #watch: TopologyWatch;
  readonly #frontend: Frontend;
  #started = false;
  #stopping = false;

  private constructor(config: Config, topology: Topology, announce: (line: string) => void) {
    this.#config = config;
    this.#announce = announce;
    this.#topology = topology;
    this.#mapping = createMapping(config, {
      open: (node, port) => this.#open(node, port),
      close: (node) => this.#frontend.close(node),
      moved: (node) => this.#follow(node),
      disputed: () => this.#watch.hint(),
      learned: () => this.#started && this.#records.update(),
    });
    this.#records = new Records(config, this.#mapping);
    const { directory } = this.#mapping;
    this.#watch = new TopologyWatch(directory, topology, config.refreshIntervalMs);
    this.#frontend = new Frontend(config, {
      directory,
      locator: new Locator(directory, topology),
      hint: () => this.#watch.hint(),
    });
  }

  /**
   * Waits for the cluster, then listens for each of its nodes.
   *
   * @param announce gets a line for each node when it is listened for, in the order of ports
   * @throws {NotReadyError | ListenError | StateFileError | RecordError} when it cannot; then
   * nothing is left listening
   */
  static async start(config: Config, announce: (line: string) => void): Promise<Proxy> {
    const topology = new Topology(config);
    const proxy = new Proxy(config, topology, announce);
    try {
      await discover(proxy.#mapping, topology, config);
      await proxy.#records.begin();
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    proxy.#started = true;
    for (const node of byPort(proxy.nodes)) announce(mappingLine(config, node));
    // Clients may have made it learn something meanwhile.
    proxy.#records.update();
    proxy.#watch.start();
    proxy.#frontend.keepTimes();
    return proxy;
  }

  /** The nodes and their public ports, in the order of ports given out. */
  get nodes(): readonly MappedNode[] {
    return this.#mapping.directory.nodes;
  }

  /** How many clients are connected. */
  get sessionCount(): number {
    return this.#frontend.sessionCount;
  }

  /** How much is kept of replies that are to be rewritten, in bytes. */
  get capturedBytes(): number {
    return this.#frontend.capturedBytes;
  }

  /**
   * Stops listening, lets the replies that are under way come for up to `graceMs`, ends all
   * sessions, and is done when they are.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#stopping = true;
    this.#frontend.stopListening();
    await this.#frontend.drain(graceMs);
    // A session that waits to hear about a node need not any more.
    this.#topology.close();
    await Promise.all([this.#watch.stop(), this.#frontend.end()]);
    await this.#records.settled();
  }

  #open(node: MappedNode, port: number): number {
    if (this.#stopping) throw new UnmappedError("The proxy is stopping");
    const publicPort = this.#frontend.open(node, port);
    if (this.#started) this.#announce(mappingLine(this.#config, { ...node, publicPort }));
    return publicPort;
  }

  #follow(node: MappedNode): void {
    this.#frontend.endSessions(node);
    if (this.#started) this.#announce(mappingLine(this.#config, node));
  }
}
