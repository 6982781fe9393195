import type { NatEntry } from "../nat/nat_table.ts";
import { Frontend } from "../proxy/frontend.ts";
import { ListenError } from "../proxy/listener.ts";
import { configureLog, forwardLog, setThreadNumber } from "../platform/log.ts";
import { SharedCounters } from "../proxy/counters.ts";
import { TableReplica } from "./table_replica.ts";
import { Channel, type ChannelPort } from "./channel.ts";
import { ClientCache } from "./client_cache.ts";
import type { MainMessages, TableSnapshot, WorkerInit, WorkerMessages } from "./messages.ts";

/** A thread that serves clients, and knows of the cluster what the owner of the topology says. */
export class WorkerServer {
  readonly #copy = new TableReplica();
  readonly #frontend: Frontend;
  #listens = true;

  /** @param port leads to the owner */
  constructor({ thread, config, log: options, shared }: WorkerInit, port: ChannelPort) {
    const copy = this.#copy;
    const counters = new SharedCounters(shared);
    const owner = new Channel<WorkerMessages, MainMessages>(port, {
      picture: (picture) => this.#follow(picture),
      publish: () => copy.publish(),
      clientsAt: ({ key, upstreams }) => {
        const node = copy.withKey(key);
        return node === undefined ? new Map() : this.#frontend.clients.among(node, upstreams);
      },
      upstreamOf: ({ key, client }) => {
        const node = copy.withKey(key);
        return node && this.#frontend.clients.upstreamOf(node, client);
      },
      alive() {},
      stopListening: () => {
        this.#listens = false;
        this.#frontend.stopListening();
      },
      drain: ({ graceMs }) => this.#frontend.drain(graceMs),
      end: () => this.#frontend.end(),
    });
    if (options === undefined) forwardLog((record) => owner.notify("log", record));
    else configureLog(options);
    setThreadNumber(thread);
    this.#frontend = new Frontend(config, {
      natTable: copy,
      nodeResolver: {
        resolve(ref, from, sinceMs) {
          const agoMs = performance.now() - sinceMs;
          return owner.request("locate", { ref, from: copy.keyOf(from), agoMs });
        },
      },
      otherClients: new ClientCache({
        clientsAt: (node, upstreams) =>
          owner.request("clientsAt", { key: copy.keyOf(node), upstreams }),
        upstreamOf: (node, client) =>
          owner.request("upstreamOf", { key: copy.keyOf(node), client }),
      }, counters.clients!),
      counters,
      bindMode: "further",
      suspect: (node) => owner.request("suspect", { key: copy.keyOf(node) }),
    });
    this.#frontend.checkTimeouts();
  }

  /**
   * Listens for the nodes of a picture that are up, and no more for the others; returns, when that
   * is done, why it cannot for some.
   */
  async #follow(picture: TableSnapshot): Promise<string[]> {
    const { closed, moved } = this.#copy.update(picture);
    for (const node of closed) this.#frontend.close(node);
    for (const node of moved) this.#frontend.endSessions(node);
    const refusals: string[] = [];
    const closing: Promise<void>[] = [];
    if (!this.#listens) return refusals;
    for (const node of this.#copy.nodes) {
      if (!this.#copy.isUp(node)) closing.push(this.#frontend.closePort(node));
      else if (!this.#frontend.isOpen(node)) this.#open(node, refusals);
    }
    await Promise.all(closing);
    return refusals;
  }

  /** Listens for a node, or adds the reason why it cannot. */
  #open(node: NatEntry, refusals: string[]): void {
    try {
      this.#frontend.open(node, node.publicPort);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      refusals.push(error.message);
    }
  }
}
