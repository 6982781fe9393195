import { assert, assertEquals, assertRejects } from "@std/assert";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { ExpectedReplies } from "../../src/commands/expected_reply.ts";
import { converse, describeReception, everyReception, unmarked } from "../support/conversation.ts";
import { nodeBytes, transcript } from "./transcript.ts";

/**
 * Requests that try to shift the pairing of replies, with the bytes that Redis 7.0.15 sends unless
 * the name states another version. The proxy may serve such a client or close it, but no address
 * may pass that was not rewritten.
 */
const HOSTILE: Record<string, string> = {
  "the node drops the error for a wrong password": "> PING, AUTH u x, LAST < PONG MARK LAST",
  "the node drops the error for a wrong password, and the next reply is a status":
    "> PING, AUTH u x, SET a b, LAST < PONG MARK OK LAST",
  "the node drops the error for a wrong password, and refuses the marker":
    "> GET a, AUTH u x, GET a, LAST < NOAUTH×3 LAST",
  "the node drops the error for a wrong password in a transaction":
    "> MULTI < OK > AUTH u x, SET a b, CLUSTER SLOTS, EXEC, LAST < QUEUED×3 *3 OK SLOTS MARK LAST",
  "an unsolicited end of a subscription, then a redirect of its SUNSUBSCRIBE": `
    > SSUBSCRIBE s, SUNSUBSCRIBE s, LAST
    < [ssubscribe s :1] [sunsubscribe s :0] (-MOVED 1 h:1) MARK LAST`,
  "two subscriptions, of which one ends unsolicited": `
    > HELLO 3, SSUBSCRIBE s, SSUBSCRIBE t, SUNSUBSCRIBE t, SUNSUBSCRIBE s, LAST
    < HELLO_3 >[ssubscribe s :1] >[ssubscribe t :2] >[sunsubscribe s :1] >[sunsubscribe t :0] MARK
      (-MOVED 1 h:1) MARK LAST`,
  "an option with a NUL byte, up to which servers compare":
    `> "*3\r\n$8\r\nREPLCONF\r\n$4\r\nack\0\r\n$1\r\n0\r\n", LAST < MARK LAST`,
  "a CLIENT REPLY with a NUL byte": `
    > "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\noff\0\r\n", GET a, CLIENT REPLY ON, LAST
    < OK NIL OK LAST`,
  "a subcommand with a NUL byte": `
    > "*2\r\n$7\r\nCLUSTER\r\n$7\r\nslots\0x\r\n", "CLUSTER "slots\\x00y"\r\n", LAST
    < SLOTS SLOTS LAST`,
  "a command with a NUL byte": `
    > "*2\r\n$9\r\ncluster\0N\r\n$5\r\nslots\r\n",
      "*2\r\n$30\r\ncluster\0${"x".repeat(22)}\r\n$5\r\nslots\r\n", LAST
    < SLOTS SLOTS LAST`,
  "an ACL that forbids REPLCONF inside the transaction": `
    > MULTI < OK
    > ACL SETUSER u -replconf, REPLCONF ACK 0, CLUSTER SLOTS, EXEC, LAST
    < QUEUED×3 *3 OK (-NOPERM ACLs rules changed) SLOTS MARK LAST`,
  "an error of a script that looks like a refusal of the marker": `
    > MULTI < OK
    > AUTH u p, EVAL s 0, EXEC, FOO, LAST
    < QUEUED QUEUED *2 OK (-NOPERM x 'ping' command) MARK (-ERR x) LAST`,
  "an error for SUNSUBSCRIBE or its marker that is longer than a frame head": `
    > SSUBSCRIBE s, SUNSUBSCRIBE s, LAST
    < [ssubscribe s :1] [sunsubscribe s :0]
      (-NOPERM User ${"u".repeat(300)} has no permissions to run the 'ping' command) LAST`,
  "a REPLCONF that fails before its ACK":
    "> REPLCONF foo bar ACK 1, LAST < (-ERR Unrecognized REPLCONF option: foo) LAST",
  "MONITOR in a transaction on a connection that monitors": `
    > MONITOR, MULTI < OK OK
    > MONITOR, EXEC, LAST < MONITORED QUEUED *1 NO_MONITOR MONITORED LAST`,
  "SYNC on a connection that monitors, which the node ignores":
    "> MONITOR, SYNC, LAST < OK MARK LAST MONITORED",
  "a script that returns a line of MONITOR":
    "> MONITOR, EVAL s 0, LAST < OK MONITORED MONITORED MARK LAST",
  "a CLIENT REPLY that is too long for the read buffer": `> "CLIENT REPLY${
    " ".repeat(5001)
  }OFF\r\n", LAST < LAST`,
  "a node that refuses CLIENT REPLY ON":
    "> CLIENT REPLY OFF, CLUSTER SLOTS, CLIENT REPLY SKIP, LAST < NOAUTH SLOTS NOAUTH LAST",
  "results of a transaction that OFF drops": `
    > MULTI, CLIENT REPLY OFF, CLUSTER SLOTS, EXEC, CLIENT REPLY ON, LAST
    < OK QUEUED QUEUED *2 OK SLOTS OK LAST`,
  "a list that looks like a message in a transaction that subscribes": `
    > MULTI, SUBSCRIBE a, LRANGE l 0 2, UNSUBSCRIBE a, EXEC, LRANGE u 0 2, LAST
    < OK QUEUED×3 *3 [subscribe a :1] MESSAGE [unsubscribe a :0] MARK [unsubscribe a 0] LAST`,
  "a message of the connection itself in a transaction that subscribes": `
    > MULTI, SUBSCRIBE a, PUBLISH a hi, UNSUBSCRIBE a, CLUSTER SLOTS, EXEC, LAST
    < OK QUEUED×4 *4 [subscribe a :1] MESSAGE :1 [unsubscribe a :0] SLOTS MARK LAST`,
  "a list that looks like the unsolicited end of a shard subscription": `
    > SSUBSCRIBE s, SUNSUBSCRIBE s, LRANGE l 0 2, LAST
    < [ssubscribe s :1] [sunsubscribe s :0] MARK [sunsubscribe s 0] LAST`,
  "a list that looks like a message after UNSUBSCRIBE": `
    > SUBSCRIBE a, UNSUBSCRIBE a, LRANGE l 0 2, LAST
    < [subscribe a :1] [unsubscribe a :0] MESSAGE LAST`,
  "a script that returns the status RESET":
    "> EVAL s 0, RESET, CLIENT REPLY SKIP, RESET, EVAL s 0, LAST < RESET RESET OK RESET RESET LAST",
  "a command name in mixed case, quotes and escapes": `
    > ""\\x43LuStEr" 'sLoTs'\r\n", "*2\r\n$7\r\ncLUSTER\r\n$5\r\nsLOTS\r\n", LAST
    < SLOTS SLOTS LAST`,
  "line ends with other bytes, which servers do not check":
    `> "*2\rx$7\rxCLUSTERxx$5\rxSLOTS\n\n", LAST < SLOTS LAST`,
  "an argument that contains a request and the beginning of another": `
    > "*2\r\n$4\r\nECHO\r\n$32\r\n*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n\r\n", LAST
    < '*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n' LAST`,
};

/** Conversations that stay ambiguous even with a marker. */
const AMBIGUOUS: Record<string, string> = {
  "one of two AUTH errors in a transaction is dropped":
    "> MULTI < OK > AUTH u x, AUTH u p, CLUSTER SLOTS, EXEC, LAST < QUEUED×3 *3 OK SLOTS MARK LAST",
  "a script in a transaction returns a line of MONITOR": `
    > MONITOR, MULTI < OK OK
    > EVAL s 0, CLUSTER SLOTS, EXEC, LAST < QUEUED QUEUED *2 MONITORED×3 SLOTS MARK LAST`,
  "a message and a list that looks like one in a transaction": `
    > MULTI, SUBSCRIBE a, PUBLISH a hi, LRANGE l 0 2, CLUSTER SLOTS, EXEC, LAST
    < OK QUEUED×4 *4 [subscribe a :1] MESSAGE :1 MESSAGE SLOTS PONG_MARK`,
  "an unsolicited end of a subscription while BUSY refuses SUNSUBSCRIBE and its marker":
    "> SSUBSCRIBE s, SUNSUBSCRIBE s, PING < [ssubscribe s :1] [sunsubscribe s :0] (-BUSY x)×3",
};

/** Frames that no server sends in reply; how to pair them would be a guess. */
const UNPAIRED: Record<string, string> = {
  "a reply to no request": "> PING < PONG PONG",
  "a reply before any request": "> < OK",
  "an array to no request": "> PING < PONG SLOTS",
  "a bulk to no request": "> PING < PONG > < a",
  "fewer results than commands": "> MULTI, GET a, CLUSTER SLOTS, EXEC < OK QUEUED QUEUED *1 SLOTS",
  "more results than commands": "> MULTI, GET a, EXEC < OK QUEUED *2 NIL SLOTS",
  "results without a transaction": "> EXEC < *1 SLOTS",
  "results of a discarded transaction": "> MULTI, GET a, DISCARD, EXEC < OK QUEUED OK *1 SLOTS",
  "a reply instead of a confirmation": "> SUBSCRIBE a < OK",
  "a message before its subscription": "> SUBSCRIBE a < MESSAGE",
  "one confirmation too few": "> SUBSCRIBE a b, UNSUBSCRIBE < [subscribe a :1] [unsubscribe a :0]",
  "a confirmation with another value": "> SUBSCRIBE a, PING < [subscribe a :1 :1] PONG",
  "a confirmation of another kind": "> SUBSCRIBE a < [psubscribe a :1]",
  "an unsolicited pushed confirmation of SUBSCRIBE": "> HELLO 3, GET a < HELLO_3 >[subscribe a :1]",
  "an unsolicited pushed confirmation of UNSUBSCRIBE":
    "> HELLO 3, GET a < HELLO_3 >[unsubscribe a :0]",
  "a reply to bytes that are no request": `> "*x\r\n" < OK`,
  "a reply to no request under OFF": "> CLIENT REPLY OFF, PING < OK PONG SLOTS",
  "a reply to REPLCONF ACK": "> REPLCONF ACK 1 < OK",
  "a reply to an empty request": `> "\r\n" < OK`,
  "an array instead of the reply to CLIENT REPLY SKIP": "> CLIENT REPLY SKIP < SLOTS",
  "two replies to a request with a marker": "> PING, AUTH p < PONG OK OK MARK",
  "a transaction that queues a marker":
    "> MULTI, PING, DISCARD, PING, AUTH p < OK QUEUED OK PONG > < OK QUEUED",
  "an array instead of the reply to CLIENT REPLY ON": "> CLIENT REPLY ON, PING < SLOTS PONG",
  "an array instead of the reply to RESET": "> RESET, PING < SLOTS PONG",
  "an array instead of the reply to MULTI": "> MULTI, PING < SLOTS PONG",
  "a status instead of the reply to CLUSTER SLOTS": "> CLUSTER SLOTS, PING < PONG PONG",
  "an array instead of the reply to CLUSTER NODES": "> CLUSTER NODES, PING < SLOTS PONG",
  "a status for a REPLCONF with too many arguments": `> REPLCONF${" a b".repeat(40)} < OK`,
};

/** Bytes that are no RESP. */
const BROKEN: Record<string, string> = {
  "a byte that begins no value": `> PING < "x"`,
  "an HTTP response": `> PING < "HTTP/1.1 400 Bad Request\r\n\r\n"`,
  "an HTTP response to CLUSTER SLOTS": "> CLUSTER SLOTS < (HTTP/1.1 400 Bad)",
  "an HTTP response in a transaction": `> MULTI, GET a, EXEC < OK QUEUED *1 "HTTP"`,
  "an array header without a number": "> CLUSTER SLOTS < *x",
  "a push header without a number": "> PING < >x",
  "an unsolicited replication stream": `> GET a < $EOF:${"a".repeat(40)}`,
};

for (
  const [outcome, conversations, error] of [
    ["no address passes unrewritten", HOSTILE],
    ["the session ends instead of guessing", AMBIGUOUS, "PairingError"],
    ["the session ends, and no address passes", UNPAIRED, "PairingError"],
    ["the session ends, and no address passes", BROKEN, "RespError"],
  ] as const
) {
  for (const [name, text] of Object.entries(conversations)) {
    Deno.test(`${outcome}: ${name}`, async () => {
      const conversation = transcript(text).map((turn) =>
        typeof turn === "string" ? unmarked(turn) : turn
      );
      for (const reception of everyReception(nodeBytes(conversation).length)) {
        const result = await converse(conversation, reception);
        const seen = `${describeReception(reception)}: ${JSON.stringify(result.client)}`;
        if (error !== undefined) assertEquals(result.error, error, seen);
        assert(!result.client.replaceAll(/«[^»]*»/g, "").includes("10.0.0.1"), seen);
      }
    });
  }
}

Deno.test("plain replies form one run of any length", () => {
  const tracker = new ReplyTracker();
  for (let round = 0; round < 100_000; round++) tracker.expect(ExpectedReplies.plain);
  assertEquals(tracker.plainRun, 100_000);
  tracker.expect({ type: "ordinary", addresses: "slots" });
  tracker.expect(ExpectedReplies.plain);
  tracker.consume(99_999);
  assertEquals(tracker.plainRun, 1);
  tracker.consume(1);
  assertEquals(tracker.plainRun, 0);
});

Deno.test("a reply is pending until its last byte has come", async () => {
  const tracker = new ReplyTracker();
  tracker.expect(ExpectedReplies.script);
  const drained = tracker.drained().then(() => "drained");
  tracker.match({ type: 0x24, text: "", cut: false, count: 0, first: "", second: "" });
  assertEquals(tracker.needsMarker(ExpectedReplies.auth), true);
  assertEquals(await Promise.race([drained, Promise.resolve("waiting")]), "waiting");
  tracker.frameEnded();
  assertEquals(await drained, "drained");
  assertEquals(tracker.needsMarker(ExpectedReplies.auth), false);
});

Deno.test("waiting for replies fails once the node closes the connection", async () => {
  const tracker = new ReplyTracker();
  tracker.expect(ExpectedReplies.plain);
  const drained = tracker.drained();
  tracker.abandon();
  await assertRejects(() => drained, Error, "closed the connection");
  await assertRejects(() => tracker.drained(), Error, "closed the connection");
});
