import { Accepting } from "./accepting.ts";
import { type MappedNode, UnmappedError } from "./cluster/directory.ts";
import { Locator } from "./cluster/locator.ts";
import { Topology } from "./cluster/topology.ts";
import { TopologyWatch } from "./cluster/watch.ts";
import type { Config } from "./config.ts";
import { listenOn } from "./listening.ts";
import { log } from "./log.ts";
import { byPort, createMapping, discover, type Mapping, mappingLine } from "./mapping.ts";
import { close, type Connection, isExhausted, type Listener, writeAll } from "./net.ts";
import { Records } from "./records.ts";
import { fromLatin1 } from "./resp/bytes.ts";
import { CaptureBudget } from "./session/capture.ts";
import { ClientAddresses } from "./session/clients.ts";
import { Resolver } from "./session/resolver.ts";
import { Session, type SessionContext } from "./session/session.ts";

/** Of a silence that is as long as allowed this part is not noticed, at the worst. */
const LOOKS_PER_TIMEOUT = 4;

/** A look at ten thousand sessions takes a millisecond. */
const LONGEST_LOOK_MS = 1000;

/** How often to look while sessions are drained. */
const DRAIN_LOOK_MS = 100;

/** As the servers say it (networking.c `acceptCommonHandler`). */
const TOO_MANY_CLIENTS = "-ERR max number of clients reached\r\n";

/** Between two attempts to accept a client when the system has no descriptors left for one. */
const ACCEPT_PAUSE_MS = 100;

/**
 * The proxy in service: a listener for each node, a session for each client. `start` gives one
 * that listens; `stop` ends it.
 */
export class Proxy {
  readonly #config: Config;
  readonly #announce: (line: string) => void;
  readonly #topology: Topology;
  readonly #mapping: Mapping;
  readonly #records: Records;
  readonly #context: SessionContext;
  readonly #watch: TopologyWatch;
  readonly #listeners = new Map<MappedNode, Listener[]>();
  readonly #sessions = new Map<Session, Promise<void>>();
  readonly #accepting = new Accepting();
  #timekeeper: ReturnType<typeof setInterval> | undefined;
  #accepted = 0;
  #started = false;
  #stopping = false;

  private constructor(config: Config, topology: Topology, announce: (line: string) => void) {
    this.#config = config;
    this.#announce = announce;
    this.#topology = topology;
    this.#mapping = createMapping(config, {
      open: (node, port) => this.#open(node, port),
      close: (node) => this.#close(node),
      moved: (node) => this.#follow(node),
      disputed: () => this.#watch.hint(),
      learned: () => this.#started && this.#records.update(),
    });
    this.#records = new Records(config, this.#mapping);
    const { directory } = this.#mapping;
    this.#watch = new TopologyWatch(directory, topology, config.refreshIntervalMs);
    this.#context = {
      whereabouts: {
        publicHost: config.publicHost,
        directory,
        locator: new Locator(directory, topology),
        clients: new ClientAddresses(),
        resolver: new Resolver(),
      },
      readBufferBytes: config.readBufferBytes,
      connectTimeoutMs: config.connectTimeoutMs,
      keepAlive: config.keepAlive,
      idleTimeoutMs: config.idleTimeoutMs,
      captureTimeoutMs: config.captureTimeoutMs,
      budget: new CaptureBudget(config.captureLimitBytes),
      echo: config.echo,
      reached: () => this.#accepting.succeed(),
      unreachable: (reason) => {
        if (isExhausted(reason)) this.#accepting.fail(reason);
        else this.#watch.hint();
      },
    };
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
    proxy.#keepTimes();
    return proxy;
  }

  /** The nodes and their public ports, in the order of ports given out. */
  get nodes(): readonly MappedNode[] {
    return this.#mapping.directory.nodes;
  }

  /** How many clients are connected. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** How much is kept of replies that are to be rewritten, in bytes. */
  get capturedBytes(): number {
    return this.#context.budget.takenBytes;
  }

  /**
   * Stops listening, lets the replies that are under way come for up to `graceMs`, ends all
   * sessions, and is done when they are.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#stopping = true;
    for (const listeners of this.#listeners.values()) listeners.forEach(close);
    this.#listeners.clear();
    if (graceMs > 0 && this.#sessions.size > 0) await this.#drain(graceMs);
    clearInterval(this.#timekeeper);
    // A session that waits to hear about a node need not any more.
    this.#topology.close();
    for (const session of this.#sessions.keys()) session.end();
    await Promise.all([this.#watch.stop(), ...this.#sessions.values()]);
    await this.#records.settled();
  }

  /** Lets sessions end in order, but waits for the last of them no longer than that. */
  async #drain(graceMs: number): Promise<void> {
    for (const session of this.#sessions.keys()) session.drain();
    this.#lookEvery(DRAIN_LOOK_MS);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([Promise.all(this.#sessions.values()), over]);
    clearTimeout(timer);
    if (this.#sessions.size === 0) return;
    log.warning("{count} clients are cut off, {grace} ms after the stop (--shutdown-grace)", {
      count: this.#sessions.size,
      grace: graceMs,
    });
  }

  #open(node: MappedNode, port: number): number {
    if (this.#stopping) throw new UnmappedError("The proxy is stopping");
    const opened = listenOn({ host: this.#config.listen.host, port });
    for (const listener of opened) this.#accept(listener, node);
    this.#listeners.set(node, opened);
    const publicPort = opened[0]!.addr.port;
    if (this.#started) this.#announce(mappingLine(this.#config, { ...node, publicPort }));
    return publicPort;
  }

  /** Looks at the sessions often enough to end those in time that take too long for something. */
  #keepTimes(): void {
    const shortestMs = Math.min(this.#config.idleTimeoutMs, this.#config.captureTimeoutMs);
    this.#lookEvery(Math.min(LONGEST_LOOK_MS, Math.ceil(shortestMs / LOOKS_PER_TIMEOUT)));
  }

  #lookEvery(intervalMs: number): void {
    clearInterval(this.#timekeeper);
    this.#timekeeper = setInterval(() => {
      const nowMs = performance.now();
      for (const session of this.#sessions.keys()) session.checkTimes(nowMs);
    }, intervalMs);
  }

  #close(node: MappedNode): void {
    this.#listeners.get(node)?.forEach(close);
    this.#listeners.delete(node);
    this.#endSessions(node);
  }

  #follow(node: MappedNode): void {
    this.#endSessions(node);
    if (this.#started) this.#announce(mappingLine(this.#config, node));
  }

  #endSessions(node: MappedNode): void {
    for (const session of this.#sessions.keys()) if (session.node === node) session.end();
  }

  /** Takes the clients of one listener until it is closed. */
  async #accept(listener: Listener, node: MappedNode): Promise<void> {
    const isOpen = () => this.#listeners.get(node)?.includes(listener) ?? false;
    do {
      try {
        const client = await listener.accept();
        if (isOpen()) this.#serve(client, node);
        else close(client);
      } catch (error) {
        if (!isOpen()) return;
        this.#accepting.fail(error);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    } while (isOpen());
  }

  #serve(client: Connection, node: MappedNode): void {
    if (this.#sessions.size >= this.#config.maxConnections) {
      turnAway(client);
      return;
    }
    const session = new Session(++this.#accepted, client, node, this.#context);
    this.#sessions.set(session, session.run().finally(() => this.#sessions.delete(session)));
  }
}

async function turnAway(client: Connection): Promise<void> {
  try {
    await writeAll(client, fromLatin1(TOO_MANY_CLIENTS));
  } catch {
    // It left by itself.
  } finally {
    close(client);
  }
}
