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

/** Far more than the queue needs to compact. */
const STEPS = 200;

/** Compares a queue with its model, an array with one item for each reply. */
function assertEqualsModel(
  queue: ReplyQueue,
  model: readonly ExpectedReply[],
  message: string,
): void {
  const first = model[0];
  const behind = model.findIndex((kind) => kind !== first);
  const run = behind < 0 ? model.length : behind;
  assertEquals(queue.total, model.length, message);
  assertEquals(queue.first, first, message);
  assertEquals(queue.last, model.at(-1), message);
  assertEquals(queue.run, run, message);
  const all = [...queue].flatMap(({ kind, count }) => Array<ExpectedReply>(count).fill(kind));
  assertEquals(all, model, message);
}

Deno.test("a reply queue equals an array of replies after random operations", () =>
  eachRound(1, (seed) => {
    const random = seededRandom(seed);
    const queue = new ReplyQueue();
    let model: ExpectedReply[] = [];
    const done: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const operation = random.pick(["add", "add", "add", "take", "take"]);
      const kind = random.pick(KINDS);
      const count = 1 + random.int(3);
      if (operation === "add") {
        queue.add(kind, count);
        model.push(...Array<ExpectedReply>(count).fill(kind));
      } else if (model.length === 0) continue;
      else {
        const taken = random.chance(0.5) ? 1 : queue.run;
        queue.take(taken);
        model = model.slice(taken);
      }
      done.push(`${operation} ${kind.type} ${count}`);
      assertEqualsModel(queue, model, done.join(", "));
    }
  }));
