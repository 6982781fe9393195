import { NodeDialer } from "../cluster/node_dialer.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import type { PublicView, PublicViews } from "../nat/public_view.ts";
import { DnsCache } from "../platform/dns_cache.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { accept, close, isExhausted, type Listener, type TcpConnection } from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";
import { CaptureBudget } from "../relay/capture.ts";
import { BufferPool } from "../relay/read_buffer.ts";
import { AcceptErrors } from "./accept_errors.ts";
import { AccessLog } from "./access_log.ts";
import { Admission } from "./admission.ts";
import { Balancers } from "./balancers.ts";
import { ClientLogin } from "./client_login.ts";
import { ClientRegistry } from "./client_registry.ts";
import { SharedCounters } from "./counters.ts";
import type { FrontendContext, FrontendOptions, FrontendSharing } from "./frontend_options.ts";
import type { FrontendReport, Frontends, NodeEndReason, ThreadReport } from "./frontends.ts";
import type { BindMode } from "./listener.ts";
import { FairReadScheduler } from "./read_scheduler.ts";
import { Session } from "./session.ts";
import type {
  ServedSession,
  SessionContext,
  SessionOrigin,
  SessionTraffic,
} from "./session_context.ts";
import { type PortStatistics, Statistics } from "./statistics.ts";
import { countingAcceptor, countingConnector } from "./handshake_counts.ts";
import { listenInAll, type ViewListener } from "./view_listeners.ts";

/** Sessions are checked this often per timeout: a timeout is late by a quarter at the most. */
const CHECKS_PER_TIMEOUT = 4;

/** Checking ten thousand sessions takes a millisecond. */
const MAX_CHECK_INTERVAL_MS = 1000;

/** How often sessions are checked while they drain. */
const DRAIN_CHECK_INTERVAL_MS = 100;

/** How long a client whose node is gone waits for the node's public port to be closed. */
const SUSPECT_TIMEOUT_MS = 250;

/** Pause between two attempts to accept when the process has no file descriptors left. */
const ACCEPT_PAUSE_MS = 100;

/**
 * Serves clients in one thread: a listener for each node and view, a session for each client. It
 * owns the listeners and the sessions. Others decide which nodes it listens for.
 *
 * ```
 *   listener ── accept ─▶ Admission ─▶ Session ── onClosed ─▶ forgotten
 * ```
 */
export class Frontend implements Frontends {
  /** Counts the clients of all frontends. */
  readonly counters: SharedCounters;
  /** Never settled: the thread of a frontend ends with the program. */
  readonly failure = new Promise<never>(() => {});
  readonly #options: FrontendOptions;
  readonly #bindMode: BindMode;
  readonly #views: PublicViews;
  /** What the sessions of each view share. */
  readonly #contexts: ReadonlyMap<PublicView, SessionContext>;
  readonly #listeners = new Map<NatEntry, readonly ViewListener[]>();
  /** The accept loop of each listener; when it has ended, the port is closed. */
  readonly #accepting = new Map<Listener, Promise<void>>();
  readonly #sessions = new Set<ServedSession>();
  readonly #statistics = new Statistics();
  readonly #accessLog: AccessLog | undefined;
  /** Resolved when the last session has ended; undefined until `#empty` waits for that. */
  #emptied: PromiseWithResolvers<void> | undefined;
  readonly #acceptErrors: AcceptErrors;
  readonly #throttle = new LogThrottle();
  readonly #balancers: Balancers | undefined;
  readonly #admission: Admission;
  #checkTimer: ReturnType<typeof setInterval> | undefined;

  /** @param sharing what it shares with other threads, if there are several */
  constructor(
    options: FrontendOptions,
    context: FrontendContext,
    sharing: FrontendSharing = shareNothing(),
  ) {
    this.#options = options;
    this.#bindMode = sharing.bindMode;
    this.counters = sharing.counters;
    this.#acceptErrors = new AcceptErrors(sharing.counters);
    if (options.accessLog) this.#accessLog = new AccessLog();
    this.#balancers = options.balancers && new Balancers(options.balancers, this.#throttle);
    const { maxConnections } = options;
    const rules = { balancers: this.#balancers, maxConnections };
    this.#admission = new Admission(rules, sharing.counters, this.#statistics);
    this.#views = context.views;
    this.#contexts = this.#createSessionContexts(context, sharing);
  }

  #createSessionContexts(
    { natTable, nodeResolver, readPublicPorts, views, suspect, tls }: FrontendContext,
    { clients, registry, counters }: FrontendSharing,
  ): ReadonlyMap<PublicView, SessionContext> {
    const options = this.#options;
    const { keepAlive, idleTimeoutMs, captureTimeoutMs, echo } = options;
    const resolver = new DnsCache();
    const statistics = this.#statistics;
    const shared = {
      registry,
      buffers: new BufferPool(options.readBufferBytes),
      scheduler: new FairReadScheduler(),
      dialer: new NodeDialer(
        { ...options, views, tlsConnector: countingConnector(tls?.connector, statistics) },
        natTable,
        (host) => resolver.resolve(host),
      ),
      balancers: this.#balancers,
      login: options.login && new ClientLogin(options.login),
      keepAlive,
      idleTimeoutMs,
      captureTimeoutMs,
      budget: new CaptureBudget(options.captureLimitBytes, counters.captured),
      echo,
      throttle: this.#throttle,
      statistics,
      onConnected: () => this.#acceptErrors.succeed(),
      onConnectFailed: async (node: NatEntry, reason: unknown) => {
        if (isExhausted(reason)) this.#acceptErrors.fail(reason);
        else await withTimeout(suspect(node), SUSPECT_TIMEOUT_MS);
      },
      onClosed: (session: ServedSession) => {
        this.#admission.release();
        statistics.ended[session.endReason]++;
        session.port.clients--;
        addTraffic(session.port, session.traffic);
        this.#accessLog?.ended(session);
        this.#sessions.delete(session);
        if (this.#sessions.size === 0) this.#emptied?.resolve();
      },
    };
    return new Map(views.map((view) => [view, {
      ...shared,
      addressSources: { view, natTable, nodeResolver, readPublicPorts, clients, resolver },
      tlsAcceptor: countingAcceptor(tls?.acceptors.get(view.name), statistics),
      viewName: views.length === 1 ? undefined : view.name,
    }]));
  }

  /**
   * Listens for a node in all views and returns the port of the first one, which differs from
   * `port` only if that is 0.
   *
   * @throws {ListenError} when it cannot; then it listens in none
   */
  open(node: NatEntry, port: number, bindMode = this.#bindMode): number {
    const opened = listenInAll(this.#views, port, bindMode);
    if (this.#checkTimer === undefined) this.#checkSessions(this.#checkIntervalMs);
    for (const one of opened) {
      const accepting = this.#accept(one, node).finally(() => this.#accepting.delete(one.listener));
      this.#accepting.set(one.listener, accepting);
    }
    this.#listeners.set(node, opened);
    return opened[0].listener.addr.port;
  }

  /** Whether it listens for a node. */
  isOpen(node: NatEntry): boolean {
    return this.#listeners.has(node);
  }

  /** Closes the port of a node, and its sessions. */
  close(node: NatEntry): void {
    this.closePort(node);
    this.endSessions(node, "node_removed");
  }

  /**
   * Closes the port of a node; done when the kernel refuses connections to it. The kernel resets
   * connections that wait to be accepted.
   */
  async closePort(node: NatEntry): Promise<void> {
    const listeners = this.#listeners.get(node) ?? [];
    this.#listeners.delete(node);
    for (const { listener } of listeners) close(listener);
    // A socket stays open while an accept is in progress.
    await Promise.all(listeners.map(({ listener }) => this.#accepting.get(listener)));
  }

  /** Ends the sessions with a node. */
  endSessions(node: NatEntry, reason: NodeEndReason): void {
    for (const session of this.#sessions) if (session.node === node) session.end(reason);
  }

  /** What this frontend has counted, and which problems it has. */
  get ownReport(): FrontendReport {
    const statistics = new Statistics();
    statistics.add(this.#statistics);
    for (const { port, traffic } of this.#sessions) addTraffic(statistics.at(port), traffic);
    return { statistics, problems: this.#throttle.problems };
  }

  /** See `Frontends`; its thread is the only one, or the main thread. */
  async report(): Promise<ThreadReport[]> {
    const askedAtMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 0));
    // A timer takes a millisecond at least.
    const lagMs = Math.max(0, performance.now() - askedAtMs - 1);
    return [{ thread: 1, lagMs, ...this.ownReport }];
  }

  /** Does nothing: a single frontend uses the NAT table directly. */
  async update(): Promise<void> {}

  /** Does nothing: a single frontend listens when `open` returns. */
  async ready(): Promise<void> {}

  /** Accepts no more clients. */
  stopListening(): void {
    for (const { listener } of [...this.#listeners.values()].flat()) close(listener);
    this.#listeners.clear();
  }

  /** Lets sessions finish the replies in progress, for up to `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    if (graceMs === 0 || this.#sessions.size === 0) return;
    for (const session of this.#sessions) session.drain();
    this.#checkSessions(DRAIN_CHECK_INTERVAL_MS);
    await withTimeout(this.#empty(), graceMs);
  }

  /** Ends all sessions; done when they have ended. */
  async end(): Promise<void> {
    clearInterval(this.#checkTimer);
    for (const session of this.#sessions) session.end("shutdown");
    await Promise.all([this.#empty(), ...this.#accepting.values()]);
  }

  /** Waits until all sessions have ended. */
  async #empty(): Promise<void> {
    if (this.#sessions.size > 0) await (this.#emptied ??= Promise.withResolvers()).promise;
  }

  get #checkIntervalMs(): number {
    const { idleTimeoutMs, captureTimeoutMs } = this.#options;
    const shortestMs = Math.min(idleTimeoutMs, captureTimeoutMs);
    return Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(shortestMs / CHECKS_PER_TIMEOUT));
  }

  #checkSessions(intervalMs: number): void {
    clearInterval(this.#checkTimer);
    this.#checkTimer = setInterval(() => {
      const nowMs = performance.now();
      for (const session of this.#sessions) session.checkTimeouts(nowMs);
    }, intervalMs);
  }

  /** Accepts the clients of one listener until it is closed. */
  async #accept(opened: ViewListener, node: NatEntry): Promise<void> {
    const { view, listener } = opened;
    const isOpen = () => this.#listeners.get(node)?.includes(opened) ?? false;
    const port = this.#statistics.at({ view: view.name, port: listener.addr.port });
    const context = this.#contexts.get(view)!;
    do {
      try {
        const client = await accept(listener);
        if (isOpen()) this.#serve(client, { node, port }, context);
        else close(client);
      } catch (error) {
        if (!isOpen()) return;
        this.#acceptErrors.fail(error);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    } while (isOpen());
  }

  /** Starts a session for a client that is admitted. */
  #serve(
    client: TcpConnection,
    origin: Omit<SessionOrigin, "clientId">,
    context: SessionContext,
  ): void {
    if (!this.#admission.admit(client, context.tlsAcceptor !== undefined)) return;
    const clientId = this.counters.nextClientId();
    const session = new Session(client, { ...origin, clientId }, context);
    origin.port.accepted++;
    origin.port.clients++;
    this.#accessLog?.accepted(session);
    this.#sessions.add(session);
    session.start();
  }
}

/** For the only frontend of a program. */
function shareNothing(): FrontendSharing {
  const registry = new ClientRegistry();
  const counters = new SharedCounters();
  return { registry, clients: registry, counters, bindMode: "exclusive" };
}

function addTraffic(port: PortStatistics, traffic: SessionTraffic): void {
  port.requests += traffic.requests;
  port.receivedFromClients += traffic.receivedFromClient;
  port.receivedFromNode += traffic.receivedFromNode;
}
