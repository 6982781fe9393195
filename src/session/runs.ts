import type { Reply } from "./replies.ts";

/** So many replies of one kind. */
interface Run {
  readonly kind: Reply;
  count: number;
}

/**
 * A queue of replies, kept as runs of a kind: "40 plain ones, CLUSTER SLOTS, 7 plain ones". The
 * first run has a place of its own, for of most connections there is never another.
 */
export class ReplyRuns {
  #first: Reply | undefined;
  /** The length of the first run. */
  #run = 0;
  #total = 0;
  /** The runs behind it, from #next on. */
  #more: Run[] | undefined;
  #next = 0;

  /** How many replies are in the queue. */
  get total(): number {
    return this.#total;
  }

  /** How many runs are in the queue. */
  get runs(): number {
    return this.#total === 0 ? 0 : 1 + (this.#more?.length ?? 0) - this.#next;
  }

  /** The kind of the first reply. */
  get first(): Reply | undefined {
    return this.#first;
  }

  /** The kind of the replies behind the first run. */
  get second(): Reply | undefined {
    return this.#more?.[this.#next]?.kind;
  }

  /** The length of the first run; 0 if the queue is empty. */
  get run(): number {
    return this.#run;
  }

  /** The kind of the last reply. */
  get last(): Reply | undefined {
    return this.#more?.at(-1)?.kind ?? this.#first;
  }

  /** The kind of the last reply that is not of the given one. */
  lastBut(kind: Reply): Reply | undefined {
    return [...this.#kinds()].findLast((other) => other !== kind);
  }

  /** Whether any reply in the queue is of such a kind. */
  some(predicate: (kind: Reply) => boolean): boolean {
    for (const kind of this.#kinds()) if (predicate(kind)) return true;
    return false;
  }

  /** How many replies in the queue are of this kind. */
  count(kind: Reply): number {
    let count = this.#first === kind ? this.#run : 0;
    for (let at = this.#next; at < (this.#more?.length ?? 0); at++) {
      const run = this.#more![at]!;
      if (run.kind === kind) count += run.count;
    }
    return count;
  }

  /** Adds `count` replies of one kind at the end. */
  add(kind: Reply, count: number): void {
    this.#total += count;
    if (this.#first === undefined) {
      this.#first = kind;
      this.#run = count;
      return;
    }
    const last = this.#more?.at(-1);
    if (last !== undefined) {
      if (last.kind === kind) last.count += count;
      else this.#more!.push({ kind, count });
    } else if (this.#first === kind) this.#run += count;
    else this.#more = [{ kind, count }];
  }

  /** Takes `count` replies, at most one run of them, from the front. */
  take(count: number): void {
    this.#total -= count;
    this.#run -= count;
    if (this.#run > 0) return;
    const next = this.#more?.[this.#next];
    this.#first = next?.kind;
    this.#run = next?.count ?? 0;
    if (next === undefined) return;
    this.#next++;
    if (this.#next === this.#more!.length) this.#forget();
    else if (this.#next >= COMPACT_AFTER && this.#next * 2 >= this.#more!.length) {
      this.#more!.splice(0, this.#next);
      this.#next = 0;
    }
  }

  /** Takes the last reply back. */
  dropLast(): void {
    const last = this.#more?.at(-1);
    if (last === undefined) this.take(1);
    else {
      this.#total--;
      if (--last.count > 0) return;
      this.#more!.pop();
      if (this.#next === this.#more!.length) this.#forget();
    }
  }

  /** Puts two replies in the place of the first. */
  replaceFirst(one: Reply, other: Reply): void {
    const behind = [{ kind: other, count: 1 }];
    if (this.#run > 1) behind.push({ kind: this.#first!, count: this.#run - 1 });
    this.#more = [...behind, ...this.#more?.slice(this.#next) ?? []];
    this.#next = 0;
    this.#first = one;
    this.#run = 1;
    this.#total++;
  }

  /** Empties the queue. */
  clear(): void {
    this.#total = this.#run = 0;
    this.#first = undefined;
    this.#forget();
  }

  *#kinds(): Generator<Reply> {
    if (this.#first !== undefined) yield this.#first;
    for (let at = this.#next; at < (this.#more?.length ?? 0); at++) yield this.#more![at]!.kind;
  }

  #forget(): void {
    this.#more = undefined;
    this.#next = 0;
  }
}

/** Moving what is left to the front costs as much as it frees; often enough is now and then. */
const COMPACT_AFTER = 64;
