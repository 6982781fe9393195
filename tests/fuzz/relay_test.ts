import { assertEquals } from "@std/assert";
import { PairingError } from "../../src/session/pending.ts";
import { translateHost } from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { translated } from "./model.ts";
import { ModelNode } from "./node.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { haveSession } from "./session.ts";

Deno.test("random pipelines get from a model of a node exactly what they should", async () => {
  const closed = new Map<string, number>();
  await eachRound(1, async (seed) => {
    const random = seededRandom(seed);
    const requests = randomRequests(random);
    const node = new ModelNode(random);
    const wire = requests.join("");
    const { client, upstream, error } = await haveSession(random, wire, node);
    const shown = `${JSON.stringify(wire)} gets ${JSON.stringify(client)}`;
    if (error !== undefined) {
      if (!(error instanceof PairingError)) throw error;
      assertBegins(node.expected, client, shown);
      const key = `${node.untold.size === 0 ? "UNEXPLAINED " : ""}${error.message}`;
      closed.set(key, (closed.get(key) ?? 0) + 1);
      if (node.untold.size === 0 && Deno.env.get("FUZZ_SHOW") === error.message) {
        console.log(`TEST_SEED=${seed}`, shown, JSON.stringify(node.expected));
      }
    } else if (node.isLossy) assertBegins(node.expected, client, shown);
    else assertEquals(client, node.expected, shown);
    assertBegins(translated(wire, translateHost), upstream, shown);
  });
  if (Deno.env.get("FUZZ_SHOW")) console.log(closed);
});

function assertBegins(whole: string, beginning: string, message: string): void {
  assertEquals(beginning, whole.slice(0, beginning.length), message);
}
