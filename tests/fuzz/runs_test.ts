import { assertEquals } from "@std/assert";
import { Replies, type Reply, type Trait, traitOf } from "../../src/session/replies.ts";
import { ReplyRuns } from "../../src/session/runs.ts";
import { seededRandom } from "../support/random.ts";
import { eachRound } from "./rounds.ts";

/** Some with traits and some without. */
const KINDS: readonly Reply[] = [
  Replies.plain,
  Replies.slots,
  Replies.script,
  Replies.none,
  Replies.skipped,
  { type: "subscription", word: "sunsubscribe", channels: 1 },
];

const TRAITS: readonly Trait[] = ["imitates", "left out", "sunsubscribe"];

/** Far more than the queue is moved after. */
const STEPS = 200;

/** A queue as anybody would write it: one item for each reply. */
function assertLike(runs: ReplyRuns, model: readonly Reply[], message: string): void {
  const first = model[0];
  const behind = model.findIndex((kind) => kind !== first);
  const run = behind < 0 ? model.length : behind;
  assertEquals(runs.total, model.length, message);
  assertEquals(runs.first, first, message);
  assertEquals(runs.last, model.at(-1), message);
  // Of a run that was split in two the second part may go on by itself.
  assertEquals(runs.run >= Math.min(1, run) && runs.run <= run, true, message);
  if (runs.run === run) assertEquals(runs.second, model[run], message);
  for (const trait of TRAITS) {
    assertEquals(runs.has(trait), model.some((kind) => traitOf(kind) === trait), message);
  }
  for (const kind of KINDS) {
    assertEquals(runs.count(kind), model.filter((other) => other === kind).length, message);
    assertEquals(runs.some((other) => other === kind), model.includes(kind), message);
    assertEquals(runs.lastBut(kind), model.findLast((other) => other !== kind), message);
  }
}

Deno.test("runs of replies are a queue like any, whatever is done with them", () =>
  eachRound(1, (seed) => {
    const random = seededRandom(seed);
    const runs = new ReplyRuns();
    let model: Reply[] = [];
    const done: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const what = random.pick(["add", "add", "add", "take", "take", "replace", "drop", "clear"]);
      const kind = random.pick(KINDS);
      const count = 1 + random.int(3);
      if (what === "add") {
        runs.add(kind, count);
        model.push(...Array<Reply>(count).fill(kind));
      } else if (model.length === 0) continue;
      else if (what === "take") {
        const taken = random.chance(0.5) ? 1 : runs.run;
        runs.take(taken);
        model = model.slice(taken);
      } else if (what === "replace") {
        const other = random.pick(KINDS);
        runs.replaceFirst(kind, other);
        model = [kind, other, ...model.slice(1)];
      } else if (what === "drop") {
        runs.dropLast();
        model.pop();
      } else if (random.chance(0.05)) {
        runs.clear();
        model = [];
      }
      done.push(`${what} ${kind.type} ${count}`);
      assertLike(runs, model, done.join(", "));
    }
  }));
