import { assert, assertEquals } from "@std/assert";
import { rewriteHost } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { REWRITTEN_REQUESTS } from "./corpus.ts";
import { readRequests, rewritten } from "./model.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { type Node, runSession } from "./session.ts";
import { corrupted } from "./values.ts";

for (const [name, wire] of Object.entries(REWRITTEN_REQUESTS)) {
  Deno.test(`the request relay and the model agree on ${name}`, async () => {
    for (let seed = 0; seed < 20; seed++) await compare(seed, wire);
  });
}

Deno.test("the request relay and the model agree on random requests, also corrupted ones", async () => {
  await eachRound(1, async (seed) => {
    const random = seededRandom(seed);
    // After MULTI, some requests wait for replies, which this node does not send.
    const requests = randomRequests(random).filter((request) => !opensTransaction(request));
    await compare(seed, corrupted(random, requests.join("")));
  });
});

function opensTransaction(request: string): boolean {
  const [{ args } = { args: [] }] = readRequests(request).requests;
  return args[0]?.toLowerCase() === "multi";
}

async function compare(seed: number, wire: string): Promise<void> {
  const { upstream, bytesBeforeEnd, error } = await runSession(
    seededRandom(seed),
    wire,
    new SilentNode(),
  );
  const shown = JSON.stringify(wire);
  assertEquals(error, undefined, shown);
  assertEquals(upstream, rewritten(wire, rewriteHost), shown);
  // All complete requests were forwarded before the client ended its side.
  const { requests } = readRequests(wire);
  const complete = wire.slice(0, requests.findLast(({ end }) => end !== undefined)?.end ?? 0);
  assert(
    bytesBeforeEnd >= rewritten(complete, rewriteHost).length,
    `a complete request was held: ${shown}`,
  );
}

/** A node that reads all bytes and sends none. */
class SilentNode implements Node {
  out = "";
  readonly isClosed = false;

  receive(): void {}

  step(): boolean {
    return false;
  }

  event(): void {}
}
