import { assert, assertEquals } from "@std/assert";
import { Turns } from "../../src/session/turns.ts";
import { within } from "../support/until.ts";

/** So many reads are all that one turn of the event loop has for them. */
const FULL = 128;

const DEADLINE_MS = 5_000;

/** Lets a turn of the event loop pass in which so many read. */
async function passTurn(turns: Turns, reads: number): Promise<void> {
  for (let read = 0; read < reads; read++) turns.note();
  // What follows a read comes behind all of them.
  await Promise.resolve();
}

/** Has somebody wait, who then is in the list. */
function wait(turns: Turns, came: string[], name: string): Promise<unknown> {
  return turns.next().then(() => came.push(name));
}

Deno.test("nobody waits where a turn serves all", async () => {
  const turns = new Turns();
  for (const reads of [1, FULL - 1, FULL - 1]) {
    await passTurn(turns, reads);
    assert(!turns.areScarce, `After ${reads} reads`);
  }
});

Deno.test("who was served waits until a turn has served all others", async () => {
  const turns = new Turns();
  const came: string[] = [];
  await passTurn(turns, FULL);
  assert(turns.areScarce);
  const served = wait(turns, came, "served");
  await passTurn(turns, FULL);
  await passTurn(turns, FULL);
  assertEquals(came, []);
  await passTurn(turns, FULL - 1);
  await within("see its turn come", served, DEADLINE_MS);
  assert(!turns.areScarce);
});

Deno.test("who has waited longest comes first, and some come at once", async () => {
  const turns = new Turns();
  const came: string[] = [];
  await passTurn(turns, FULL);
  const names = Array.from({ length: FULL }, (_, index) => `${index}`);
  const all = names.map((name) => wait(turns, came, name));
  await passTurn(turns, 1);
  await within("see the first come", all[0]!, DEADLINE_MS);
  assert(came.length < FULL, `${came.length} came at once`);
  assert(turns.areScarce);
  // Those who come and read fill no turn, so that the others need not wait for them.
  await within("see all come", Promise.all(all), DEADLINE_MS);
  assertEquals(came, names);
});

Deno.test("who was served waits longer if those who were let in fill the turn", async () => {
  const turns = new Turns();
  const came: string[] = [];
  await passTurn(turns, FULL);
  const names = Array.from({ length: FULL }, (_, index) => `${index}`);
  const all = names.map((name) => wait(turns, came, name));
  await passTurn(turns, 1);
  await within("see the first come", all[0]!, DEADLINE_MS);
  const before = came.length;
  await passTurn(turns, FULL);
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await promise;
  assertEquals(came.length, before);
  await within("see all come", Promise.all(all), DEADLINE_MS);
});

Deno.test("nobody waits for ever where nobody else reads", async () => {
  const turns = new Turns();
  await passTurn(turns, FULL);
  await within("see a turn come", turns.next(), DEADLINE_MS);
  assert(!turns.areScarce);
});
