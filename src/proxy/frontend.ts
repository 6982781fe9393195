import { NodeDialer } from "../cluster/node_dialer.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import { close, type Connection, isExhausted, type Listener, writeAll } from "../platform/net.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import { CaptureBudget } from "../relay/capture.ts";
import { ClientRegistry } from "./client_registry.ts";
import { BufferPool } from "../relay/read_buffer.ts";
import { DnsCache } from "../platform/dns_cache.ts";
import { Session, type SessionContext } from "./session.ts";
import type { AddressSources } from "../rewrite/address_mapper.ts";
import { ReadScheduler } from "./read_scheduler.ts";
import type { Config } from "../cli/config.ts";
import { SharedCounters } from "./counters.ts";
import { withTimeout } from "../platform/timeout.ts";
import { AcceptErrors } from "./accept_errors.ts";
import { type BindMode, listenOn } from "./listener.ts";

/** Of a silence that is as long as allowed this part is not noticed, at the worst. */
const LOOKS_PER_TIMEOUT = 4;

/** A look at ten thousand sessions takes a millisecond. */
const LONGEST_LOOK_MS = 1000;

/** How often to look while sessions are drained. */
const DRAIN_LOOK_MS = 100;

/** As the servers say it (networking.c `acceptCommonHandler`). */
const TOO_MANY_CLIENTS = "-ERR max number of clients reached\r\n";

/** A client whose node is gone waits so long at most for the node's port to be closed. */
const SUSPECT_TIMEOUT_MS = 250;

/** Between two attempts to accept a client when the system has no descriptors left for one. */
const ACCEPT_PAUSE_MS = 100;

/** What a frontend knows of the cluster, and whom it tells what its clients notice. */
export interface FrontendContext
  extends Pick<AddressSources, "natTable" | "nodeResolver" | "otherClients"> {
  /** Counts the clients of all frontends. */
  readonly counters: SharedCounters;
  /** Whether the ports are this frontend's own. */
  readonly bindMode: BindMode;
  /**
   * A node takes no connection, or has ended one unasked. Resolved when the node was probed and,
   * if it takes none, its public port is closed.
   */
  suspect(node: NatEntry): Promise<void>;
}

/**
 * The side that clients see: a listener for each node, a session for each client. Which nodes
 * there are is for others to say.
 */
export class Frontend {
  /** The clients it serves. */
  readonly clients: ClientRegistry;
  readonly #config: Config;
  readonly #bindMode: BindMode;
  readonly #counters: SharedCounters;
  readonly #context: SessionContext;
  readonly #listeners = new Map<NatEntry, Listener[]>();
  /** Those that take clients, one for each listener; the port of one that is done is closed. */
  readonly #taking = new Map<Listener, Promise<void>>();
  readonly #sessions = new Set<Session>();
  /** Resolved when there is no session any more, once somebody waits for that. */
  #emptied: PromiseWithResolvers<void> | undefined;
  readonly #accepting: AcceptErrors;
  #timekeeper: ReturnType<typeof setInterval> | undefined;

  constructor(config: Config, frontendContext: FrontendContext) {
    const { natTable, nodeResolver, otherClients, counters, bindMode } = frontendContext;
    this.#config = config;
    this.#bindMode = bindMode;
    this.#counters = counters;
    this.#accepting = new AcceptErrors(counters);
    this.clients = new ClientRegistry(counters.clients);
    const resolver = new DnsCache();
    this.#context = {
      addressSources: {
        publicHost: config.publicHost,
        natTable,
        nodeResolver,
        clients: this.clients,
        otherClients,
        resolver,
      },
      buffers: new BufferPool(config.readBufferBytes),
      scheduler: new ReadScheduler(),
      dialer: new NodeDialer(config, natTable, (host) => resolver.resolve(host)),
      keepAlive: config.keepAlive,
      idleTimeoutMs: config.idleTimeoutMs,
      captureTimeoutMs: config.captureTimeoutMs,
      budget: new CaptureBudget(config.captureLimitBytes, counters.captured),
      echo: config.echo,
      throttle: new LogThrottle(),
      onConnected: () => this.#accepting.succeed(),
      onConnectFailed: async (node, reason) => {
        if (isExhausted(reason)) this.#accepting.fail(reason);
        else await withTimeout(frontendContext.suspect(node), SUSPECT_TIMEOUT_MS);
      },
      onClosed: (session) => {
        this.#counters.sessions.add(-1);
        this.#sessions.delete(session);
        if (this.#sessions.size === 0) this.#emptied?.resolve();
      },
    };
  }

  /**
   * Listens for a node and returns the port, which differs from the given one only if that is 0.
   *
   * @param held whether another thread of this program may have the port, so that nobody else has
   * @throws {ListenError} when it cannot
   */
  open(node: NatEntry, port: number, held = false): number {
    const bindMode = held ? "further" : this.#bindMode;
    const opened = listenOn({ host: this.#config.listen.host, port }, bindMode);
    for (const listener of opened) {
      const taking = this.#accept(listener, node).finally(() => this.#taking.delete(listener));
      this.#taking.set(listener, taking);
    }
    this.#listeners.set(node, opened);
    return opened[0]!.addr.port;
  }

  /** How many sockets take clients: a node may have several. */
  get listenerCount(): number {
    return [...this.#listeners.values()].flat().length;
  }

  /** Whether it listens for a node. */
  isOpen(node: NatEntry): boolean {
    return this.#listeners.has(node);
  }

  /** Listens no more for a node, and ends what goes on with it. */
  close(node: NatEntry): void {
    this.closePort(node);
    this.endSessions(node);
  }

  /**
   * Listens no more for a node, and is done when the kernel refuses connections to its port; it
   * resets those that wait to be accepted.
   */
  async closePort(node: NatEntry): Promise<void> {
    const listeners = this.#listeners.get(node) ?? [];
    this.#listeners.delete(node);
    listeners.forEach(close);
    // A socket is open as long as an accept is under way.
    await Promise.all(listeners.map((listener) => this.#taking.get(listener)));
  }

  /** Ends what goes on with a node. */
  endSessions(node: NatEntry): void {
    for (const session of this.#sessions) if (session.node === node) session.end();
  }

  /** Looks at the sessions often enough to end those in time that take too long for something. */
  checkTimeouts(): void {
    const shortestMs = Math.min(this.#config.idleTimeoutMs, this.#config.captureTimeoutMs);
    this.#lookEvery(Math.min(LONGEST_LOOK_MS, Math.ceil(shortestMs / LOOKS_PER_TIMEOUT)));
  }

  /** Takes no more clients. */
  stopListening(): void {
    for (const listeners of this.#listeners.values()) listeners.forEach(close);
    this.#listeners.clear();
  }

  /** Lets sessions end in order, but waits for the last of them no longer than that. */
  async drain(graceMs: number): Promise<void> {
    if (graceMs === 0 || this.#sessions.size === 0) return;
    for (const session of this.#sessions) session.drain();
    this.#lookEvery(DRAIN_LOOK_MS);
    await withTimeout(this.#empty(), graceMs);
  }

  /** Ends all sessions, and is done when they are. */
  async end(): Promise<void> {
    clearInterval(this.#timekeeper);
    for (const session of this.#sessions) session.end();
    await Promise.all([this.#empty(), ...this.#taking.values()]);
  }

  /** Waits until all sessions are over. */
  async #empty(): Promise<void> {
    if (this.#sessions.size > 0) await (this.#emptied ??= Promise.withResolvers()).promise;
  }

  #lookEvery(intervalMs: number): void {
    clearInterval(this.#timekeeper);
    this.#timekeeper = setInterval(() => {
      const nowMs = performance.now();
      for (const session of this.#sessions) session.checkTimes(nowMs);
    }, intervalMs);
  }

  /** Takes the clients of one listener until it is closed. */
  async #accept(listener: Listener, node: NatEntry): Promise<void> {
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

  #serve(client: Connection, node: NatEntry): void {
    const { sessions } = this.#counters;
    if (!sessions.addWithin(1, this.#config.maxConnections)) {
      turnAway(client);
      return;
    }
    const session = new Session(this.#counters.accept(), client, node, this.#context);
    this.#sessions.add(session);
    session.start();
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
