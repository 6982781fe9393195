import { assert, assertEquals } from "@std/assert";
import { FairReadScheduler } from "../../../src/proxy/read_scheduler.ts";
import { within } from "../../support/until.ts";

/** The number of reads in a full round of the event loop. */
const FULL = 128;

/** Half of that: certainly not a full round. */
const PART = 64;

const DEADLINE_MS = 5_000;

/** Simulates a round of the event loop with some reads. */
async function passRound(scheduler: FairReadScheduler, reads: number): Promise<void> {
  for (let read = 0; read < reads; read++) scheduler.recordRead();
  // The microtasks after the reads run first.
  await Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await promise;
}

/** Queues some relays; `came` lists them in the order in which they are released. */
function wait(
  scheduler: FairReadScheduler,
  count: number,
): { came: number[]; all: Promise<unknown> } {
  const came: number[] = [];
  const names = Array.from({ length: count }, (_, index) => index);
  const all = Promise.all(names.map((name) => scheduler.waitTurn().then(() => came.push(name))));
  return { came, all: within("release all relays", all, DEADLINE_MS) };
}

Deno.test("no relay waits if a round serves all", async () => {
  const scheduler = new FairReadScheduler();
  for (const reads of [1, PART, PART, PART]) {
    await passRound(scheduler, reads);
    assert(!scheduler.isSaturated, `After ${reads} reads`);
  }
});

Deno.test("a served relay waits until a round has served all others", async () => {
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

Deno.test("relays are released in order, and not all at once", async () => {
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

Deno.test("waiting relays stay queued while rounds are full", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  const { came, all } = wait(scheduler, FULL);
  await passRound(scheduler, PART);
  const before = came.length;
  await passRound(scheduler, FULL);
  assertEquals(came.length, before);
  await all;
});

Deno.test("a relay is released if no other relay reads", async () => {
  const scheduler = new FairReadScheduler();
  await passRound(scheduler, FULL);
  await wait(scheduler, 1).all;
  assert(!scheduler.isSaturated);
});
