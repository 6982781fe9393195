import { assert, assertEquals } from "@std/assert";
import { FairReadScheduler } from "../../../src/proxy/read_scheduler.ts";
import { within } from "../../support/until.ts";

/** So many reads are all that one round of the event loop has for them. */
const FULL = 128;

/** Half of them: they are certainly not all. */
const PART = 64;

const DEADLINE_MS = 5_000;

/** Lets a round of the event loop pass in which so many read, and what it leads to at once. */
async function passRound(scheduler: FairReadScheduler, reads: number): Promise<void> {
  for (let read = 0; read < reads; read++) scheduler.recordRead();
  // What follows a read comes behind all of them.
  await Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await promise;
}

/** Has some wait, who then are in the list in the order in which they come. */
function wait(
  scheduler: FairReadScheduler,
  count: number,
): { came: number[]; all: Promise<unknown> } {
  const came: number[] = [];
  const names = Array.from({ length: count }, (_, index) => index);
  const all = Promise.all(names.map((name) => scheduler.waitTurn().then(() => came.push(name))));
  return { came, all: within("see all turns come", all, DEADLINE_MS) };
}

Deno.test("nobody waits where a round serves all", async () => {
  const scheduler = new FairReadScheduler();
  for (const reads of [1, PART, PART, PART]) {
    await passRound(scheduler, reads);
    assert(!scheduler.isSaturated, `After ${reads} reads`);
  }
});

Deno.test("who was served waits until a round has served all others", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  assert(scheduler.isSaturated);
  const { came, all } = wait(scheduler, 1);
  await passRound(scheduler, FULL);
  assertEquals(came, []);
  await passRound(scheduler, PART);
  assertEquals(came, [0]);
  await all;
  assert(!scheduler.isSaturated);
});

Deno.test("who has waited longest comes first, and not all come at once", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  const { came, all } = wait(scheduler, FULL);
  await passRound(scheduler, PART);
  assert(came.length > 0 && came.length < FULL, `${came.length} came at once`);
  assert(scheduler.isSaturated);
  await all;
  assertEquals(came, came.toSorted((one, other) => one - other));
  assert(!scheduler.isSaturated);
});

Deno.test("those who wait let those pass who fill the rounds", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  const { came, all } = wait(scheduler, FULL);
  await passRound(scheduler, PART);
  const before = came.length;
  await passRound(scheduler, FULL);
  assertEquals(came.length, before);
  await all;
});

Deno.test("nobody waits for ever where nobody else reads", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  await wait(scheduler, 1).all;
  assert(!scheduler.isSaturated);
});
