// workers/ serves clients in several threads. It may import proxy/ and all layers below it; only
// cli/ imports it, and only if there are several threads.
//
// Start with `WorkerPool`, which runs in the main thread; `WorkerServer` is its counterpart in each
// worker, and messages.ts lists what they send each other. Workers do not query the cluster: the
// main thread sends them snapshots of the NAT table.

import type { NodeRef } from "../cluster/node_ref.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import { log, logForwarded } from "../platform/log.ts";
import { withTimeout } from "../platform/timeout.ts";
import { ClientRegistry } from "../proxy/client_registry.ts";
import { SharedCounters } from "../proxy/counters.ts";
import { Frontend } from "../proxy/frontend.ts";
import type { FrontendContext, FrontendOptions, TlsSides } from "../proxy/frontend_options.ts";
import type {
  Frontends,
  FrontendsContext,
  NodeEndReason,
  ThreadReport,
} from "../proxy/frontends.ts";
import { ListenError } from "../proxy/listener.ts";
import type { TlsMaterial } from "../tls/thread_tls.ts";
import type { Handlers } from "./channel.ts";
import { AllClients } from "./all_clients.ts";
import type { WorkerMessages } from "./messages.ts";
import { SnapshotSource } from "./snapshot_source.ts";
import { TableReplica } from "./table_replica.ts";
import type { WorkerThread } from "./worker_thread.ts";
import { END_TIMEOUT_MS, WorkerThreads } from "./worker_threads.ts";

/** The options of a pool. */
export interface WorkerPoolOptions {
  /** The number of threads, the main thread included. */
  readonly threads: number;
  readonly frontend: FrontendOptions;
  /** TLS of the main thread, and what workers need for theirs. */
  readonly tls?: { readonly sides: TlsSides; readonly material: TlsMaterial } | undefined;
}

/**
 * Frontends in several threads: one in the main thread, which owns the NAT table, and one in each
 * worker. All listen on the same ports, and the kernel distributes connections over them by hash.
 *
 * ```
 *   main ── update ──▶ worker   listens for new nodes, ends sessions of nodes that have moved
 *        ◀─ reply ────
 *        ── publish ─▶          when all have replied; from now on replies name the new nodes
 *
 *   worker ── resolve ─▶ main   a reply names an unknown node
 *          ◀─ port ─────        when that port is published
 * ```
 *
 * So a client that gets a port from one thread can use it in a request to any other.
 */
export class WorkerPool implements Frontends {
  /** Counts the clients of all threads. */
  readonly counters: SharedCounters;
  /** The context of the frontend in the main thread. */
  readonly frontendContext: FrontendContext;
  readonly #context: FrontendsContext;
  readonly #frontend: Frontend;
  /** The clients of the main thread. */
  readonly #registry: ClientRegistry;
  readonly #workers: WorkerThreads;
  readonly #snapshots: SnapshotSource;
  /** The nodes that replies in the main thread may name. */
  readonly #replica = new TableReplica();
  /** The last snapshot as JSON. */
  #sent = "";
  /** Resolved when the last snapshot is published. */
  #published: Promise<void> = Promise.resolve();
  /** Nodes that were closed, and for which workers may still listen. */
  readonly #closing = new Set<NatEntry>();
  /** Why workers do not listen for all nodes of the last snapshot. */
  #listenFailures: readonly string[] = [];
  /** Whether to log ports that workers cannot open: only between `ready` and `stopListening`. */
  #isServing = false;

  /** @throws {OperatorError} when a worker cannot be started; then none is left */
  constructor({ threads, frontend, tls }: WorkerPoolOptions, context: FrontendsContext) {
    this.#context = context;
    this.#snapshots = new SnapshotSource(
      context.natTable,
      context.views[0],
      (node) => context.isUp(node),
    );
    const shared = SharedCounters.forThreads();
    const counters = new SharedCounters(shared);
    this.counters = counters;
    this.#registry = new ClientRegistry(counters.clientsAtPort);
    this.#workers = new WorkerThreads(
      { threads, frontend, tls: tls?.material, shared },
      (thread) => this.#handlersFor(thread),
    );
    this.frontendContext = this.#createFrontendContext(tls?.sides);
    this.#frontend = new Frontend(frontend, this.frontendContext, {
      registry: this.#registry,
      clients: new AllClients(this.#registry, this.#workers.clients(this.#snapshots)),
      counters,
      bindMode: "shared-first",
    });
  }

  /**
   * Rejected with an OperatorError when a worker ends unexpectedly or hangs, else never settled.
   */
  get failure(): Promise<never> {
    return this.#workers.failure;
  }

  /**
   * Listens for a node in the main thread, and in the others with the next `update`; see
   * `Frontends`.
   */
  open(node: NatEntry, port: number): number {
    // A worker may still listen on a port that was closed, so it is not exclusive.
    const isClosing = [...this.#closing].some(({ listenPort }) => listenPort === port);
    return this.#frontend.open(node, port, isClosing ? "shared" : "shared-first");
  }

  /** Closes the port of a node in all threads. */
  async closePort(node: NatEntry): Promise<void> {
    await Promise.all([this.#frontend.closePort(node), this.update()]);
  }

  /** Closes the port of a node, and its sessions; workers follow with the next `update`. */
  close(node: NatEntry): void {
    this.#frontend.close(node);
  }

  /** Ends the sessions with a node; workers follow with the next `update`. */
  endSessions(node: NatEntry, reason: NodeEndReason): void {
    this.#frontend.endSessions(node, reason);
    this.#snapshots.recordMove(node);
  }

  /** Sends the NAT table to the workers if it has changed; done when it is published. */
  update(): Promise<void> {
    const snapshot = this.#snapshots.take();
    const text = JSON.stringify(snapshot);
    if (text === this.#sent) return this.#published;
    this.#sent = text;
    const closed = this.#replica.update(snapshot)
      .filter(({ kind }) => kind === "close").map(({ node }) => node);
    for (const node of closed) this.#closing.add(node);
    this.#published = this.#workers.request("update", snapshot).then((replies) => {
      for (const node of closed) this.#closing.delete(node);
      // A newer snapshot will be published, too.
      if (this.#sent !== text) return;
      this.#recordListenFailures(replies.flat());
      // Other threads serve a port that a worker cannot open, so replies may name its node.
      this.#replica.publish();
      this.#workers.notify("publish", undefined);
    });
    return this.#published;
  }

  /**
   * Waits until all threads listen for all nodes. From then on ports that workers cannot open are
   * logged, and tried again with each `update`.
   *
   * @throws {ListenError} when a worker cannot open a port
   */
  async ready(): Promise<void> {
    // The table may change while workers reply.
    for (let last; last !== this.#published;) await (last = this.#published);
    const [reason] = this.#listenFailures;
    if (reason !== undefined) throw new ListenError(reason);
    this.#isServing = true;
  }

  /** The reports of all threads; of a worker that does not answer soon, its last one. */
  async report(): Promise<ThreadReport[]> {
    const reports = await Promise.all([this.#frontend.report(), this.#workers.report()]);
    return reports.flat();
  }

  /** Has the workers use other certificates for new connections. */
  updateTls(material: TlsMaterial): void {
    this.#workers.notify("updateTls", material);
  }

  /** Accepts no more clients in any thread. */
  stopListening(): void {
    this.#isServing = false;
    this.#frontend.stopListening();
    this.#workers.notify("stopListening", undefined);
  }

  /** Lets the sessions of all threads finish the replies in progress, for up to `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    const workers = withTimeout(
      this.#workers.request("drain", { graceMs }),
      graceMs + END_TIMEOUT_MS,
    );
    await Promise.all([this.#frontend.drain(graceMs), workers]);
  }

  /** Ends all sessions, and the workers. */
  async end(): Promise<void> {
    // At the same time: sessions of the main thread may wait for a worker that hangs.
    await Promise.all([this.#frontend.end(), this.#workers.end()]);
  }

  #createFrontendContext(tls: TlsSides | undefined): FrontendContext {
    const { natTable, views } = this.#context;
    return {
      views,
      natTable: {
        portOf: (ref) => this.#replica.portOf(ref),
        atPort: (port) => natTable.atPort(port),
        isPrivate: (address) => natTable.isPrivate(address),
        get hasHostnames() {
          return natTable.hasHostnames;
        },
      },
      nodeResolver: { resolve: (ref, from, sinceMs) => this.#resolve(ref, from, sinceMs) },
      readPublicPorts: () => this.#context.readPublicPorts(),
      suspect: (node) => this.#context.suspect(node),
      tls,
    };
  }

  /** Handles the messages of a worker. */
  #handlersFor(thread: WorkerThread): Handlers<WorkerMessages> {
    const snapshots = this.#snapshots;
    return {
      // A session whose node was removed ends before it gets the reply.
      resolve: ({ ref, from, agoMs }) => {
        const node = snapshots.withKey(from);
        return node === undefined ? 0 : this.#resolve(ref, node, performance.now() - agoMs);
      },
      fetchClients: async ({ key, upstreams }) => {
        const node = snapshots.withKey(key);
        if (node === undefined) return new Map();
        const found = await this.#workers.clients(snapshots, thread).fetchClients(node, upstreams);
        return new Map([...this.#registry.among(node, upstreams), ...found]);
      },
      upstreamOf: ({ key, client }) => {
        const node = snapshots.withKey(key);
        return node &&
          (this.#registry.upstreamOf(node, client) ??
            this.#workers.clients(snapshots, thread).upstreamOf(node, client));
      },
      readPublicPorts: async () => {
        await this.#context.readPublicPorts();
        await this.#published;
      },
      suspect: async ({ key }) => {
        const node = snapshots.withKey(key);
        if (node !== undefined) await this.#context.suspect(node);
      },
      log: logForwarded,
    };
  }

  /** Resolves the `listenPort` of a node, and waits until all threads listen on it. */
  async #resolve(ref: NodeRef, from: NatEntry, sinceMs: number): Promise<number | undefined> {
    const port = await this.#context.nodeResolver.resolve(ref, from, sinceMs);
    await this.#published;
    return port;
  }

  #recordListenFailures(failures: readonly string[]): void {
    // No snapshot is empty text, so the next `update` sends the table again.
    if (failures.length > 0) this.#sent = "";
    const [before] = this.#listenFailures;
    const [reason] = failures;
    this.#listenFailures = failures;
    if (!this.#isServing || (before === undefined) === (reason === undefined)) return;
    if (reason === undefined) log.info("All threads listen on all ports again");
    else {
      log.warning("A thread cannot listen on a port that other threads serve; retrying: {reason}", {
        reason,
      });
    }
  }
}
