import { assertEquals } from "@std/assert";
import { ExpectedReplies, type ExpectedReply } from "../../src/commands/expected_reply.ts";
import { ReplyQueue } from "../../src/relay/reply_queue.ts";
import { seededRandom } from "../support/random.ts";
import { eachRound } from "./rounds.ts";

const KINDS: readonly ExpectedReply[] = [
  ExpectedReplies.plain,
  { type: "ordinary", addresses: "slots" },
  ExpectedReplies.script,
  ExpectedReplies.none,
  { type: "subscription", command: "sunsubscribe", channels: 1 },
];

/** Far more than the queue is moved after. */
const STEPS = 200;

/** A queue as anybody would write it: one item for each reply. */
function assertLike(runs: ReplyQueue, model: readonly ExpectedReply[], message: string): void {
  const first = model[0];
  const behind = model.findIndex((kind) => kind !== first);
  const run = behind < 0 ? model.length : behind;
  assertEquals(runs.total, model.length, message);
  assertEquals(runs.first, first, message);
  assertEquals(runs.last, model.at(-1), message);
  assertEquals(runs.run, run, message);
  const all = [...runs].flatMap(({ kind, count }) => Array<ExpectedReply>(count).fill(kind));
  assertEquals(all, model, message);
}

Deno.test("runs of replies are a queue like any, whatever is done with them", () =>
  eachRound(1, (seed) => {
    const random = seededRandom(seed);
    const runs = new ReplyQueue();
    let model: ExpectedReply[] = [];
    const done: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const what = random.pick(["add", "add", "add", "take", "take"]);
      const kind = random.pick(KINDS);
      const count = 1 + random.int(3);
      if (what === "add") {
        runs.add(kind, count);
        model.push(...Array<ExpectedReply>(count).fill(kind));
      } else if (model.length === 0) continue;
      else {
        const taken = random.chance(0.5) ? 1 : runs.run;
        runs.take(taken);
        model = model.slice(taken);
      }
      done.push(`${what} ${kind.type} ${count}`);
      assertLike(runs, model, done.join(", "));
    }
  }));
