import { assert, assertEquals } from "@std/assert";
import { PairingError } from "../../src/session/pending.ts";
import { translateHost, wireOf } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { PIPELINES } from "./corpus.ts";
import { readRequests, translated } from "./model.ts";
import { ModelNode } from "./node.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { haveSession } from "./session.ts";

/** How often each pipeline of the corpus is tried, each time in other pieces. */
const TRIES = 20;

for (const [name, requests] of Object.entries(PIPELINES)) {
  Deno.test(`${name} gets what a model of a node says, whenever it comes`, async () => {
    for (let seed = 0; seed < TRIES; seed++) await compare(seed, wireOf(requests));
  });
}

Deno.test("random pipelines get from a model of a node exactly what they should", async () => {
  let closed = 0;
  let rounds = 0;
  await eachRound(2, async (seed) => {
    rounds++;
    if (await compare(seed, randomRequests(seededRandom(seed)).join(""))) closed++;
  });
  assert(closed <= 1 + rounds / 20, `${closed} of ${rounds} connections were closed`);
});

/** Holds one session against the model; true if the relay gave it up, as it may. */
async function compare(seed: number, wire: string): Promise<boolean> {
  const random = seededRandom(seed);
  const node = new ModelNode(random);
  const { client, sent, upstream, error } = await haveSession(random, wire, node);
  const shown = `${JSON.stringify(wire)} gets ${JSON.stringify(client)}`;
  if (error !== undefined && !(error instanceof PairingError)) {
    throw new Error(shown, { cause: error });
  }
  // Whatever comes of it, all that has gone out is as it should be.
  const isCut = error !== undefined || node.isLossy;
  assertEquals(client, isCut ? node.expected.slice(0, client.length) : node.expected, shown);
  const wanted = translated(sent, translateHost);
  // Nor does a request wait for ever, but behind an answer that the node has kept to itself.
  const isDropped = node.untold.has("a wrong password");
  const isWhole = error === undefined && !isDropped && !node.ignores && !node.isClosed;
  assertEquals(upstream, isWhole ? wanted : wanted.slice(0, upstream.length), shown);
  if (error === undefined) return false;
  assert(node.untold.size > 0 || isUntold(wire), `${error.message}: ${shown}`);
  return true;
}

/** Whether the limits in README.md allow the relay to give up these requests, wherever it is. */
function isUntold(wire: string): boolean {
  const text = readRequests(wire).requests.map(({ words }) => words.slice(0, 3).join(" "))
    .join("\n").toLowerCase();
  const silences = /reply (off|skip)|replconf (get)?ack|monitor\n(.*\n)*(monitor|p?sync)/.test(
    text,
  );
  return silences && /\b(auth|sunsubscribe)\b/.test(text) ||
    /monitor\n(.*\n)*(eval|fcall|debug)/.test(text);
}
