import { assertEquals } from "@std/assert";
import {
  type Conversation,
  converse,
  describeReception,
  everyReception,
  forwardedOf,
  LOGIN,
} from "../support/conversation.ts";
import { testConversations } from "./every_cut.ts";
import { nodeBytes, transcript } from "./transcript.ts";

/** What the node gets for a RESET of the client, and the answer that the client does not get. */
const AGAIN = `> ${LOGIN}`;

const CONVERSATIONS: Record<string, string> = {
  "with --login, a client that resets is logged in again":
    `> RESET < RESET ${AGAIN} < ‹OK› > CLUSTER SLOTS, GET a < SLOTS NIL`,
  "with --login, replies in progress come before the login": `
    > GET a, CLUSTER SLOTS, RESET < a SLOTS RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "with --login, a login follows each RESET":
    `> RESET < RESET ${AGAIN} < ‹OK› > GET a < NIL > RESET < RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "with --login, RESET ends a transaction, subscriptions and RESP3 before the login": `
    > HELLO 3, SUBSCRIBE a, MULTI, GET a, RESET
    < HELLO_3 >[subscribe a :1] OK QUEUED RESET ${AGAIN} < ‹OK› > CLUSTER SLOTS < SLOTS`,
  "with --login, a login after CLIENT REPLY OFF is not answered either":
    `> CLIENT REPLY OFF, GET a, RESET < ‹OK NIL› RESET ${AGAIN} < ‹OK› > PING < PONG`,
  "with --login, a RESET that is refused keeps the user":
    "> RESET, GET a < NOPERM > GET a < NIL NIL",
  "with --login, a client may log itself in":
    "> AUTH a b, HELLO 3 AUTH a b, MARKER, PING < OK HELLO_3 MARK PONG",
};

testConversations(CONVERSATIONS, { logsIn: true });

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
