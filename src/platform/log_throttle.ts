import { log } from "./log.ts";

/** What is said, where that may be the same again and again. */
export interface ThrottleKey {
  /** What may be well again at some time: a node, a client. */
  readonly topic: string;
  /** What is wrong with it. */
  readonly cause: string;
}

/** What goes on is said so often. */
const AGAIN_AFTER_MS = 60_000;

/** What has not been said for so long is forgotten. */
const FORGET_AFTER_MS = 2 * AGAIN_AFTER_MS;

/** What comes and goes is not over before it has been gone for so long. */
const OVER_AFTER_MS = 1000;

/** More than are wrong at once, of one topic and of all; whoever brings about others goes unheard. */
const MOST_CAUSES_EACH = 100;
const MOST_CAUSES = 1000;

/** When a cause was said, and how often it was not since then. */
interface Saying {
  readonly topic: string;
  readonly saidAtMs: number;
  suppressed: number;
}

/**
 * Tells what is new from what happens again and again, so that no client and no dead node fills the
 * log: each cause is said at once and, while it goes on, once a minute with the number of times.
 * The others are said at level debug.
 */
export class LogThrottle {
  /** By topic and cause, that first which was said longest ago. */
  readonly #sayings = new Map<string, Saying>();
  readonly #topics = new Map<string, { causes: number; lastAtMs: number }>();
  readonly #now: () => number;

  /** @param now tells the time in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Says something, unless it was said lately. */
  log(
    level: "info" | "warning" | "error",
    { topic, cause }: ThrottleKey,
    [message, properties]: readonly [message: string, properties: Record<string, unknown>],
  ): void {
    const unsaid = this.#take(topic, cause);
    if (unsaid === undefined) log.debug(message, properties);
    else if (unsaid === 0) log[level](message, properties);
    else log[level](`${message} ({unsaid} times more)`, { ...properties, unsaid });
  }

  /** Notes that all is well with a topic, and returns whether it was not. */
  recovered(topic: string): boolean {
    const known = this.#topics.get(topic);
    if (known === undefined || this.#now() - known.lastAtMs < OVER_AFTER_MS) return false;
    for (const [key, saying] of this.#sayings) if (saying.topic === topic) this.#forget(key);
    return true;
  }

  /** How often a cause was not said that is to be said now; undefined if it is not. */
  #take(topic: string, cause: string): number | undefined {
    const nowMs = this.#now();
    const key = JSON.stringify([topic, cause]);
    const known = this.#sayings.get(key);
    const knownTopic = this.#topics.get(topic);
    if (knownTopic !== undefined) knownTopic.lastAtMs = nowMs;
    if (known !== undefined && nowMs - known.saidAtMs < AGAIN_AFTER_MS) {
      known.suppressed++;
      return undefined;
    }
    this.#forgetOld(nowMs);
    this.#forget(key);
    const { causes } = this.#topics.get(topic) ?? { causes: 0 };
    if (causes === MOST_CAUSES_EACH || this.#sayings.size === MOST_CAUSES) return undefined;
    this.#sayings.set(key, { topic, saidAtMs: nowMs, suppressed: 0 });
    this.#topics.set(topic, { causes: causes + 1, lastAtMs: nowMs });
    return known?.suppressed ?? 0;
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { saidAtMs }] of this.#sayings) {
      if (nowMs - saidAtMs < FORGET_AFTER_MS) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const saying = this.#sayings.get(key);
    if (saying === undefined) return;
    this.#sayings.delete(key);
    const topic = this.#topics.get(saying.topic)!;
    topic.causes--;
    if (topic.causes === 0) this.#topics.delete(saying.topic);
  }
}
