import { assertEquals } from "@std/assert";
import { PairingError } from "../../src/relay/pairing_error.ts";
import { rewriteHost, wireOf } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { PIPELINES } from "./corpus.ts";
import { rewritten } from "./model.ts";
import { ModelNode } from "./node.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { runSession } from "./session.ts";

/** How often each pipeline of the corpus runs, each time with other cuts. */
const TRIES = 20;

/** Lines of MONITOR, also an incomplete one at the end. */
const MONITOR_LINES = /\+1[^\n]*\n|\+(1[^\n]*)?$/g;

for (const [name, requests] of Object.entries(PIPELINES)) {
  Deno.test(`the relay and the model node agree on ${name}`, async () => {
    for (let seed = 0; seed < TRIES; seed++) await compare(seed, wireOf(requests.split(", ")));
  });
}

Deno.test("the relay and the model node agree on random pipelines", () =>
  eachRound(2, (seed) => compare(seed, randomRequests(seededRandom(seed)).join(""))));

/** Compares one session with the model. */
async function compare(seed: number, wire: string): Promise<void> {
  const random = seededRandom(seed);
  const node = new ModelNode(random, wire);
  const { client: all, sent, upstream, error } = await runSession(random, wire, node);
  const [client, expected] = [all, node.expected].map((text) =>
    node.mayDropLines ? text.replaceAll(MONITOR_LINES, "") : text
  ) as [string, string];
  const shown = `${JSON.stringify(wire)} gets ${JSON.stringify(client)}`;
  // If the session ended early, the bytes so far must be right.
  const isCut = error !== undefined || node.isLossy;
  assertEquals(client, isCut ? expected.slice(0, client.length) : expected, shown);
  if (error instanceof PairingError && node.ambiguities.size > 0) return;
  if (error !== undefined) throw new Error(shown, { cause: error });
  // A node may ignore bytes that are no requests.
  if (node.ignoresInput || node.isClosed) return;
  assertEquals(upstream, rewritten(sent, rewriteHost), shown);
}
