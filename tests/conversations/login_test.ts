import { assertEquals } from "@std/assert";
import {
  type Conversation,
  converse,
  describeReception,
  everyReception,
  forwardedOf,
  LOGIN,
  shown,
  unmarked,
} from "../support/conversation.ts";
import { nodeBytes, transcript } from "./transcript.ts";

/** What the node gets for a RESET of the client, and the answer that the client does not get. */
const AGAIN = `> ${LOGIN}`;

const CONVERSATIONS: Record<string, string> = {
  "a client that resets is logged in again":
    `> RESET < RESET ${AGAIN} < ‹OK› > CLUSTER SLOTS, GET a < SLOTS NIL`,
  "replies in progress come before the login": `
    > GET a, CLUSTER SLOTS, RESET < a SLOTS RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "a login follows each RESET":
    `> RESET < RESET ${AGAIN} < ‹OK› > GET a < NIL > RESET < RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "RESET ends a transaction, subscriptions and RESP3 before the login": `
    > HELLO 3, SUBSCRIBE a, MULTI, GET a, RESET
    < HELLO_3 >[subscribe a :1] OK QUEUED RESET ${AGAIN} < ‹OK› > CLUSTER SLOTS < SLOTS`,
  "a login after CLIENT REPLY OFF is not answered either":
    `> CLIENT REPLY OFF, GET a, RESET < ‹OK NIL› RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "a RESET that is refused keeps the user": "> RESET, GET a < NOPERM > GET a < NIL NIL",
  "a client may log itself in": "> AUTH a b, HELLO 3 AUTH a b, MARKER, PING < OK HELLO_3 MARK PONG",
};

for (const [name, text] of Object.entries(CONVERSATIONS)) {
  Deno.test(`with --login, ${name}, at every cut`, async () => {
    const conversation = transcript(text);
    const expected = shown(nodeBytes(conversation));
    const upstream = forwardedOf(conversation.filter((turn) => typeof turn !== "string").flat());
    const node = conversation.map((turn) => typeof turn === "string" ? unmarked(turn) : turn);
    for (const reception of everyReception(nodeBytes(node).length)) {
      assertEquals(
        await converse(node, reception, { logsIn: true }),
        { client: expected, upstream, error: undefined },
        describeReception(reception),
      );
    }
  });
}

Deno.test("requests after a RESET wait until the client is logged in", async () => {
  const conversation: Conversation = [
    ["RESET", "PING", "GET a"],
    "+RESET\r\n",
    [],
    "+OK\r\n",
    [],
    "+PONG\r\n$-1\r\n",
  ];
  for (const reception of everyReception(nodeBytes(conversation).length)) {
    assertEquals(
      await converse(conversation, reception, { logsIn: true }),
      {
        client: "+RESET\r\n+PONG\r\n$-1\r\n",
        upstream: forwardedOf(["RESET", LOGIN, "PING", "GET a"]),
        error: undefined,
      },
      describeReception(reception),
    );
  }
});

Deno.test("a login that is refused after a RESET ends the session", async () => {
  const conversation = transcript(`> RESET < RESET ${AGAIN} < WRONGPASS`);
  for (const reception of everyReception(nodeBytes(conversation).length)) {
    const { client, error } = await converse(conversation, reception, { logsIn: true });
    assertEquals([client, error], ["+RESET\r\n", "LoginRefusedError"]);
  }
});
