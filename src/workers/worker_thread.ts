import { logOptions } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { withTimeout } from "../platform/timeout.ts";
import type { FrontendOptions } from "../proxy/frontend_options.ts";
import type { FrontendReport, ThreadReport } from "../proxy/frontends.ts";
import type { TlsMaterial } from "../tls/thread_tls.ts";
import { Channel, type Handlers } from "./channel.ts";
import type { MainMessages, WorkerInit, WorkerMessages } from "./messages.ts";

/**
 * How often workers are pinged: a worker that closes itself does not notify the thread that has
 * started it.
 */
export const PING_INTERVAL_MS = 10_000;

/**
 * A worker that leaves this many pings unanswered hangs. Rewriting the longest reply that
 * --capture-limit allows blocks a worker for 50 s, and for twice as long on a slow machine. Pings
 * are counted instead of timed, because a process that was stopped for a while has received no
 * replies.
 */
const MAX_UNANSWERED_PINGS = 12;

/** How long a worker may take to report what it has counted. */
const REPORT_TIMEOUT_MS = 1000;

/** The options of a `WorkerThread`. */
export interface WorkerThreadOptions {
  /** 2 or higher, because the main thread is number 1. */
  readonly number: number;
  readonly frontend: FrontendOptions;
  readonly tls: TlsMaterial | undefined;
  /** The memory of `SharedCounters`. */
  readonly shared: SharedArrayBuffer;
}

/** The callbacks of a `WorkerThread`. */
export interface WorkerThreadHandlers {
  /** Handles the messages of a worker. */
  readonly messages: (thread: WorkerThread) => Handlers<WorkerMessages>;
  /** Called when the worker has ended unexpectedly, or hangs. */
  readonly onLost: (error: OperatorError) => void;
}

/** The main thread's handle of a worker. `WorkerThreads` owns it, and terminates it. */
export class WorkerThread {
  /** The number of the thread, from 2 on. */
  readonly number: number;
  /** The channel to the worker; closed when the worker is lost or terminated. */
  readonly channel: Channel<MainMessages, WorkerMessages>;
  readonly #worker: Worker;
  readonly #onLost: (error: OperatorError) => void;
  /** How many pings in a row were not answered. */
  #unansweredPings = 0;
  /** Its last report, so that no sum over the threads falls when it is late. */
  #report: FrontendReport | undefined;

  /** @throws {OperatorError} when the worker cannot be started */
  constructor(
    { number, frontend, tls, shared }: WorkerThreadOptions,
    { messages, onLost }: WorkerThreadHandlers,
  ) {
    this.number = number;
    this.#onLost = onLost;
    this.#worker = startWorker(number);
    const init: WorkerInit = {
      thread: number,
      options: frontend,
      tls,
      log: logOptions(),
      shared,
    };
    this.#worker.postMessage(init);
    this.channel = new Channel(this.#worker, messages(this));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(`has ended: ${event.message}`);
    };
  }

  /** Checks whether the worker has answered, and pings it again. */
  ping(): void {
    if (this.#unansweredPings === MAX_UNANSWERED_PINGS) {
      this.#lose(`has not answered for ${MAX_UNANSWERED_PINGS * PING_INTERVAL_MS} ms`);
    }
    this.#unansweredPings++;
    // The request fails only when the worker is lost, which is reported.
    this.channel.request("ping", undefined).then(() => this.#unansweredPings = 0, () => {});
  }

  /** Its report, or its last one if it does not answer soon; none before the first. */
  async report(): Promise<ThreadReport[]> {
    const askedAtMs = performance.now();
    try {
      const answered = await withTimeout(
        this.channel.request("report", undefined),
        REPORT_TIMEOUT_MS,
      );
      if (answered !== undefined) this.#report = answered;
    } catch {
      // The worker is lost or stopping, which is reported elsewhere.
    }
    const lagMs = performance.now() - askedAtMs;
    return this.#report === undefined ? [] : [{ thread: this.number, lagMs, ...this.#report }];
  }

  /** Ends the worker; requests to it fail with `reason`. */
  terminate(reason: Error): void {
    this.#worker.terminate();
    this.channel.close(reason);
  }

  /** @param problem completes the message "Thread 2 of --threads …" */
  #lose(problem: string): void {
    const error = new OperatorError(`Thread ${this.number} of --threads ${problem}`);
    this.channel.close(error);
    this.#onLost(error);
  }
}

/** @throws {OperatorError} when the thread cannot be started: the kernel may limit threads */
function startWorker(number: number): Worker {
  try {
    return new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: `thread ${number}`,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`Cannot start thread ${number} of --threads: ${reason}`, {
      cause: error,
    });
  }
}
