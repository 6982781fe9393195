import { formatHostPort, type HostPort } from "../platform/address.ts";
import type { NodeDialer } from "../cluster/node_dialer.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import { log } from "../platform/log.ts";
import { close, isExhausted } from "../platform/net.ts";
import { ping, type PingResult } from "../cluster/ping.ts";

/** Whether a node can be used, and since when. */
export interface NodeState {
  /**
   * `up`: it takes connections. `refusing`: it takes none, so its public port is closed.
   * `failed`: the cluster says `fail` and it does not answer, so its sessions were ended, too.
   */
  readonly status: "up" | "refusing" | "failed";
  /** In milliseconds of the machine's monotonic clock. */
  readonly sinceMs: number;
}

/** What a monitor has done by others. */
export interface NodeMonitorActions {
  /** Closes the public port of a node; resolved when it is closed in all threads. */
  closePort(node: NatEntry): Promise<void>;
  /** Opens that port again; resolved to false if it cannot be had now. */
  openPort(node: NatEntry): Promise<boolean>;
  /** Closes that port, and ends the node's sessions. */
  fail(node: NatEntry): Promise<void>;
  /** A node takes no connection, so that what is known of the cluster may be old. */
  unreachable(): void;
}

/** How a monitor probes. */
export interface NodeMonitorOptions {
  /** Whether to probe nodes from time to time, and not only those that somebody suspects. */
  readonly probesRegularly: boolean;
  readonly dialer: NodeDialer;
  readonly actions: NodeMonitorActions;
}

/**
 * Between two probes of a node that is up, more or less: the probes of all nodes at once would take
 * many file descriptors. HAProxy's default is half as often.
 */
const INTERVAL_MS = 1000;
const INTERVAL_SPREAD_MS = 200;

/** Between two probes of a node that is not up: so soon at first, then twice as long each time. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** For a probe of a node that is not up: the next one finds it sooner than this one's retries. */
const RETRY_TIMEOUT_MS = 1000;

/**
 * Between two queries of the cluster for where a node is that is not up: a part of the time for
 * which it has not been, as one that moves is found soon or late, and no longer than that.
 */
const QUERY_PAUSE_RATIO = 0.25;
const LONGEST_QUERY_PAUSE_MS = 10_000;

/** A node that comes and goes does not have its port opened more often than that. */
const MIN_OPEN_INTERVAL_MS = 1000;

/**
 * From a suspicion to the probe. A process that is killed may close its clients' sockets first and
 * its listener last (Linux runs what is to be done at the end of a task in reverse order). Clients
 * that leave by QUIT look as if their node had ended; together they cause no more probes than that.
 */
const SUSPICION_DELAY_MS = 10;

/** For a node that the cluster calls failed: with the time to notice that, less than 2 s. */
const ANSWER_TIMEOUT_MS = 750;

/**
 * Knows which nodes take connections, and keeps the public ports of the others closed, so that
 * clients are refused there as they would be by the node itself.
 *
 * It probes each node once a second, and when a session suspects its node, with a TCP connection. It
 * closes that at once, because the node counts it as a client. The owner of the topology has the
 * only monitor; the other threads follow it.
 */
export class NodeMonitor {
  readonly #options: NodeMonitorOptions;
  readonly #watches = new Map<NatEntry, NodeWatch>();
  #isStopped = false;

  constructor(options: NodeMonitorOptions) {
    this.#options = options;
  }

  /** Begins to monitor a node whose public port is open. */
  watch(node: NatEntry): void {
    if (this.#isStopped) return;
    const watch = new NodeWatch(node, this.#options);
    this.#watches.set(node, watch);
    watch.run();
  }

  /** Monitors a node no more. */
  forget(node: NatEntry): void {
    this.#watches.get(node)?.stop();
    this.#watches.delete(node);
  }

  /** The state of a node; undefined for one that is not monitored. */
  stateOf(node: NatEntry): NodeState | undefined {
    return this.#watches.get(node)?.state;
  }

  /** Whether a node takes connections, as far as is known. */
  isUp(node: NatEntry): boolean {
    return (this.stateOf(node)?.status ?? "up") === "up";
  }

  /** Probes a node, and is done when its port is as the result of that wants it. */
  async suspect(node: NatEntry): Promise<void> {
    await this.#watches.get(node)?.suspect();
  }

  /** A node has just answered, at an address that may be new: its port is opened if it is closed. */
  reached(node: NatEntry): void {
    this.#watches.get(node)?.reached();
  }

  /** The cluster says `fail` of a node: if it does not answer either, its sessions end. */
  async confirmFailure(node: NatEntry): Promise<void> {
    await this.#watches.get(node)?.confirmFailure();
  }

  /** Probes no more; ports stay as they are. */
  stop(): void {
    this.#isStopped = true;
    for (const node of [...this.#watches.keys()]) this.forget(node);
  }
}

/** Monitors one node. */
class NodeWatch {
  readonly #node: NatEntry;
  readonly #options: NodeMonitorOptions;
  #state: NodeState = { status: "up", sinceMs: performance.now() };
  #openedAtMs = -Infinity;
  #isStopped = false;
  /** Resolved when the next check is done. */
  #next = Promise.withResolvers<void>();
  #isSuspected = false;
  /** Until the next check. */
  #pauseMs: number;
  /** The next such pause, while the node is not up. */
  #retryMs = FIRST_PAUSE_MS;
  /** When the cluster may be asked for it again. */
  #nextQueryMs = -Infinity;
  /** Ends a pause. */
  #wake = () => {};
  /** Aborts what is being dialled. */
  readonly #attempts = new Set<AbortController>();
  #confirming: Promise<void> | undefined;
  /** Resolved when the port is closed, while the node is not up. */
  #closed: Promise<void> = Promise.resolve();

  constructor(node: NatEntry, options: NodeMonitorOptions) {
    this.#node = node;
    this.#options = options;
    this.#pauseMs = options.probesRegularly ? 0 : Infinity;
  }

  get state(): NodeState {
    return this.#state;
  }

  get #intervalMs(): number {
    if (!this.#options.probesRegularly) return Infinity;
    return INTERVAL_MS + (Math.random() - 0.5) * INTERVAL_SPREAD_MS;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      if (!this.#isSuspected) await this.#sleep(this.#pauseMs);
      if (this.#isSuspected) await this.#sleep(SUSPICION_DELAY_MS);
      const check = this.#next;
      this.#next = Promise.withResolvers();
      this.#isSuspected = false;
      if (!this.#isStopped) await this.#check();
      check.resolve();
    }
    this.#next.resolve();
  }

  suspect(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    if (this.#state.status !== "up") return this.#closed;
    if (!this.#isSuspected) {
      this.#isSuspected = true;
      this.#wake();
    }
    return this.#next.promise;
  }

  async reached(): Promise<void> {
    if (this.#state.status !== "up") await this.#open(this.#state);
  }

  confirmFailure(): Promise<void> {
    return this.#confirming ??= this.#confirm().finally(() => this.#confirming = undefined);
  }

  stop(): void {
    this.#isStopped = true;
    for (const attempt of this.#attempts) attempt.abort(new Error("The proxy is stopping"));
    this.#wake();
  }

  async #check(): Promise<void> {
    const before = this.#state;
    const isUp = before.status === "up";
    const { address } = this.#node;
    const { dialer: { connectTimeoutMs }, actions } = this.#options;
    const timeoutMs = isUp ? connectTimeoutMs : Math.min(connectTimeoutMs, RETRY_TIMEOUT_MS);
    // What was found may be of another time or place by then.
    const isCurrent = () =>
      !this.#isStopped && this.#state === before && this.#node.address === address;
    this.#pauseMs = this.#intervalMs;
    if (!isUp) {
      this.#pauseMs = this.#retryMs;
      this.#retryMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#retryMs);
    }
    if (before.status === "failed") {
      const result = await this.#ping(address, timeoutMs);
      if (!isCurrent()) return;
      if (result === "answering") await this.#open(before);
      else this.#reportUnreachable();
      return;
    }
    const failure = await this.#connect(address, timeoutMs);
    if (!isCurrent()) return;
    if (failure === undefined) {
      if (!isUp) await this.#open(before);
    } else if (!isExhausted(failure)) {
      if (!isUp) return this.#reportUnreachable();
      log.warning("Node {node} takes no connection: {reason}; closing port {port} until it does", {
        node: formatHostPort(address),
        reason: failure.message,
        port: this.#node.publicPort,
      });
      this.#set("refusing");
      this.#reportUnreachable();
      await (this.#closed = actions.closePort(this.#node));
    }
  }

  async #open(before: NodeState): Promise<void> {
    const leftMs = this.#openedAtMs + MIN_OPEN_INTERVAL_MS - performance.now();
    if (leftMs > 0) {
      this.#pauseMs = leftMs;
      return;
    }
    this.#state = { status: "up", sinceMs: performance.now() };
    if (!await this.#options.actions.openPort(this.#node)) {
      this.#state = before;
      return;
    }
    this.#openedAtMs = performance.now();
    this.#pauseMs = this.#intervalMs;
    log.info("Node {node} takes connections again after {downMs} ms; port {port} is open", {
      node: formatHostPort(this.#node.address),
      downMs: Math.round(performance.now() - before.sinceMs),
      port: this.#node.publicPort,
    });
  }

  async #confirm(): Promise<void> {
    const { address } = this.#node;
    if (this.#state.status === "failed") return;
    const result = await this.#ping(address, ANSWER_TIMEOUT_MS);
    if (result === "answering" || result === "untried") return;
    if (this.#isStopped || address !== this.#node.address) return;
    log.warning(
      "Node {node} has failed: the cluster says so, and it does not answer; closing port {port} " +
        "until it does, and ending its sessions",
      { node: formatHostPort(address), port: this.#node.publicPort },
    );
    this.#set("failed");
    this.#wake();
    await (this.#closed = this.#options.actions.fail(this.#node));
  }

  /** Has the cluster asked where the node is, unless it was just now. */
  #reportUnreachable(): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextQueryMs) return;
    const pauseMs = QUERY_PAUSE_RATIO * (nowMs - this.#state.sinceMs);
    this.#nextQueryMs = nowMs + Math.min(LONGEST_QUERY_PAUSE_MS, pauseMs);
    this.#options.actions.unreachable();
  }

  #set(status: "refusing" | "failed"): void {
    this.#state = { status, sinceMs: performance.now() };
    this.#retryMs = FIRST_PAUSE_MS;
    this.#nextQueryMs = -Infinity;
    this.#pauseMs = 0;
  }

  /** Why no connection can be made; undefined if one can. */
  async #connect(address: HostPort, timeoutMs: number): Promise<Error | undefined> {
    using attempt = this.#attempt();
    try {
      close(await this.#options.dialer.dial(address, attempt.controller, timeoutMs));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #ping(address: HostPort, timeoutMs: number): Promise<PingResult> {
    using attempt = this.#attempt();
    const { dialer } = this.#options;
    const connect = (limitMs: number, dialing: AbortController) =>
      dialer.dial(address, dialing, limitMs);
    return await ping(connect, timeoutMs, attempt.controller.signal);
  }

  #attempt(): Disposable & { readonly controller: AbortController } {
    const controller = new AbortController();
    this.#attempts.add(controller);
    return { controller, [Symbol.dispose]: () => this.#attempts.delete(controller) };
  }

  /** Waits for so long, or until something wakes it. */
  async #sleep(durationMs: number): Promise<void> {
    if (this.#isStopped || durationMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = durationMs === Infinity ? undefined : setTimeout(resolve, durationMs);
    await promise;
    clearTimeout(timer);
    this.#wake = () => {};
  }
}
