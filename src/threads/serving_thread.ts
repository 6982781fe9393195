import { Frontend } from "../frontend/frontend.ts";
import { ListenError } from "../frontend/listening.ts";
import { configureLog, forwardLog, setThread } from "../log.ts";
import { Tally } from "../tally.ts";
import { DirectoryCopy } from "./directory_copy.ts";
import { Line, type LinePort } from "./line.ts";
import { RememberedClients } from "./remembered_clients.ts";
import type { Beginning, OwnerTalk, Picture, ThreadTalk } from "./talk.ts";

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
      hint: () => owner.tell("hint", undefined),
    });
    this.#frontend.keepTimes();
  }

  /** Listens for the nodes of a picture, and returns why it cannot for some. */
  #follow(picture: Picture): string[] {
    const { closed, moved } = this.#copy.update(picture);
    for (const node of closed) this.#frontend.close(node);
    for (const node of moved) this.#frontend.endSessions(node);
    const refusals: string[] = [];
    if (!this.#listens) return refusals;
    for (const node of this.#copy.nodes) {
      if (this.#frontend.isOpen(node)) continue;
      try {
        this.#frontend.open(node, node.publicPort);
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        refusals.push(error.message);
      }
    }
    return refusals;
  }
}
