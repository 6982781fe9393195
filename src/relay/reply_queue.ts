import type { ExpectedReply } from "../commands/expected_reply.ts";

/** Consecutive replies of one kind. */
interface Run {
  readonly kind: ExpectedReply;
  count: number;
}

/**
 * A run-length queue of replies: "40 plain ones, CLUSTER SLOTS, 7 plain ones". The first run has
 * its own fields, because most connections never have a second one.
 *
 * All operations take constant time, whatever the length: otherwise one client could block the
 * thread for all others.
 */
export class ReplyQueue {
  #first: ExpectedReply | undefined;
  /** The length of the first run. */
  #run = 0;
  #total = 0;
  /** The runs after the first; those before #next are already taken. */
  #more: Run[] | undefined;
  #next = 0;

  /** How many replies are in the queue. */
  get total(): number {
    return this.#total;
  }

  /** How many runs are in the queue. */
  get runs(): number {
    if (this.#total === 0) return 0;
    return 1 + (this.#more?.length ?? 0) - this.#next;
  }

  /** The kind of the first reply. */
  get first(): ExpectedReply | undefined {
    return this.#first;
  }

  /** The length of the first run; 0 if the queue is empty. */
  get run(): number {
    return this.#run;
  }

  /** The kind of the last reply. */
  get last(): ExpectedReply | undefined {
    return this.#more?.at(-1)?.kind ?? this.#first;
  }

  /** The runs in the queue, the first one first. */
  *[Symbol.iterator](): Generator<Readonly<Run>> {
    if (this.#first !== undefined) yield { kind: this.#first, count: this.#run };
    for (let at = this.#next; at < (this.#more?.length ?? 0); at++) yield this.#more![at]!;
  }

  /** Adds `count` replies of one kind at the end. */
  add(kind: ExpectedReply, count: number): void {
    this.#total += count;
    if (this.#first === undefined) {
      this.#first = kind;
      this.#run = count;
      return;
    }
    const last = this.#more?.at(-1);
    if ((last?.kind ?? this.#first) === kind) {
      if (last === undefined) this.#run += count;
      else last.count += count;
      return;
    }
    (this.#more ??= []).push({ kind, count });
  }

  /** Takes `count` replies, at most one run of them, from the front. */
  take(count: number): void {
    this.#total -= count;
    this.#run -= count;
    if (this.#run > 0) return;
    const next = this.#takeRun();
    this.#first = next?.kind;
    this.#run = next?.count ?? 0;
  }

  /** Takes the run that follows the first. */
  #takeRun(): Run | undefined {
    const more = this.#more;
    if (more === undefined) return undefined;
    const next = more[this.#next++];
    if (this.#next === more.length) this.#clearMore();
    else if (this.#next >= COMPACT_AFTER && this.#next * 2 >= more.length) {
      more.splice(0, this.#next);
      this.#next = 0;
    }
    return next;
  }

  #clearMore(): void {
    this.#more = undefined;
    this.#next = 0;
  }
}

/** Compacting copies the runs that are left, so it waits until at least half are taken. */
const COMPACT_AFTER = 64;
