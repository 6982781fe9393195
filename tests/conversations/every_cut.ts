import { assertEquals } from "@std/assert";
import {
  converse,
  type ConverseOptions,
  describeReception,
  everyReception,
  forwardedOf,
  shown,
  unmarked,
} from "../support/conversation.ts";
import { nodeBytes, transcript } from "./transcript.ts";

/** Tests each conversation, a transcript by its name, in all ways in which it can be received. */
export function testConversations(
  conversations: Readonly<Record<string, string>>,
  options?: ConverseOptions,
): void {
  for (const [name, text] of Object.entries(conversations)) {
    Deno.test(`${name}, at every cut`, async () => {
      const conversation = transcript(text);
      const expected = shown(nodeBytes(conversation));
      const upstream = forwardedOf(conversation.filter((turn) => typeof turn !== "string").flat());
      const node = conversation.map((turn) => typeof turn === "string" ? unmarked(turn) : turn);
      for (const reception of everyReception(nodeBytes(node).length)) {
        assertEquals(
          await converse(node, reception, options),
          { client: expected, upstream, error: undefined },
          describeReception(reception),
        );
      }
    });
  }
}
