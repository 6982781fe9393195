import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { NodeRef } from "../cluster/node_ref.ts";
import type { FrontendContext } from "../proxy/frontend.ts";
import { ListenError } from "../proxy/listener.ts";
import { log, logOptions, logRecord, setThreadNumber } from "../platform/log.ts";
import type { ClientRegistry } from "../proxy/client_registry.ts";
import type { OtherClients } from "../rewrite/address_mapper.ts";
import type { Config } from "../cli/config.ts";
import { SharedCounters } from "../proxy/counters.ts";
import { withTimeout } from "../platform/timeout.ts";
import { TableReplica } from "./table_replica.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { Channel } from "./channel.ts";
import { ClientCache } from "./client_cache.ts";
import type {
  MainMessages,
  NodeKey,
  TableSnapshot,
  WorkerInit,
  WorkerMessages,
} from "./messages.ts";

/** A thread that only closes what it has needs a moment; one that does not answer is stuck. */
export const END_TIMEOUT_MS = 1000;

/**
 * How often threads are asked whether they are still there: a program that closes itself does so
 * without a word to the one who started it.
 */
const ALIVE_INTERVAL_MS = 10_000;

/**
 * A thread that leaves so many of those questions open is stuck. To rewrite a reply as long as
 * --capture-limit may be takes one 50 s, in which it hears nothing, and twice that if it is slow.
 * They are counted, and not timed, because a program that was stopped for a while has no answers.
 */
const MOST_UNANSWERED = 12;

/** What the owner's own frontend and its knowledge are to the other threads. */
export interface MainThread extends Pick<FrontendContext, "nodeResolver" | "suspect"> {
  readonly natTable: NatTable;
  /** Whether a node takes connections, so that threads are to listen for it. */
  readonly isUp: (node: NatEntry) => boolean;
  /** The clients that the owner's thread serves. */
  readonly clients: () => ClientRegistry;
}

/**
 * The threads but the first, which owns the topology and all of these. They listen on the same
 * ports and serve clients as the first one does:
 *
 * ```
 *   owner ── picture ─▶ thread   listens for new nodes, ends sessions of those that have moved
 *         ◀─ answer ───
 *         ── publish ─▶          when all have answered; from now on replies name the new nodes
 *
 *   thread ── locate ─▶ owner    a reply names a node that nobody knows
 *          ◀─ port ────          when that is published
 * ```
 *
 * So whoever learns a port from any of the threads is understood by all of them.
 */
export class WorkerPool {
  /** What the frontend of the owner's own thread is to work with. */
  readonly frontendContext: FrontendContext;
  readonly #owner: MainThread;
  readonly #copy = new TableReplica();
  readonly #threads: Thread[] = [];
  /** The keys of nodes, and how often what went on with each was over. */
  readonly #marks = new WeakMap<NatEntry, { readonly key: NodeKey; moves: number }>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #aliveTimer: ReturnType<typeof setInterval>;
  #lastKey = 0;
  /** The last picture, as a text; and settled when it is published. */
  #pictured = "";
  #published: Promise<void> = Promise.resolve();
  /** Nodes that are no more, and for which threads may listen that have not heard of it. */
  readonly #closing = new Set<NatEntry>();
  /** Why threads do not listen for all nodes of that picture. */
  #refusals: readonly string[] = [];
  /** Set between the start and the stop: only then is what threads do not listen on news. */
  #serving = false;

  /** @throws {OperatorError} when one cannot be started; then none is left */
  constructor(config: Config, owner: MainThread) {
    this.#owner = owner;
    const shared = SharedCounters.forThreads();
    setThreadNumber(1);
    // Who does not care what becomes of the threads need not.
    this.#failure.promise.catch(() => {});
    try {
      for (let number = 2; number <= config.threads; number++) {
        this.#threads.push(this.#start(config, number, shared));
      }
    } catch (error) {
      this.#terminate(new Error("Another thread cannot be started"));
      throw error;
    }
    this.#aliveTimer = setInterval(() => this.#askWhetherAlive(), ALIVE_INTERVAL_MS);
    this.frontendContext = this.#backstage(new SharedCounters(shared));
  }

  /** Rejected with a ThreadError when a thread ends by itself, or answers no more. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** Tells the threads what the nodes are now, if that is something new. */
  update(): void {
    const picture = this.#draw();
    const text = JSON.stringify(picture);
    if (text === this.#pictured) return;
    this.#pictured = text;
    const { closed } = this.#copy.update(picture);
    for (const node of closed) this.#closing.add(node);
    this.#published = this.#askAll("picture", picture).then((answers) => {
      for (const node of closed) this.#closing.delete(node);
      // The next one will be published, too.
      if (this.#pictured !== text) return;
      this.#note(answers.flat());
      // A port on which some threads do not listen is served by the others: its node may be named.
      this.#copy.publish();
      this.#tellAll("publish", undefined);
    });
  }

  /**
   * Waits until all threads listen for the nodes that they were told of. What they cannot listen
   * on from then on is logged, and told them again with each `update`.
   *
   * @throws {ListenError} when one cannot
   */
  async begin(): Promise<void> {
    // There may be news while the threads are answering.
    for (let told; told !== this.#published;) await (told = this.#published);
    const [reason] = this.#refusals;
    if (reason !== undefined) throw new ListenError(reason);
    this.#serving = true;
  }

  /** Waits until all threads know what they were told last. */
  published(): Promise<void> {
    return this.#published;
  }

  /** Whether a thread may still listen on a port that the owner has closed. */
  isClosing(port: number): boolean {
    return [...this.#closing].some(({ publicPort }) => publicPort === port);
  }

  /** What went on with a node is over, as when it is somewhere else; the next `update` tells. */
  moved(node: NatEntry): void {
    this.#markOf(node).moves++;
  }

  /** Takes no more clients. */
  stopListening(): void {
    this.#serving = false;
    this.#tellAll("stopListening", undefined);
  }

  /** Lets sessions end in order, but waits for the last of them no longer than that. */
  async drain(graceMs: number): Promise<void> {
    await withTimeout(this.#askAll("drain", { graceMs }), graceMs + END_TIMEOUT_MS);
  }

  /** Ends all sessions and then the threads. */
  async end(): Promise<void> {
    clearInterval(this.#aliveTimer);
    await withTimeout(this.#askAll("end", undefined), END_TIMEOUT_MS);
    this.#terminate(new Error("The proxy is stopping"));
  }

  #terminate(reason: Error): void {
    for (const { worker, line } of this.#threads) {
      worker.terminate();
      line.close(reason);
    }
    setThreadNumber(undefined);
  }

  #backstage(counters: SharedCounters): FrontendContext {
    const { natTable, suspect } = this.#owner;
    return {
      natTable: {
        portOf: (ref) => this.#copy.portOf(ref),
        atPort: (port) => natTable.atPort(port),
        isKnown: (address) => natTable.isKnown(address),
      },
      nodeResolver: { resolve: (ref, from, sinceMs) => this.#locate(ref, from, sinceMs) },
      otherClients: new ClientCache(this.#clientsOfAllBut(), counters.clients!),
      counters,
      bindMode: "first",
      suspect,
    };
  }

  #start(config: Config, number: number, shared: SharedArrayBuffer): Thread {
    const worker = startWorker(number);
    // Only the owner talks to the cluster on its own account.
    const beginning: WorkerInit = {
      thread: number,
      config: { ...config, credentials: undefined },
      log: logOptions(),
      shared,
    };
    worker.postMessage(beginning);
    const line: Thread["line"] = new Channel<MainMessages, WorkerMessages>(worker, {
      // A client whose node is no more hears of that, and ends, before it gets an answer.
      locate: ({ ref, from, agoMs }) => {
        const node = this.#withKey(from);
        return node === undefined ? 0 : this.#locate(ref, node, performance.now() - agoMs);
      },
      clientsAt: ({ key, upstreams }) => {
        const node = this.#withKey(key);
        return node === undefined
          ? new Map()
          : this.#clientsOfAllBut(line).clientsAt(node, upstreams);
      },
      upstreamOf: ({ key, client }) => {
        const node = this.#withKey(key);
        return node && this.#clientsOfAllBut(line).upstreamOf(node, client);
      },
      suspect: async ({ key }) => {
        const node = this.#withKey(key);
        if (node !== undefined) await this.#owner.suspect(node);
      },
      log: logRecord,
    });
    const thread: Thread = { number, worker, line, unanswered: 0 };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(thread, `has ended: ${event.message}`);
    };
    return thread;
  }

  #askWhetherAlive(): void {
    for (const thread of this.#threads) {
      if (thread.unanswered === MOST_UNANSWERED) {
        this.#lose(thread, `has not answered for ${MOST_UNANSWERED * ALIVE_INTERVAL_MS} ms`);
      }
      thread.unanswered++;
      // Whoever waits for something else learns that there is nobody to answer.
      thread.line.request("alive", undefined).then(() => thread.unanswered = 0, () => {});
    }
  }

  /** What one thread does not do the others cannot make good: this is the end of all. */
  #lose({ number, line }: Thread, how: string): void {
    const error = new OperatorError(`Thread ${number} of --threads ${how}`);
    line.close(error);
    this.#failure.reject(error);
  }

  async #locate(
    ref: NodeRef,
    from: NatEntry,
    sinceMs: number,
  ): Promise<number | undefined> {
    const port = await this.#owner.nodeResolver.resolve(ref, from, sinceMs);
    await this.#published;
    return port;
  }

  /** The clients of all threads but one: the owner's own, unless another is named. */
  #clientsOfAllBut(line?: Thread["line"]): Pick<OtherClients, "clientsAt" | "upstreamOf"> {
    const lines = this.#threads.map((thread) => thread.line).filter((other) => other !== line);
    const own = () => line === undefined ? undefined : this.#owner.clients();
    const keyOf = (node: NatEntry) => this.#markOf(node).key;
    return {
      async clientsAt(node, upstreams) {
        const said = { key: keyOf(node), upstreams };
        const found = await Promise.all(lines.map((other) => other.request("clientsAt", said)));
        return new Map([
          ...own()?.among(node, upstreams) ?? [],
          ...found.flatMap((map) => [...map]),
        ]);
      },
      async upstreamOf(node, client) {
        const upstream = own()?.upstreamOf(node, client);
        if (upstream !== undefined) return upstream;
        const said = { key: keyOf(node), client };
        const found = await Promise.all(lines.map((other) => other.request("upstreamOf", said)));
        return found.find((upstream) => upstream !== undefined);
      },
    };
  }

  #draw(): TableSnapshot {
    const { natTable } = this.#owner;
    return {
      nodes: natTable.nodes.map((node) => {
        const { id, address, names, role, busPort, publicPort } = node;
        return {
          ...this.#markOf(node),
          node: { id, address, names, role, busPort, publicPort },
          identified: natTable.withId(id) === node,
          isUp: this.#owner.isUp(node),
        };
      }),
      aliases: [...natTable.aliases()].map((
        [alias, node],
      ) => [alias, node === undefined ? null : this.#markOf(node).key]),
    };
  }

  #markOf(node: NatEntry): { readonly key: NodeKey; moves: number } {
    let mark = this.#marks.get(node);
    if (mark === undefined) {
      mark = { key: ++this.#lastKey, moves: 0 };
      this.#marks.set(node, mark);
    }
    return mark;
  }

  #withKey(key: NodeKey): NatEntry | undefined {
    return this.#owner.natTable.nodes.find((node) => this.#markOf(node).key === key);
  }

  #note(refusals: readonly string[]): void {
    // No picture has an empty text, so that the next update tells this one again.
    if (refusals.length > 0) this.#pictured = "";
    const [before] = this.#refusals;
    const [reason] = refusals;
    this.#refusals = refusals;
    if (!this.#serving || (before === undefined) === (reason === undefined)) return;
    if (reason === undefined) log.info("All threads take clients at all ports again");
    else {
      log.warning("A thread takes no clients at a port, others do; trying again: {reason}", {
        reason,
      });
    }
  }

  /** What all threads answer that are there. */
  async #askAll<Type extends keyof MainMessages>(
    type: Type,
    said: MainMessages[Type]["said"],
  ): Promise<MainMessages[Type]["answer"][]> {
    const answers = await Promise.allSettled(
      this.#threads.map(({ line }) => line.request(type, said)),
    );
    return answers.flatMap((answer, at) => {
      if (answer.status === "fulfilled") return [answer.value];
      const { number, line } = this.#threads[at]!;
      // That a thread is lost is said by itself.
      if (!line.isLost) {
        log.error("Thread {number} cannot do what it is told ({type}): {reason}", {
          number,
          type,
          reason: answer.reason.stack,
        });
      }
      return [];
    });
  }

  #tellAll<Type extends keyof MainMessages>(type: Type, said: MainMessages[Type]["said"]): void {
    for (const { line } of this.#threads) line.notify(type, said);
  }
}

/** @throws {OperatorError} when the system has no thread left, for example */
function startWorker(number: number): Worker {
  try {
    return new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: `thread ${number}`,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`Thread ${number} of --threads cannot be started: ${reason}`, {
      cause: error,
    });
  }
}

interface Thread {
  readonly number: number;
  readonly worker: Worker;
  readonly line: Channel<MainMessages, WorkerMessages>;
  /** How many questions in a row, whether it is still there, it has not answered. */
  unanswered: number;
}
