import type { Reply } from "./replies.ts";

/**
 * A queue of replies, kept as runs of a kind: "40 plain ones, CLUSTER SLOTS, 7 plain ones". An
 * empty queue keeps its last run, with a count of 0, for the next reply is often of that kind.
 */
export class ReplyRuns {
  readonly #kinds: Reply[] = [];
  readonly #counts: number[] = [];
  #first = 0;
  #total = 0;

  /** How many replies are in the queue. */
  get total(): number {
    return this.#total;
  }

  /** How many runs are in the queue. */
  get runs(): number {
    return this.#total === 0 ? 0 : this.#kinds.length - this.#first;
  }

  /** The kind of the first reply. */
  get first(): Reply | undefined {
    return this.#total === 0 ? undefined : this.#kinds[this.#first];
  }

  /** The kind of the replies behind the first run. */
  get second(): Reply | undefined {
    return this.#kinds[this.#first + 1];
  }

  /** The length of the first run; 0 if the queue is empty. */
  get run(): number {
    return this.#counts[this.#first] ?? 0;
  }

  /** The kind of the last reply. */
  get last(): Reply | undefined {
    return this.#total === 0 ? undefined : this.#kinds[this.#kinds.length - 1];
  }

  /** The kind of the last reply that is not of the given one. */
  lastBut(kind: Reply): Reply | undefined {
    if (this.#total === 0) return undefined;
    let at = this.#kinds.length - 1;
    while (at >= this.#first && this.#kinds[at] === kind) at--;
    return at < this.#first ? undefined : this.#kinds[at];
  }

  /** Whether any reply in the queue is of such a kind. */
  some(predicate: (kind: Reply) => boolean): boolean {
    if (this.#total === 0) return false;
    for (let at = this.#first; at < this.#kinds.length; at++) {
      if (predicate(this.#kinds[at]!)) return true;
    }
    return false;
  }

  /** How many replies in the queue are of this kind. */
  count(kind: Reply): number {
    let count = 0;
    for (let at = this.#first; at < this.#kinds.length; at++) {
      if (this.#kinds[at] === kind) count += this.#counts[at]!;
    }
    return count;
  }

  /** Adds `count` replies of one kind at the end. */
  add(kind: Reply, count: number): void {
    const last = this.#kinds.length - 1;
    if (last >= this.#first && this.#kinds[last] === kind) this.#counts[last]! += count;
    else {
      if (this.#total === 0) this.#forget();
      this.#kinds.push(kind);
      this.#counts.push(count);
    }
    this.#total += count;
  }

  /** Takes `count` replies, at most one run of them, from the front. */
  take(count: number): void {
    this.#total -= count;
    const left = (this.#counts[this.#first]! -= count);
    if (left > 0 || this.#total === 0) return;
    this.#first++;
    if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#kinds.length) {
      this.#kinds.splice(0, this.#first);
      this.#counts.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Takes the last reply back. */
  dropLast(): void {
    this.#total--;
    const last = this.#kinds.length - 1;
    if (--this.#counts[last]! > 0) return;
    if (this.#total === 0) return;
    this.#kinds.pop();
    this.#counts.pop();
  }

  /** Puts two replies in the place of the first. */
  replaceFirst(one: Reply, other: Reply): void {
    const counts = [1, 1];
    const kinds = [one, other];
    if (this.run > 1) {
      kinds.push(this.first!);
      counts.push(this.run - 1);
    }
    this.#kinds.splice(this.#first, 1, ...kinds);
    this.#counts.splice(this.#first, 1, ...counts);
    this.#total++;
  }

  /** Empties the queue. */
  clear(): void {
    this.#total = 0;
    this.#forget();
  }

  #forget(): void {
    this.#first = 0;
    this.#kinds.length = 0;
    this.#counts.length = 0;
  }
}

/** Moving what is left to the front costs as much as it frees; often enough is now and then. */
const COMPACT_AFTER = 64;
