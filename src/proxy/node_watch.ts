import type { NodeDialer } from "../cluster/node_dialer.ts";
import { ping, type PingResult } from "../cluster/ping.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { LogFields } from "../platform/log_record.ts";
import { close, isExhausted } from "../platform/net.ts";
import { HeldConnection } from "./held_connection.ts";
import { TunnelDownError } from "../tunnel/tunnel_error.ts";

/** What a monitor makes the proxy do. */
export interface NodeMonitorActions {
  /** Closes the public port of a node; resolved when it is closed in all threads. */
  closePort(node: NatEntry): Promise<void>;
  /** Opens that port again; resolved to false if another program has the port. */
  openPort(node: NatEntry): Promise<boolean>;
  /** Closes that port, and ends the node's sessions. */
  fail(node: NatEntry): Promise<void>;
  /** Requests a query of the cluster, because a node may have moved. */
  requestRefresh(): void;
}

/** The options of a monitor. */
export interface NodeMonitorOptions {
  /** Whether nodes are probed at intervals, and not only on suspicion. */
  readonly probesRegularly: boolean;
  readonly dialer: NodeDialer;
  readonly actions: NodeMonitorActions;
}

/** Whether a node can be used, and since when. */
export interface NodeState {
  /**
   * `up`: it accepts connections. `refusing`: it does not, so its public port is closed. `failed`:
   * the cluster marks it as failed and it does not answer, so its sessions were ended, too.
   */
  readonly status: "up" | "refusing" | "failed";
  /** In milliseconds of the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * Interval between two probes of a node that is up, with some jitter: probes of all nodes at once
 * would take many file descriptors. HAProxy's default is two seconds.
 */
const INTERVAL_MS = 1000;
const INTERVAL_JITTER_MS = 200;

/**
 * How long a probe over a connection that is held counts. It does not show that a host has vanished
 * without a word, so a new connection does, from time to time.
 */
const MAX_HELD_MS = 30_000;

/** Pause between two probes of a node that is down; it doubles from the first to the last value. */
const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 500;

/**
 * Timeout of a probe of a node that is down: the next probe is faster than a SYN that is resent.
 */
const RETRY_TIMEOUT_MS = 1000;

/**
 * Pause between two queries of the cluster for the address of a node that is down: a fraction of
 * the time for which it has been down, because a node that moves is found early or late, up to a
 * limit.
 */
const QUERY_PAUSE_RATIO = 0.25;
const MAX_QUERY_PAUSE_MS = 10_000;

/** The port of a node that flaps is opened at most this often. */
const MIN_OPEN_INTERVAL_MS = 1000;

/**
 * Delay between a suspicion and its probe. A process that is killed may close its clients' sockets
 * first and its listener last (Linux runs the work at the end of a task in reverse order). When
 * clients leave with QUIT their node seems to have ended; the delay merges their probes into one.
 */
const SUSPICION_DELAY_MS = 10;

/**
 * For a node that the cluster marks as failed: sessions end in 2 s, of which noticing takes 1 s.
 */
const PING_TIMEOUT_MS = 750;

/**
 * Probes one node, and has its public port closed while the node does not accept connections.
 *
 * ```
 *   up ── connection fails ─▶ refusing ── connection accepted ─▶ up
 *   up, refusing ── marked as failed, no answer to PING ─▶ failed ── answers PING ─▶ up
 * ```
 */
export class NodeWatch {
  readonly #node: NatEntry;
  readonly #options: NodeMonitorOptions;
  #state: NodeState = { status: "up", sinceMs: performance.now() };
  #openedAtMs = -Infinity;
  #isStopped = false;
  /** Resolved when the next probe is done. */
  #nextProbe = Promise.withResolvers<void>();
  #isSuspected = false;
  /** The pause before the next probe. */
  #pauseMs: number;
  /** The pause after that, while the node is down. */
  #retryMs = FIRST_RETRY_MS;
  /** When the cluster may be queried for the node again. */
  #nextQueryMs = -Infinity;
  /** Ends the pause. */
  #wake = () => {};
  /** The last connection of a probe, if the node speaks TLS, and its address. */
  #held: { readonly connection: HeldConnection; readonly address: HostPort } | undefined;
  /** Aborts connections that are being opened. */
  readonly #attempts = new Set<AbortController>();
  /** Whether the node is down because the tunnel to it is. */
  #isTunnelDown = false;
  #confirming: Promise<void> | undefined;
  /** Resolved when the port is closed, while the node is down. */
  #closed: Promise<void> = Promise.resolve();

  constructor(node: NatEntry, options: NodeMonitorOptions) {
    this.#node = node;
    this.#options = options;
    this.#pauseMs = options.probesRegularly ? 0 : Infinity;
  }

  /** The state of the node, as of the last probe. */
  get state(): NodeState {
    return this.#state;
  }

  /** Probes the node until `stop`. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      if (!this.#isSuspected) await this.#sleep(this.#pauseMs);
      if (this.#isSuspected) await this.#sleep(SUSPICION_DELAY_MS);
      const probe = this.#nextProbe;
      this.#nextProbe = Promise.withResolvers();
      this.#isSuspected = false;
      if (!this.#isStopped) await this.#probe();
      probe.resolve();
    }
    this.#nextProbe.resolve();
  }

  /** Probes the node at once; done when its port is open or closed accordingly. */
  suspect(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    if (this.#state.status !== "up") return this.#closed;
    if (!this.#isSuspected) {
      this.#isSuspected = true;
      this.#wake();
    }
    return this.#nextProbe.promise;
  }

  /** Opens the port of a node that has answered, if the port is closed. */
  async reached(): Promise<void> {
    if (this.#state.status !== "up") await this.#open(this.#state);
  }

  /** Pings a node that the cluster marks as failed; if it does not answer, its sessions end. */
  confirmFailure(): Promise<void> {
    return this.#confirming ??= this.#confirm().finally(() => this.#confirming = undefined);
  }

  /** Stops probing; the port stays as it is. */
  stop(): void {
    this.#isStopped = true;
    this.#held?.connection.close();
    for (const attempt of this.#attempts) attempt.abort(new Error("The proxy is stopping"));
    this.#wake();
  }

  async #probe(): Promise<void> {
    const before = this.#state;
    const isUp = before.status === "up";
    const { address } = this.#node;
    const { dialer: { connectTimeoutMs }, actions } = this.#options;
    const timeoutMs = isUp ? connectTimeoutMs : Math.min(connectTimeoutMs, RETRY_TIMEOUT_MS);
    // The result does not count if the state or the address has changed meanwhile.
    const isCurrent = () =>
      !this.#isStopped && this.#state === before && this.#node.address === address;
    this.#pauseMs = this.#intervalMs;
    if (!isUp) {
      this.#pauseMs = this.#retryMs;
      this.#retryMs = Math.min(LAST_RETRY_MS, 2 * this.#retryMs);
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
      const isTunnelDown = failure instanceof TunnelDownError;
      if (isUp || (this.#isTunnelDown && !isTunnelDown)) {
        this.#isTunnelDown = isTunnelDown;
        this.#log(
          "warning",
          "Node {node_addr} does not accept connections: {reason}; closing port {port} until it " +
            "does",
          { ...this.#fields, reason: failure.message },
        );
      }
      if (isUp) this.#setDown("refusing");
      this.#reportUnreachable();
      if (isUp) await (this.#closed = actions.closePort(this.#node));
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
    this.#log(
      "info",
      "Node {node_addr} accepts connections again after {down_ms} ms; port {port} is open",
      { ...this.#fields, down_ms: Math.round(performance.now() - before.sinceMs) },
    );
  }

  /** Logs at debug level while the tunnel is down, which is logged once for all nodes. */
  #log(level: "info" | "warning", message: string, fields: LogFields): void {
    log[this.#isTunnelDown ? "debug" : level](message, fields);
  }

  async #confirm(): Promise<void> {
    const { address } = this.#node;
    if (this.#state.status === "failed") return;
    const result = await this.#ping(address, PING_TIMEOUT_MS);
    if (result === "answering" || result === "untried") return;
    if (this.#isStopped || address !== this.#node.address) return;
    log.warning(
      "Node {node_addr} has failed: the cluster marks it as failed, and it does not answer; " +
        "ending its sessions, and closing port {port} until it answers",
      this.#fields,
    );
    this.#setDown("failed");
    this.#wake();
    await (this.#closed = this.#options.actions.fail(this.#node));
  }

  /** Requests a query of the cluster for the node's address, unless one was requested recently. */
  #reportUnreachable(): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextQueryMs) return;
    const pauseMs = QUERY_PAUSE_RATIO * (nowMs - this.#state.sinceMs);
    this.#nextQueryMs = nowMs + Math.min(MAX_QUERY_PAUSE_MS, pauseMs);
    this.#options.actions.requestRefresh();
  }

  #setDown(status: "refusing" | "failed"): void {
    this.#state = { status, sinceMs: performance.now() };
    this.#retryMs = FIRST_RETRY_MS;
    this.#nextQueryMs = -Infinity;
    this.#pauseMs = 0;
  }

  get #intervalMs(): number {
    if (!this.#options.probesRegularly) return Infinity;
    return INTERVAL_MS + (Math.random() - 0.5) * INTERVAL_JITTER_MS;
  }

  get #fields() {
    const { id, address, listenPort } = this.#node;
    return { node_id: id, node_addr: formatHostPort(address), port: listenPort };
  }

  /**
   * Opens a connection and closes it, unless one is held; returns why that fails, or undefined.
   */
  async #connect(address: HostPort, timeoutMs: number): Promise<Error | undefined> {
    if (this.#isHeld(address)) return undefined;
    using attempt = this.#attempt();
    const { dialer } = this.#options;
    try {
      const connection = await dialer.probe(address, attempt.controller, timeoutMs);
      this.#held?.connection.close();
      if (this.#isStopped || !dialer.speaksTls) close(connection);
      else {
        const held = new HeldConnection(connection, (ended) => {
          // A node that ends each connection is probed at intervals only.
          if (ended.ageMs >= INTERVAL_MS) this.suspect();
        });
        this.#held = { connection: held, address };
      }
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #isHeld(address: HostPort): boolean {
    const held = this.#held;
    return held !== undefined && held.address === address && held.connection.isOpen &&
      held.connection.ageMs < MAX_HELD_MS;
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

  /** Sleeps until `#wake` is called, or for `durationMs` at most. */
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
