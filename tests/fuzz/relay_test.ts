import { assertEquals } from "@std/assert";
import { PairingError } from "../../src/relay/pairing_error.ts";
import { rewriteHost, wireOf } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { PIPELINES } from "./corpus.ts";
import { translated } from "./model.ts";
import { ModelNode } from "./node.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { runSession } from "./session.ts";

/** How often each pipeline of the corpus is tried, each time in other pieces. */
const TRIES = 20;

/** Lines of MONITOR, and the beginning of one at the end. */
const MONITOR_LINES = /\+1[^\n]*\n|\+(1[^\n]*)?$/g;

for (const [name, requests] of Object.entries(PIPELINES)) {
  Deno.test(`${name} gets what a model of a node says, whenever it comes`, async () => {
    for (let seed = 0; seed < TRIES; seed++) await compare(seed, wireOf(requests));
  });
}

Deno.test("random pipelines get from a model of a node exactly what they should", () =>
  eachRound(2, (seed) => compare(seed, randomRequests(seededRandom(seed)).join(""))));

/** Holds one session against the model. */
async function compare(seed: number, wire: string): Promise<void> {
  const random = seededRandom(seed);
  const node = new ModelNode(random, wire);
  const { client: all, sent, upstream, error } = await runSession(random, wire, node);
  const [client, expected] = [all, node.expected].map((text) =>
    node.dropsLines ? text.replaceAll(MONITOR_LINES, "") : text
  ) as [string, string];
  const shown = `${JSON.stringify(wire)} gets ${JSON.stringify(client)}`;
  // Whatever comes of it, all that has gone out is as it should be.
  const isCut = error !== undefined || node.isLossy;
  assertEquals(client, isCut ? expected.slice(0, client.length) : expected, shown);
  if (error instanceof PairingError && node.untold.size > 0) return;
  if (error !== undefined) throw new Error(shown, { cause: error });
  // What a node ignores may be no requests.
  if (node.ignores || node.isClosed) return;
  assertEquals(upstream, translated(sent, rewriteHost), shown);
}
