import type { MappedNode } from "../nat/nat_table.ts";
import { Frontend } from "../proxy/frontend.ts";
import { ListenError } from "../proxy/listener.ts";
import { configureLog, forwardLog, setThread } from "../platform/log.ts";
import { Tally } from "../proxy/counters.ts";
import { DirectoryCopy } from "./table_replica.ts";
import { Line, type LinePort } from "./channel.ts";
import { RememberedClients } from "./client_cache.ts";
import type { Beginning, OwnerTalk, Picture, ThreadTalk } from "./messages.ts";

/** A thread that serves clients, and knows of the cluster what the owner of the topology says. */
export class ServingThread {
  readonly #copy = new DirectoryCopy();
  readonly #frontend: Frontend;
  #listens = true;

  /** @param port leads to the owner */
  constructor({ thread, config, log: options, shared }: Beginning, port: LinePort) {
    const copy = this.#copy;
    const tally = new Tally(shared);
    const owner = new Line<ThreadTalk, OwnerTalk>(port, {
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
    if (options === undefined) forwardLog((record) => owner.tell("log", record));
    else configureLog(options);
    setThread(thread);
    this.#frontend = new Frontend(config, {
      directory: copy,
      locator: {
        locate(mention, from, sinceMs) {
          const agoMs = performance.now() - sinceMs;
          return owner.ask("locate", { mention, from: copy.keyOf(from), agoMs });
        },
      },
      others: new RememberedClients({
        clientsAt: (node, upstreams) =>
          owner.ask("clientsAt", { key: copy.keyOf(node), upstreams }),
        upstreamOf: (node, client) => owner.ask("upstreamOf", { key: copy.keyOf(node), client }),
      }, tally.clients!),
      tally,
      ownership: "further",
      suspect: (node) => owner.ask("suspect", { key: copy.keyOf(node) }),
    });
    this.#frontend.keepTimes();
  }

  /**
   * Listens for the nodes of a picture that are up, and no more for the others; returns, when that
   * is done, why it cannot for some.
   */
  async #follow(picture: Picture): Promise<string[]> {
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
  #open(node: MappedNode, refusals: string[]): void {
    try {
      this.#frontend.open(node, node.publicPort);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      refusals.push(error.message);
    }
  }
}
