import { assert, assertEquals, assertRejects } from "@std/assert";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { ExpectedReplies } from "../../src/commands/expected_reply.ts";
import {
  type Conversation,
  converse,
  describeReception,
  everyReception,
} from "../support/conversation.ts";
import { array, bulk, int, map, NIL, NULL, OK, PONG, push, QUEUED } from "../support/frames.ts";

const SLOTS = array(array(int(0), int(5), array(bulk("10.0.0.1"), int(7000), bulk("a"))));
const HELLO_2 = array(bulk("server"), bulk("redis"), bulk("modules"), array());
const HELLO_3 = map(bulk("server"), bulk("redis"), bulk("modules"), array());
const RESET = "+RESET\r\n";
const NOAUTH = "-NOAUTH Authentication required.\r\n";
const MONITORED = '+1700000000.123456 [0 10.0.0.9:4711] "get" "k"\r\n';
const NO_MONITOR = "-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n";
const MESSAGE = array(bulk("message"), bulk("a"), bulk("hi"));
const MARK = bulk("mark");
const LAST_REQUESTS = ["CLUSTER SLOTS", "PING", "PING"];
const LAST_REPLIES = SLOTS + PONG + PONG;

/**
 * Requests that try to shift the pairing of replies, with the bytes that Redis 7.0.15 sends unless
 * the name states another version. The proxy may serve such a client or close it, but no address
 * may pass that was not rewritten.
 */
const HOSTILE_CONVERSATIONS: Record<string, Conversation> = {
  "the node drops the error for a wrong password": [
    ["PING", "AUTH u x", ...LAST_REQUESTS],
    PONG + MARK + LAST_REPLIES,
  ],
  "the node drops the error for a wrong password, and the next reply is a status": [
    ["PING", "AUTH u x", "SET a b", ...LAST_REQUESTS],
    PONG + MARK + OK + LAST_REPLIES,
  ],
  "the node drops the error for a wrong password, and refuses the marker": [
    ["GET a", "AUTH u x", "GET a", ...LAST_REQUESTS],
    NOAUTH + NOAUTH + NOAUTH + LAST_REPLIES,
  ],
  "the node drops the error for a wrong password in a transaction": [
    ["MULTI"],
    OK,
    ["AUTH u x", "SET a b", "CLUSTER SLOTS", "EXEC", ...LAST_REQUESTS],
    QUEUED.repeat(3) + "*3\r\n" + OK + SLOTS + MARK + LAST_REPLIES,
  ],
  "one of two AUTH errors in a transaction is dropped": [
    ["MULTI"],
    OK,
    ["AUTH u x", "AUTH u p", "CLUSTER SLOTS", "EXEC", ...LAST_REQUESTS],
    QUEUED.repeat(3) + "*3\r\n" + OK + SLOTS + MARK + LAST_REPLIES,
  ],
  "an unsolicited end of a subscription, then a redirect of its SUNSUBSCRIBE": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", ...LAST_REQUESTS],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    "-MOVED 1 h:1\r\n" + MARK + LAST_REPLIES,
  ],
  "two subscriptions, of which one ends unsolicited": [
    [
      "HELLO 3",
      "SSUBSCRIBE s",
      "SSUBSCRIBE t",
      "SUNSUBSCRIBE t",
      "SUNSUBSCRIBE s",
      ...LAST_REQUESTS,
    ],
    HELLO_3 + push(bulk("ssubscribe"), bulk("s"), int(1)) +
    push(bulk("ssubscribe"), bulk("t"), int(2)) + push(bulk("sunsubscribe"), bulk("s"), int(1)) +
    push(bulk("sunsubscribe"), bulk("t"), int(0)) + MARK + "-MOVED 1 h:1\r\n" + MARK + LAST_REPLIES,
  ],
  "an option with a NUL byte, up to which servers compare": [
    ["*3\r\n$8\r\nREPLCONF\r\n$4\r\nack\0\r\n$1\r\n0\r\n", ...LAST_REQUESTS],
    MARK + LAST_REPLIES,
  ],
  "a CLIENT REPLY with a NUL byte": [
    [
      "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\noff\0\r\n",
      "GET a",
      "CLIENT REPLY ON",
      ...LAST_REQUESTS,
    ],
    OK + NIL + OK + LAST_REPLIES,
  ],
  "a subcommand with a NUL byte": [
    ["*2\r\n$7\r\nCLUSTER\r\n$7\r\nslots\0x\r\n", 'CLUSTER "slots\\x00y"\r\n', ...LAST_REQUESTS],
    SLOTS + SLOTS + LAST_REPLIES,
  ],
  "a command with a NUL byte": [
    [
      "*2\r\n$9\r\ncluster\0N\r\n$5\r\nslots\r\n",
      "*2\r\n$30\r\ncluster\0" + "x".repeat(22) +
      "\r\n$5\r\nslots\r\n",
      ...LAST_REQUESTS,
    ],
    SLOTS + SLOTS + LAST_REPLIES,
  ],
  "an ACL that forbids REPLCONF inside the transaction": [
    ["MULTI"],
    OK,
    ["ACL SETUSER u -replconf", "REPLCONF ACK 0", "CLUSTER SLOTS", "EXEC", ...LAST_REQUESTS],
    QUEUED.repeat(3) + "*3\r\n" + OK + "-NOPERM ACLs rules changed\r\n" + SLOTS + MARK +
    LAST_REPLIES,
  ],
  "an error of a script that looks like a refusal of the marker": [
    ["MULTI"],
    OK,
    ["AUTH u p", "EVAL s 0", "EXEC", "FOO", ...LAST_REQUESTS],
    QUEUED.repeat(2) + "*2\r\n" + OK + "-NOPERM x 'ping' command\r\n" + MARK + "-ERR x\r\n" +
    LAST_REPLIES,
  ],
  "an error for SUNSUBSCRIBE or its marker that is longer than a frame head": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", ...LAST_REQUESTS],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    `-NOPERM User ${"u".repeat(300)} has no permissions to run the 'ping' command\r\n` +
    LAST_REPLIES,
  ],
  "a REPLCONF that fails before its ACK": [
    ["REPLCONF foo bar ACK 1", ...LAST_REQUESTS],
    "-ERR Unrecognized REPLCONF option: foo\r\n" + LAST_REPLIES,
  ],
  "MONITOR in a transaction on a connection that monitors": [
    ["MONITOR", "MULTI"],
    OK + OK,
    ["MONITOR", "EXEC", ...LAST_REQUESTS],
    MONITORED + QUEUED + "*1\r\n" + NO_MONITOR + MONITORED + LAST_REPLIES,
  ],
  "SYNC on a connection that monitors, which the node ignores": [
    ["MONITOR", "SYNC", ...LAST_REQUESTS],
    OK + MARK + LAST_REPLIES + MONITORED,
  ],
  "a script that returns a line of MONITOR": [
    ["MONITOR", "EVAL s 0", ...LAST_REQUESTS],
    OK + MONITORED + MONITORED + MARK + LAST_REPLIES,
  ],
  "a script in a transaction returns a line of MONITOR": [
    ["MONITOR", "MULTI"],
    OK + OK,
    ["EVAL s 0", "CLUSTER SLOTS", "EXEC", ...LAST_REQUESTS],
    QUEUED + QUEUED + "*2\r\n" + MONITORED + MONITORED + MONITORED + SLOTS + MARK + LAST_REPLIES,
  ],
  "a CLIENT REPLY that is too long for the read buffer": [
    [`CLIENT REPLY ${" ".repeat(5000)}OFF\r\n`, ...LAST_REQUESTS],
    LAST_REPLIES,
  ],
  "a node that refuses CLIENT REPLY ON": [
    ["CLIENT REPLY OFF", "CLUSTER SLOTS", "CLIENT REPLY SKIP", ...LAST_REQUESTS],
    NOAUTH + SLOTS + NOAUTH + LAST_REPLIES,
  ],
  "results of a transaction that OFF drops": [
    ["MULTI", "CLIENT REPLY OFF", "CLUSTER SLOTS", "EXEC", "CLIENT REPLY ON", ...LAST_REQUESTS],
    OK + QUEUED.repeat(2) + "*2\r\n" + OK + SLOTS + OK + LAST_REPLIES,
  ],
  "a list that looks like a message in a transaction that subscribes": [
    [
      "MULTI",
      "SUBSCRIBE a",
      "LRANGE l 0 2",
      "UNSUBSCRIBE a",
      "EXEC",
      "LRANGE u 0 2",
      ...LAST_REQUESTS,
    ],
    OK + QUEUED.repeat(3) + "*3\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    array(bulk("unsubscribe"), bulk("a"), int(0)) + MARK +
    array(bulk("unsubscribe"), bulk("a"), bulk("0")) + LAST_REPLIES,
  ],
  "a message of the connection itself in a transaction that subscribes": [
    [
      "MULTI",
      "SUBSCRIBE a",
      "PUBLISH a hi",
      "UNSUBSCRIBE a",
      "CLUSTER SLOTS",
      "EXEC",
      ...LAST_REQUESTS,
    ],
    OK + QUEUED.repeat(4) + "*4\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    int(1) + array(bulk("unsubscribe"), bulk("a"), int(0)) + SLOTS + MARK + LAST_REPLIES,
  ],
  "a message and a list that looks like one in a transaction": [
    [
      "MULTI",
      "SUBSCRIBE a",
      "PUBLISH a hi",
      "LRANGE l 0 2",
      "CLUSTER SLOTS",
      "EXEC",
      ...LAST_REQUESTS,
    ],
    OK + QUEUED.repeat(4) + "*4\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    int(1) + MESSAGE + SLOTS + array(bulk("pong"), bulk("mark")),
  ],
  "a list that looks like the unsolicited end of a shard subscription": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", "LRANGE l 0 2", ...LAST_REQUESTS],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    MARK + array(bulk("sunsubscribe"), bulk("s"), bulk("0")) + LAST_REPLIES,
  ],
  "a list that looks like a message after UNSUBSCRIBE": [
    ["SUBSCRIBE a", "UNSUBSCRIBE a", "LRANGE l 0 2", ...LAST_REQUESTS],
    array(bulk("subscribe"), bulk("a"), int(1)) + array(bulk("unsubscribe"), bulk("a"), int(0)) +
    MESSAGE + LAST_REPLIES,
  ],
  "a script that returns the status RESET": [
    ["EVAL s 0", "RESET", "CLIENT REPLY SKIP", "RESET", "EVAL s 0", ...LAST_REQUESTS],
    RESET + RESET + OK + RESET + RESET + LAST_REPLIES,
  ],
  "a command name in mixed case, quotes and escapes": [
    ["\"\\x43LuStEr\" 'sLoTs'\r\n", "*2\r\n$7\r\ncLUSTER\r\n$5\r\nsLOTS\r\n", ...LAST_REQUESTS],
    SLOTS + SLOTS + LAST_REPLIES,
  ],
  "line ends with other bytes, which servers do not check": [
    ["*2\rx$7\rxCLUSTERxx$5\rxSLOTS\n\n", ...LAST_REQUESTS],
    SLOTS + LAST_REPLIES,
  ],
  "an argument that contains a request and the beginning of another": [
    [
      "*2\r\n$4\r\nECHO\r\n$32\r\n*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n\r\n",
      ...LAST_REQUESTS,
    ],
    bulk("*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n") + LAST_REPLIES,
  ],
};

for (const [name, conversation] of Object.entries(HOSTILE_CONVERSATIONS)) {
  Deno.test(`no address passes unrewritten: ${name}`, async () => {
    const length = conversation.filter((turn) => typeof turn === "string").join("").length;
    for (const reception of everyReception(length)) {
      const { client } = await converse(conversation, reception);
      const seen = client.replaceAll(/«[^»]*»/g, "");
      assert(
        !seen.includes("10.0.0.1"),
        `${describeReception(reception)}: ${JSON.stringify(client)}`,
      );
    }
  });
}

/** Frames that no server sends. The session ends, because the pairing would be a guess. */
const INVALID_REPLIES: Record<string, [conversation: Conversation, error: string]> = {
  "a reply to no request": [[["PING"], PONG + PONG], "PairingError"],
  "a reply before any request": [[[], OK], "PairingError"],
  "an array to no request": [[["PING"], PONG + SLOTS], "PairingError"],
  "a bulk to no request": [[["PING"], PONG, [], bulk("a")], "PairingError"],
  "fewer results than commands": [
    [["MULTI", "GET a", "CLUSTER SLOTS", "EXEC"], OK + QUEUED.repeat(2) + "*1\r\n" + SLOTS],
    "PairingError",
  ],
  "more results than commands": [
    [["MULTI", "GET a", "EXEC"], OK + QUEUED + "*2\r\n" + NIL + SLOTS],
    "PairingError",
  ],
  "results without a transaction": [[["EXEC"], "*1\r\n" + SLOTS], "PairingError"],
  "results of a discarded transaction": [
    [["MULTI", "GET a", "DISCARD", "EXEC"], OK + QUEUED + OK + "*1\r\n" + SLOTS],
    "PairingError",
  ],
  "a reply instead of a confirmation": [[["SUBSCRIBE a"], OK], "PairingError"],
  "a message before its subscription": [[["SUBSCRIBE a"], MESSAGE], "PairingError"],
  "one confirmation too few": [
    [
      ["SUBSCRIBE a b", "UNSUBSCRIBE"],
      array(bulk("subscribe"), bulk("a"), int(1)) + array(bulk("unsubscribe"), bulk("a"), int(0)),
    ],
    "PairingError",
  ],
  "a confirmation of another kind": [
    [["SUBSCRIBE a"], array(bulk("psubscribe"), bulk("a"), int(1))],
    "PairingError",
  ],
  "an unsolicited pushed confirmation of SUBSCRIBE": [
    [["HELLO 3", "GET a"], HELLO_3 + push(bulk("subscribe"), bulk("a"), int(1))],
    "PairingError",
  ],
  "an unsolicited pushed confirmation of UNSUBSCRIBE": [
    [["HELLO 3", "GET a"], HELLO_3 + push(bulk("unsubscribe"), bulk("a"), int(0))],
    "PairingError",
  ],
  "a reply to bytes that are no request": [[["*x\r\n"], OK], "PairingError"],
  "a reply to no request under OFF": [
    [["CLIENT REPLY OFF", "PING"], OK + PONG + SLOTS],
    "PairingError",
  ],
  "a reply to REPLCONF ACK": [[["REPLCONF ACK 1"], OK], "PairingError"],
  "a reply to an empty request": [[["\r\n"], OK], "PairingError"],
  "an array instead of the reply to CLIENT REPLY SKIP": [
    [["CLIENT REPLY SKIP"], SLOTS],
    "PairingError",
  ],
  "two replies to a request with a marker": [
    [["PING", "AUTH p"], PONG + OK + OK + MARK],
    "PairingError",
  ],
  "a transaction that queues a marker": [
    [["MULTI", "PING", "DISCARD", "PING", "AUTH p"], OK + QUEUED + OK + PONG, [], OK + QUEUED],
    "PairingError",
  ],
  "an array instead of the reply to CLIENT REPLY ON": [
    [["CLIENT REPLY ON", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "an array instead of the reply to RESET": [
    [["RESET", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "an array instead of the reply to MULTI": [
    [["MULTI", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "a status instead of the reply to CLUSTER SLOTS": [
    [["CLUSTER SLOTS", "PING"], PONG + PONG],
    "PairingError",
  ],
  "an array instead of the reply to CLUSTER NODES": [
    [["CLUSTER NODES", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "a status for a REPLCONF with too many arguments": [
    [[`REPLCONF${" a b".repeat(40)}`], OK],
    "PairingError",
  ],
  "a byte that begins no value": [[["PING"], "x"], "RespError"],
  "an HTTP response": [[["PING"], "HTTP/1.1 400 Bad Request\r\n\r\n"], "RespError"],
  "an HTTP response to CLUSTER SLOTS": [[["CLUSTER SLOTS"], "HTTP/1.1 400 Bad\r\n"], "RespError"],
  "an HTTP response in a transaction": [
    [["MULTI", "GET a", "EXEC"], OK + QUEUED + "*1\r\nHTTP"],
    "RespError",
  ],
  "an array header without a number": [[["CLUSTER SLOTS"], "*x\r\n"], "RespError"],
  "a push header without a number": [[["PING"], ">x\r\n"], "RespError"],
  "an unsolicited replication stream": [
    [["GET a"], `$EOF:${"a".repeat(40)}\r\n`],
    "RespError",
  ],
};

for (const [name, [conversation, error]] of Object.entries(INVALID_REPLIES)) {
  Deno.test(`${name} ends the session, and no address passes`, async () => {
    const bytes = conversation.filter((turn) => typeof turn === "string").join("");
    for (const reception of everyReception(bytes.length)) {
      const outcome = await converse(conversation, reception);
      const shown = `${describeReception(reception)}: ${JSON.stringify(outcome.client)}`;
      assertEquals(outcome.error, error, shown);
      assert(!outcome.client.replaceAll(/«[^»]*»/g, "").includes("10.0.0.1"), shown);
    }
  });
}

/** Conversations that stay ambiguous even with a marker. The session ends. */
const AMBIGUOUS_CONVERSATIONS: Record<string, Conversation> = {
  "a transaction with two AUTH errors, of which one is dropped": HOSTILE_CONVERSATIONS[
    "one of two AUTH errors in a transaction is dropped"
  ]!,
  "a transaction with a message and a list that looks like one": HOSTILE_CONVERSATIONS[
    "a message and a list that looks like one in a transaction"
  ]!,
  "a script in a transaction returns a line of MONITOR": HOSTILE_CONVERSATIONS[
    "a script in a transaction returns a line of MONITOR"
  ]!,
  "an unsolicited end of a subscription while BUSY refuses SUNSUBSCRIBE and its marker": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", "PING"],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    "-BUSY x\r\n".repeat(3),
  ],
};

for (const [name, conversation] of Object.entries(AMBIGUOUS_CONVERSATIONS)) {
  Deno.test(`the session ends instead of guessing: ${name}`, async () => {
    const { length } = conversation.filter((turn) => typeof turn === "string").join("");
    for (const reception of everyReception(length)) {
      const { error } = await converse(conversation, reception);
      assertEquals(error, "PairingError", describeReception(reception));
    }
  });
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

Deno.test("a value of any type answers a plain request", async () => {
  const values = [
    NIL,
    NULL,
    "*-1\r\n",
    "%0\r\n",
    "~0\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(1\r\n",
    "!1\r\nx\r\n",
    HELLO_2,
  ];
  const conversation = [values.map(() => "GET a"), values.join("")];
  for (const reception of everyReception(values.join("").length)) {
    const { client, error } = await converse(conversation, reception);
    assertEquals([client, error], [values.join(""), undefined], describeReception(reception));
  }
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
