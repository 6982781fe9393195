import { log } from "./log.ts";
import { renderMessage } from "./log_format.ts";
import type { LogFields } from "./log_record.ts";

/** Identifies messages that may repeat. */
export interface ThrottleKey {
  /** The subject, which may recover: a node, a client. */
  readonly topic: string;
  /** The problem of the subject. */
  readonly cause: string;
}

/** A problem that was logged, and may continue. */
export interface Problem {
  readonly level: "info" | "warning" | "error";
  /** The message; it may contain text of clients and nodes. */
  readonly text: string;
  /** How often it has occurred, and when it did last, in milliseconds since 1970. */
  readonly count: number;
  readonly lastAtMs: number;
}

/** How often a problem that continues is logged. */
const REPEAT_AFTER_MS = 60_000;

/** A cause that was not logged again for this long is removed. */
const FORGET_AFTER_MS = 2 * REPEAT_AFTER_MS;

/** A problem counts as resolved once it has not recurred for this long. */
const RECOVERED_AFTER_MS = 1000;

/** Real problems have fewer causes at once. Clients can provoke more, which are not logged. */
const MAX_CAUSES_PER_TOPIC = 100;
const MAX_CAUSES = 1000;

/** When a cause was last logged and seen, and how often it has recurred since it was logged. */
interface Entry {
  readonly topic: string;
  readonly message: Message;
  readonly loggedAtMs: number;
  lastAtMs: number;
  suppressed: number;
  /** How often it had occurred when it was logged. */
  readonly countBefore: number;
}

interface Message {
  readonly level: Problem["level"];
  readonly template: string;
  readonly fields: LogFields;
}

/**
 * Limits repeated messages, so that no client and no dead node floods the log. A cause is logged at
 * once and, while it continues, once a minute with the number of suppressed messages. Suppressed
 * messages appear at level debug.
 */
export class LogThrottle {
  /** By topic and cause, in the order of `loggedAtMs`. */
  readonly #entries = new Map<string, Entry>();
  readonly #topics = new Map<string, { causes: number; lastAtMs: number }>();
  readonly #now: () => number;

  /** @param now returns the time in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Logs a message, unless its cause was logged less than a minute ago. */
  log(
    level: "info" | "warning" | "error",
    { topic, cause }: ThrottleKey,
    [template, fields]: readonly [template: string, fields: LogFields],
  ): void {
    const suppressed = this.#admit({ topic, cause }, { level, template, fields });
    if (suppressed === undefined) log.debug(template, fields);
    else if (suppressed === 0) log[level](template, fields);
    else log[level](`${template} ({suppressed} times more)`, { ...fields, suppressed });
  }

  /** The problems that have occurred lately and not recovered, the latest first. */
  get problems(): Problem[] {
    const nowMs = this.#now();
    const recent = [...this.#entries.values()]
      .filter(({ lastAtMs }) => nowMs - lastAtMs < FORGET_AFTER_MS)
      .sort((a, b) => b.lastAtMs - a.lastAtMs);
    return recent.map(({ message, lastAtMs, countBefore, suppressed }) => ({
      level: message.level,
      text: renderMessage(message.template, message.fields),
      count: countBefore + suppressed,
      lastAtMs: Date.now() - (nowMs - lastAtMs),
    }));
  }

  /** Removes the causes of a topic unless one recurred a moment ago; returns whether it had any. */
  recovered(topic: string): boolean {
    const known = this.#topics.get(topic);
    if (known === undefined || this.#now() - known.lastAtMs < RECOVERED_AFTER_MS) return false;
    for (const [key, entry] of this.#entries) if (entry.topic === topic) this.#remove(key);
    return true;
  }

  /**
   * Decides whether a message is logged: undefined if it is suppressed, else how many messages of
   * its cause were suppressed before it.
   */
  #admit({ topic, cause }: ThrottleKey, message: Message): number | undefined {
    const nowMs = this.#now();
    const key = JSON.stringify([topic, cause]);
    const known = this.#entries.get(key);
    const knownTopic = this.#topics.get(topic);
    if (knownTopic !== undefined) knownTopic.lastAtMs = nowMs;
    if (known !== undefined && nowMs - known.loggedAtMs < REPEAT_AFTER_MS) {
      known.suppressed++;
      known.lastAtMs = nowMs;
      return undefined;
    }
    this.#removeOld(nowMs);
    this.#remove(key);
    const { causes } = this.#topics.get(topic) ?? { causes: 0 };
    if (causes === MAX_CAUSES_PER_TOPIC || this.#entries.size === MAX_CAUSES) return undefined;
    const countBefore = (known?.countBefore ?? 0) + (known?.suppressed ?? 0) + 1;
    this.#entries.set(key, {
      topic,
      message,
      loggedAtMs: nowMs,
      lastAtMs: nowMs,
      suppressed: 0,
      countBefore,
    });
    this.#topics.set(topic, { causes: causes + 1, lastAtMs: nowMs });
    return known?.suppressed ?? 0;
  }

  #removeOld(nowMs: number): void {
    for (const [key, { loggedAtMs }] of this.#entries) {
      if (nowMs - loggedAtMs < FORGET_AFTER_MS) return;
      this.#remove(key);
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const topic = this.#topics.get(entry.topic)!;
    topic.causes--;
    if (topic.causes === 0) this.#topics.delete(entry.topic);
  }
}
