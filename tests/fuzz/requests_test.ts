import { assert, assertEquals } from "@std/assert";
import { rewriteHost } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { TRANSLATED_REQUESTS } from "./corpus.ts";
import { readRequests, translated } from "./model.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { type Node, runSession } from "./session.ts";
import { damaged } from "./values.ts";

for (const [name, wire] of Object.entries(TRANSLATED_REQUESTS)) {
  Deno.test(`a node gets ${name} as the model has it`, async () => {
    for (let seed = 0; seed < 20; seed++) await compare(seed, wire);
  });
}

Deno.test("a node gets random requests as the model has them, damaged or not", async () => {
  await eachRound(1, async (seed) => {
    const random = seededRandom(seed);
    // Behind a MULTI some wait for replies, which do not come here.
    let wire = randomRequests(random).filter((request) => !opensTransaction(request)).join("");
    for (let damages = random.pick([0, 1, 1, 2]); damages > 0 && wire !== ""; damages--) {
      wire = damaged(random, wire);
    }
    await compare(seed, wire);
  });
});

function opensTransaction(request: string): boolean {
  const [{ words } = { words: [] }] = readRequests(request).requests;
  return words[0]?.toLowerCase() === "multi";
}

async function compare(seed: number, wire: string): Promise<void> {
  const { upstream, restedBytes, error } = await runSession(
    seededRandom(seed),
    wire,
    new MuteNode(),
  );
  const shown = JSON.stringify(wire);
  assertEquals(error, undefined, shown);
  assertEquals(upstream, translated(wire, rewriteHost), shown);
  // Only what is not whole waits for more.
  const { requests } = readRequests(wire);
  const whole = wire.slice(0, requests.findLast(({ end }) => end !== undefined)?.end ?? 0);
  assert(restedBytes >= translated(whole, rewriteHost).length, `held too long: ${shown}`);
}

/** Takes all there is and says nothing. */
class MuteNode implements Node {
  out = "";
  readonly isClosed = false;

  receive(): void {}

  step(): boolean {
    return false;
  }

  event(): void {}
}
