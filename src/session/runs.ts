import { Replies, type Reply, type Trait, traitOf } from "./replies.ts";

/** So many replies of one kind. */
interface Run {
  readonly kind: Reply;
  count: number;
}

/**
 * A queue of replies, kept as runs of a kind: "40 plain ones, CLUSTER SLOTS, 7 plain ones". The
 * first run has a place of its own, for of most connections there is never another.
 *
 * However long the queue, what is asked of it for each frame takes the same time: a client could
 * else keep all the others waiting. Only `some`, `count` and `lastBut` look at all that there is.
 */
export class ReplyRuns {
  #first: Reply | undefined;
  /** The length of the first run. */
  #run = 0;
  #total = 0;
  /** The runs behind it, from #next on. */
  #more: Run[] | undefined;
  #next = 0;
  /** The runs before those, left over from a first run that was split: the next one is the last. */
  #split: Run[] | undefined;
  /** How many runs have which trait, if there was one that has any. */
  #traits: Map<Trait, number> | undefined;

  /** How many replies are in the queue. */
  get total(): number {
    return this.#total;
  }

  /** How many runs are in the queue. */
  get runs(): number {
    if (this.#total === 0) return 0;
    return 1 + (this.#split?.length ?? 0) + (this.#more?.length ?? 0) - this.#next;
  }

  /** The kind of the first reply. */
  get first(): Reply | undefined {
    return this.#first;
  }

  /** The kind of the replies behind the first run. */
  get second(): Reply | undefined {
    return (this.#split?.at(-1) ?? this.#more?.[this.#next])?.kind;
  }

  /** The length of the first run; 0 if the queue is empty. */
  get run(): number {
    return this.#run;
  }

  /** The kind of the last reply. */
  get last(): Reply | undefined {
    return (this.#more?.at(-1) ?? this.#split?.[0])?.kind ?? this.#first;
  }

  /** The kind of the last reply that is not of the given one. */
  lastBut(kind: Reply): Reply | undefined {
    return [...this.#kinds()].findLast((other) => other !== kind);
  }

  /** Whether any reply in the queue is of a kind with that trait. */
  has(trait: Trait): boolean {
    return this.#traits !== undefined && (this.#traits.get(trait) ?? 0) > 0;
  }

  /** Whether any reply in the queue is of such a kind. */
  some(predicate: (kind: Reply) => boolean): boolean {
    for (const kind of this.#kinds()) if (predicate(kind)) return true;
    return false;
  }

  /** How many replies in the queue are of this kind. */
  count(kind: Reply): number {
    let count = this.#first === kind ? this.#run : 0;
    for (const run of this.#runs()) if (run.kind === kind) count += run.count;
    return count;
  }

  /** Adds `count` replies of one kind at the end. */
  add(kind: Reply, count: number): void {
    this.#total += count;
    if (this.#first === undefined) {
      this.#first = kind;
      this.#run = count;
      if (kind !== Replies.plain) this.#note(kind, 1);
      return;
    }
    const last = this.#more?.at(-1) ?? this.#split?.[0];
    if ((last?.kind ?? this.#first) === kind) {
      if (last === undefined) this.#run += count;
      else last.count += count;
      return;
    }
    (this.#more ??= []).push({ kind, count });
    this.#note(kind, 1);
  }

  /** Takes `count` replies, at most one run of them, from the front. */
  take(count: number): void {
    this.#total -= count;
    this.#run -= count;
    if (this.#run > 0) return;
    if (this.#traits !== undefined) this.#note(this.#first!, -1);
    const next = this.#takeRun();
    this.#first = next?.kind;
    this.#run = next?.count ?? 0;
  }

  /** Takes the last reply back. */
  dropLast(): void {
    const last = this.#more?.at(-1) ?? this.#split?.[0];
    if (last === undefined) {
      this.take(1);
      return;
    }
    this.#total--;
    if (--last.count > 0) return;
    this.#note(last.kind, -1);
    if (this.#more !== undefined) {
      this.#more.pop();
      if (this.#next === this.#more.length) this.#forgetMore();
    } else {
      this.#split!.shift();
    }
  }

  /** Puts two replies in the place of the first. */
  replaceFirst(one: Reply, other: Reply): void {
    const kind = this.#first!;
    const split = this.#split ??= [];
    if (this.#run > 1) split.push({ kind, count: this.#run - 1 });
    else this.#note(kind, -1);
    split.push({ kind: other, count: 1 });
    this.#first = one;
    this.#run = 1;
    this.#total++;
    this.#note(one, 1);
    this.#note(other, 1);
  }

  /** Empties the queue. */
  clear(): void {
    this.#total = this.#run = 0;
    this.#first = undefined;
    this.#split = undefined;
    this.#traits = undefined;
    this.#forgetMore();
  }

  /** Takes the run that follows the first. */
  #takeRun(): Run | undefined {
    const split = this.#split?.pop();
    if (split !== undefined) return split;
    const more = this.#more;
    if (more === undefined) return undefined;
    const next = more[this.#next++];
    if (this.#next === more.length) this.#forgetMore();
    else if (this.#next >= COMPACT_AFTER && this.#next * 2 >= more.length) {
      more.splice(0, this.#next);
      this.#next = 0;
    }
    return next;
  }

  /** The runs behind the first. */
  *#runs(): Generator<Run> {
    yield* this.#split?.toReversed() ?? [];
    for (let at = this.#next; at < (this.#more?.length ?? 0); at++) yield this.#more![at]!;
  }

  *#kinds(): Generator<Reply> {
    if (this.#first !== undefined) yield this.#first;
    for (const { kind } of this.#runs()) yield kind;
  }

  /** Counts a run of a kind that came to be, or is no more. */
  #note(kind: Reply, change: 1 | -1): void {
    const trait = traitOf(kind);
    if (trait === undefined) return;
    const traits = this.#traits ??= new Map();
    traits.set(trait, (traits.get(trait) ?? 0) + change);
  }

  #forgetMore(): void {
    this.#more = undefined;
    this.#next = 0;
  }
}

/** Moving what is left to the front costs as much as it frees; often enough is now and then. */
const COMPACT_AFTER = 64;
