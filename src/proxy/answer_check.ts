import type { NodeDialer } from "../cluster/node_dialer.ts";
import { ping } from "../cluster/ping.ts";
import type { NatEntry } from "../nat/nat_table.ts";

/** A result counts for this long, so that callers cannot make the proxy flood its nodes. */
const RESULT_TTL_MS = 1000;

/** How long the node that answered last may take, and then how long the others may. */
const FIRST_LIMIT_MS = 250;

/** Together the limits are below a second, the default timeout of a probe in Kubernetes. */
const OTHERS_LIMIT_MS = 500;

/** How many nodes are pinged at once. */
const MAX_PINGS = 64;

/** Checks whether a node answers, not only whether its port accepts connections. */
export class AnswerCheck {
  readonly #dialer: NodeDialer;
  readonly #candidates: () => readonly NatEntry[];
  /** The node that answered last. */
  #last: NatEntry | undefined;
  #startedAtMs = -Infinity;
  #result: Promise<boolean> = Promise.resolve(false);

  /** @param candidates returns the nodes whose ports are open */
  constructor(dialer: NodeDialer, candidates: () => readonly NatEntry[]) {
    this.#dialer = dialer;
    this.#candidates = candidates;
  }

  /** Whether a node answers a PING, or did so less than a second ago. */
  isAnswering(): Promise<boolean> {
    const nowMs = performance.now();
    if (nowMs - this.#startedAtMs >= RESULT_TTL_MS) {
      this.#startedAtMs = nowMs;
      this.#result = this.#check();
    }
    return this.#result;
  }

  async #check(): Promise<boolean> {
    const candidates = this.#candidates();
    const first = candidates.find((node) => node === this.#last) ?? candidates[0];
    if (first === undefined) return false;
    if (await this.#pingAny([first], FIRST_LIMIT_MS)) return true;
    const others = candidates.filter((node) => node !== first).slice(0, MAX_PINGS);
    return await this.#pingAny(others, OTHERS_LIMIT_MS);
  }

  /** Pings nodes at once until one answers. */
  async #pingAny(nodes: readonly NatEntry[], limitMs: number): Promise<boolean> {
    const answered = new AbortController();
    const pings = nodes.map(async (node) => {
      const result = await ping(
        (timeoutMs, attempt) => this.#dialer.dial(node.address, attempt, timeoutMs),
        limitMs,
        answered.signal,
      );
      // Without a free file descriptor the result is unknown.
      if (result !== "answering" && result !== "untried") return;
      this.#last = node;
      answered.abort();
    });
    await Promise.all(pings);
    return answered.signal.aborted;
  }
}
