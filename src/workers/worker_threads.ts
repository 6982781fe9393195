import { log, setThreadNumber } from "../platform/log.ts";
import { withTimeout } from "../platform/timeout.ts";
import type { ThreadReport } from "../proxy/frontends.ts";
import type { OtherClients } from "./all_clients.ts";
import type { MainMessages } from "./messages.ts";
import type { SnapshotSource } from "./snapshot_source.ts";
import {
  PING_INTERVAL_MS,
  WorkerThread,
  type WorkerThreadHandlers,
  type WorkerThreadOptions,
} from "./worker_thread.ts";

/** How long a worker may take to close its sessions; one that takes longer hangs. */
export const END_TIMEOUT_MS = 1000;

/** The options of `WorkerThreads`. */
export interface WorkerThreadsOptions extends Omit<WorkerThreadOptions, "number"> {
  /** The number of threads, the main thread included. */
  readonly threads: number;
}

/** All workers, which this object owns: it starts them, watches them, and ends them together. */
export class WorkerThreads {
  readonly #workers: WorkerThread[] = [];
  readonly #failure = Promise.withResolvers<never>();
  readonly #pingTimer: ReturnType<typeof setInterval>;

  /**
   * @param messages returns what handles the messages of a worker
   * @throws {OperatorError} when a worker cannot be started; then none is left
   */
  constructor(
    { threads, ...options }: WorkerThreadsOptions,
    messages: WorkerThreadHandlers["messages"],
  ) {
    setThreadNumber(1);
    // A caller that ignores lost workers need not handle the rejection.
    this.#failure.promise.catch(() => {});
    // A worker that hangs still gets a part of the connections, so the proxy ends.
    const handlers: WorkerThreadHandlers = { messages, onLost: this.#failure.reject };
    try {
      for (let number = 2; number <= threads; number++) {
        this.#workers.push(new WorkerThread({ number, ...options }, handlers));
      }
    } catch (error) {
      this.#terminate(new Error("Another thread cannot be started"));
      throw error;
    }
    this.#pingTimer = setInterval(() => {
      for (const worker of this.#workers) worker.ping();
    }, PING_INTERVAL_MS);
  }

  /** Rejected with an OperatorError when a worker ends unexpectedly or hangs, else never settled. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** The reports of all workers; of one that does not answer soon, its last one. */
  async report(): Promise<ThreadReport[]> {
    return (await Promise.all(this.#workers.map((worker) => worker.report()))).flat();
  }

  /** Sends a request to all workers; the result has the replies of those that do not fail. */
  async request<Type extends keyof MainMessages>(
    type: Type,
    payload: MainMessages[Type]["payload"],
  ): Promise<MainMessages[Type]["reply"][]> {
    const replies = await Promise.allSettled(
      this.#workers.map(({ channel }) => channel.request(type, payload)),
    );
    return replies.flatMap((reply, at) => {
      if (reply.status === "fulfilled") return [reply.value];
      const { number, channel } = this.#workers[at]!;
      // A lost worker is reported by `failure`.
      if (!channel.isClosed) {
        log.error("Thread {number} failed to handle {type}: {reason}", {
          number,
          type,
          reason: reply.reason.stack,
        });
      }
      return [];
    });
  }

  /** Sends a message that has no reply to all workers. */
  notify<Type extends keyof MainMessages>(
    type: Type,
    payload: MainMessages[Type]["payload"],
  ): void {
    for (const { channel } of this.#workers) channel.notify(type, payload);
  }

  /** The clients of all workers, `except` one. */
  clients(keys: Pick<SnapshotSource, "keyOf">, except?: WorkerThread): OtherClients {
    const workers = this.#workers.filter((worker) => worker !== except);
    return {
      async fetchClients(node, upstreams) {
        const query = { key: keys.keyOf(node), upstreams };
        const found = await Promise.all(
          workers.map(({ channel }) => channel.request("fetchClients", query)),
        );
        return new Map(found.flatMap((map) => [...map]));
      },
      async upstreamOf(node, client) {
        const query = { key: keys.keyOf(node), client };
        const found = await Promise.all(
          workers.map(({ channel }) => channel.request("upstreamOf", query)),
        );
        return found.find((upstream) => upstream !== undefined);
      },
    };
  }

  /** Has the workers end their sessions, and ends them, after END_TIMEOUT_MS at the latest. */
  async end(): Promise<void> {
    clearInterval(this.#pingTimer);
    await withTimeout(this.request("end", undefined), END_TIMEOUT_MS);
    this.#terminate(new Error("The proxy is stopping"));
  }

  #terminate(reason: Error): void {
    for (const worker of this.#workers) worker.terminate(reason);
    setThreadNumber(undefined);
  }
}
