import type { NatEntry } from "../nat/nat_table.ts";
import { createViews, type PublicView } from "../nat/public_view.ts";
import { configureLog, forwardLog, setThreadNumber } from "../platform/log.ts";
import { ClientRegistry } from "../proxy/client_registry.ts";
import { SharedCounters } from "../proxy/counters.ts";
import { Frontend } from "../proxy/frontend.ts";
import { ListenError } from "../proxy/listener.ts";
import type { ThreadTls } from "../tls/thread_tls.ts";
import { Channel, type ChannelPort } from "./channel.ts";
import { AllClients } from "./all_clients.ts";
import type { MainMessages, TableSnapshot, WorkerInit, WorkerMessages } from "./messages.ts";
import { TableReplica } from "./table_replica.ts";

/** Serves clients in a worker. It queries no node: the main thread sends it the NAT table. */
export class WorkerServer {
  readonly #replica = new TableReplica();
  readonly #view: PublicView;
  readonly #frontend: Frontend;
  #isListening = true;

  /**
   * @param port leads to the main thread
   * @param tls if clients or nodes speak TLS
   */
  constructor(
    { thread, options, log, shared }: WorkerInit,
    port: ChannelPort,
    tls: ThreadTls | undefined,
  ) {
    const replica = this.#replica;
    const counters = new SharedCounters(shared);
    const registry = new ClientRegistry(counters.clientsAtPort);
    const main = new Channel<WorkerMessages, MainMessages>(port, {
      update: (snapshot) => this.#update(snapshot),
      publish: () => replica.publish(),
      fetchClients: ({ key, upstreams }) => {
        const node = replica.withKey(key);
        return node === undefined ? new Map() : registry.among(node, upstreams);
      },
      upstreamOf: ({ key, client }) => {
        const node = replica.withKey(key);
        return node && registry.upstreamOf(node, client);
      },
      ping() {},
      report: () => this.#frontend.ownReport,
      updateTls: (material) => tls?.update(material),
      stopListening: () => {
        this.#isListening = false;
        this.#frontend.stopListening();
      },
      drain: ({ graceMs }) => this.#frontend.drain(graceMs),
      end: () => this.#frontend.end(),
    });
    if (log === undefined) forwardLog((record) => main.notify("log", record));
    else configureLog(log);
    setThreadNumber(thread);
    const others = {
      fetchClients: (node: NatEntry, upstreams: readonly string[]) =>
        main.request("fetchClients", { key: replica.keyOf(node), upstreams }),
      upstreamOf: (node: NatEntry, client: string) =>
        main.request("upstreamOf", { key: replica.keyOf(node), client }),
    };
    const views = createViews(options);
    this.#view = views[0];
    this.#frontend = new Frontend(options, {
      views,
      natTable: replica,
      nodeResolver: {
        resolve(ref, from, sinceMs) {
          const agoMs = performance.now() - sinceMs;
          return main.request("resolve", { ref, from: replica.keyOf(from), agoMs });
        },
      },
      readPublicPorts: () => main.request("readPublicPorts", undefined),
      suspect: (node) => main.request("suspect", { key: replica.keyOf(node) }),
      tls,
    }, {
      registry,
      clients: new AllClients(registry, others),
      counters,
      bindMode: "shared",
    });
  }

  /**
   * Listens for the nodes of a snapshot that are up, and for no others. The result, when that is
   * done, lists why some ports cannot be opened.
   */
  async #update(snapshot: TableSnapshot): Promise<string[]> {
    if (snapshot.publicPorts !== undefined) this.#view.updatePublicPorts(snapshot.publicPorts);
    for (const { kind, node } of this.#replica.update(snapshot)) {
      if (kind === "close") this.#frontend.close(node);
      else {
        const reason = this.#replica.isUp(node) ? "node_moved" : "node_failed";
        this.#frontend.endSessions(node, reason);
      }
    }
    const failures: string[] = [];
    const closing: Promise<void>[] = [];
    if (!this.#isListening) return failures;
    for (const node of this.#replica.nodes) {
      if (!this.#replica.isUp(node)) closing.push(this.#frontend.closePort(node));
      else if (!this.#frontend.isOpen(node)) this.#open(node, failures);
    }
    await Promise.all(closing);
    return failures;
  }

  /** Listens for a node, or adds the reason why it cannot. */
  #open(node: NatEntry, failures: string[]): void {
    try {
      this.#frontend.open(node, node.listenPort);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      failures.push(error.message);
    }
  }
}
