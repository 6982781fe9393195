import { assert, assertEquals, assertRejects } from "@std/assert";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { ExpectedReplies } from "../../src/commands/expected_reply.ts";
import {
  type Conversation,
  converse,
  everyReception,
  showReception,
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
const END = ["CLUSTER SLOTS", "PING", "PING"];
const END_REPLIES = SLOTS + PONG + PONG;

/**
 * What clients may do to make a proxy lose count. The bytes are those of Redis 7.0.15 unless a
 * name says something else. Whether such a client is served or cut off is all the same; but no
 * address may get through that no rewriter has seen.
 */
const TRICKS: Record<string, Conversation> = {
  "a wrong password that a node with other things to send does not tell of": [
    ["PING", "AUTH u x", ...END],
    PONG + MARK + END_REPLIES,
  ],
  "such a password, and a status that could be the answer": [
    ["PING", "AUTH u x", "SET a b", ...END],
    PONG + MARK + OK + END_REPLIES,
  ],
  "such a password where the marker is refused for it": [
    ["GET a", "AUTH u x", "GET a", ...END],
    NOAUTH + NOAUTH + NOAUTH + END_REPLIES,
  ],
  "a wrong password in a transaction, of which nothing is told": [
    ["MULTI"],
    OK,
    ["AUTH u x", "SET a b", "CLUSTER SLOTS", "EXEC", ...END],
    QUEUED.repeat(3) + "*3\r\n" + OK + SLOTS + MARK + END_REPLIES,
  ],
  "one of two passwords in a transaction that is not told of": [
    ["MULTI"],
    OK,
    ["AUTH u x", "AUTH u p", "CLUSTER SLOTS", "EXEC", ...END],
    QUEUED.repeat(3) + "*3\r\n" + OK + SLOTS + MARK + END_REPLIES,
  ],
  "a subscription that ends by itself before the node says that it is elsewhere": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", ...END],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    "-MOVED 1 h:1\r\n" + MARK + END_REPLIES,
  ],
  "two subscriptions of which one ends by itself": [
    ["HELLO 3", "SSUBSCRIBE s", "SSUBSCRIBE t", "SUNSUBSCRIBE t", "SUNSUBSCRIBE s", ...END],
    HELLO_3 + push(bulk("ssubscribe"), bulk("s"), int(1)) +
    push(bulk("ssubscribe"), bulk("t"), int(2)) + push(bulk("sunsubscribe"), bulk("s"), int(1)) +
    push(bulk("sunsubscribe"), bulk("t"), int(0)) + MARK + "-MOVED 1 h:1\r\n" + MARK + END_REPLIES,
  ],
  "a word that servers compare up to a NUL byte only": [
    ["*3\r\n$8\r\nREPLCONF\r\n$4\r\nack\0\r\n$1\r\n0\r\n", ...END],
    MARK + END_REPLIES,
  ],
  "a CLIENT REPLY with a NUL byte": [
    ["*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\noff\0\r\n", "GET a", "CLIENT REPLY ON", ...END],
    OK + NIL + OK + END_REPLIES,
  ],
  "a subcommand with a NUL byte": [
    ["*2\r\n$7\r\nCLUSTER\r\n$7\r\nslots\0x\r\n", 'CLUSTER "slots\\x00y"\r\n', ...END],
    SLOTS + SLOTS + END_REPLIES,
  ],
  "a command with a NUL byte": [
    [
      "*2\r\n$9\r\ncluster\0N\r\n$5\r\nslots\r\n",
      "*2\r\n$30\r\ncluster\0" + "x".repeat(22) +
      "\r\n$5\r\nslots\r\n",
      ...END,
    ],
    SLOTS + SLOTS + END_REPLIES,
  ],
  "a refusal of REPLCONF in a transaction by its ACL": [
    ["MULTI"],
    OK,
    ["ACL SETUSER u -replconf", "REPLCONF ACK 0", "CLUSTER SLOTS", "EXEC", ...END],
    QUEUED.repeat(3) + "*3\r\n" + OK + "-NOPERM ACLs rules changed\r\n" + SLOTS + MARK +
    END_REPLIES,
  ],
  "an error of a script that looks like the refusal of the marker behind it": [
    ["MULTI"],
    OK,
    ["AUTH u p", "EVAL s 0", "EXEC", "FOO", ...END],
    QUEUED.repeat(2) + "*2\r\n" + OK + "-NOPERM x 'ping' command\r\n" + MARK + "-ERR x\r\n" +
    END_REPLIES,
  ],
  "a refusal of SUNSUBSCRIBE or of its marker that is too long to be read": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", ...END],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    `-NOPERM User ${"u".repeat(300)} has no permissions to run the 'ping' command\r\n` +
    END_REPLIES,
  ],
  "a REPLCONF that fails before its ACK": [
    ["REPLCONF foo bar ACK 1", ...END],
    "-ERR Unrecognized REPLCONF option: foo\r\n" + END_REPLIES,
  ],
  "MONITOR in a transaction of a connection that monitors": [
    ["MONITOR", "MULTI"],
    OK + OK,
    ["MONITOR", "EXEC", ...END],
    MONITORED + QUEUED + "*1\r\n" + NO_MONITOR + MONITORED + END_REPLIES,
  ],
  "SYNC of a connection that monitors, which is ignored": [
    ["MONITOR", "SYNC", ...END],
    OK + MARK + END_REPLIES + MONITORED,
  ],
  "a script that returns a line of MONITOR": [
    ["MONITOR", "EVAL s 0", ...END],
    OK + MONITORED + MONITORED + MARK + END_REPLIES,
  ],
  "a script in a transaction that returns a line of MONITOR": [
    ["MONITOR", "MULTI"],
    OK + OK,
    ["EVAL s 0", "CLUSTER SLOTS", "EXEC", ...END],
    QUEUED + QUEUED + "*2\r\n" + MONITORED + MONITORED + MONITORED + SLOTS + MARK + END_REPLIES,
  ],
  "a CLIENT REPLY that is too long to be replaced": [
    [`CLIENT REPLY ${" ".repeat(5000)}OFF\r\n`, ...END],
    END_REPLIES,
  ],
  "a CLIENT REPLY whose ON the node refuses": [
    ["CLIENT REPLY OFF", "CLUSTER SLOTS", "CLIENT REPLY SKIP", ...END],
    NOAUTH + SLOTS + NOAUTH + END_REPLIES,
  ],
  "results of a transaction that OFF hides": [
    ["MULTI", "CLIENT REPLY OFF", "CLUSTER SLOTS", "EXEC", "CLIENT REPLY ON", ...END],
    OK + QUEUED.repeat(2) + "*2\r\n" + OK + SLOTS + OK + END_REPLIES,
  ],
  "a list that looks like a message, in a transaction that subscribes": [
    ["MULTI", "SUBSCRIBE a", "LRANGE l 0 2", "UNSUBSCRIBE a", "EXEC", "LRANGE u 0 2", ...END],
    OK + QUEUED.repeat(3) + "*3\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    array(bulk("unsubscribe"), bulk("a"), int(0)) + MARK +
    array(bulk("unsubscribe"), bulk("a"), bulk("0")) + END_REPLIES,
  ],
  "a message of one's own, in a transaction that subscribes, on 7.0": [
    ["MULTI", "SUBSCRIBE a", "PUBLISH a hi", "UNSUBSCRIBE a", "CLUSTER SLOTS", "EXEC", ...END],
    OK + QUEUED.repeat(4) + "*4\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    int(1) + array(bulk("unsubscribe"), bulk("a"), int(0)) + SLOTS + MARK + END_REPLIES,
  ],
  "a message and a list that looks like one, of which one is missing": [
    ["MULTI", "SUBSCRIBE a", "PUBLISH a hi", "LRANGE l 0 2", "CLUSTER SLOTS", "EXEC", ...END],
    OK + QUEUED.repeat(4) + "*4\r\n" + array(bulk("subscribe"), bulk("a"), int(1)) + MESSAGE +
    int(1) + MESSAGE + SLOTS + array(bulk("pong"), bulk("mark")),
  ],
  "a list that looks like the loss of a shard channel": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", "LRANGE l 0 2", ...END],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    MARK + array(bulk("sunsubscribe"), bulk("s"), bulk("0")) + END_REPLIES,
  ],
  "a list that looks like a message, behind an unsubscription": [
    ["SUBSCRIBE a", "UNSUBSCRIBE a", "LRANGE l 0 2", ...END],
    array(bulk("subscribe"), bulk("a"), int(1)) + array(bulk("unsubscribe"), bulk("a"), int(0)) +
    MESSAGE + END_REPLIES,
  ],
  "a status of a script that says RESET": [
    ["EVAL s 0", "RESET", "CLIENT REPLY SKIP", "RESET", "EVAL s 0", ...END],
    RESET + RESET + OK + RESET + RESET + END_REPLIES,
  ],
  "a name in capitals, quotes and escapes": [
    ["\"\\x43LuStEr\" 'sLoTs'\r\n", "*2\r\n$7\r\ncLUSTER\r\n$5\r\nsLOTS\r\n", ...END],
    SLOTS + SLOTS + END_REPLIES,
  ],
  "line ends that nobody looks at": [
    ["*2\rx$7\rxCLUSTERxx$5\rxSLOTS\n\n", ...END],
    SLOTS + END_REPLIES,
  ],
  "a request inside a request, and half of one": [
    ["*2\r\n$4\r\nECHO\r\n$32\r\n*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n\r\n", ...END],
    bulk("*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n") + END_REPLIES,
  ],
};

for (const [name, talk] of Object.entries(TRICKS)) {
  Deno.test(`no address gets through by ${name}`, async () => {
    const length = talk.filter((turn) => typeof turn === "string").join("").length;
    for (const reception of everyReception(length)) {
      const { client } = await converse(talk, reception);
      const seen = client.replaceAll(/«[^»]*»/g, "");
      assert(!seen.includes("10.0.0.1"), `${showReception(reception)}: ${JSON.stringify(client)}`);
    }
  });
}

/** What no server sends: nothing may be guessed from it. */
const MISFITS: Record<string, [talk: Conversation, error: string]> = {
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
  "a reply in the place of a confirmation": [[["SUBSCRIBE a"], OK], "PairingError"],
  "a message before its subscription": [[["SUBSCRIBE a"], MESSAGE], "PairingError"],
  "one confirmation less": [
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
  "a pushed confirmation that nobody asked for": [
    [["HELLO 3", "GET a"], HELLO_3 + push(bulk("subscribe"), bulk("a"), int(1))],
    "PairingError",
  ],
  "a pushed end of a subscription that nobody asked for": [
    [["HELLO 3", "GET a"], HELLO_3 + push(bulk("unsubscribe"), bulk("a"), int(0))],
    "PairingError",
  ],
  "a reply to a request that is none": [[["*x\r\n"], OK], "PairingError"],
  "a reply to no request under OFF": [
    [["CLIENT REPLY OFF", "PING"], OK + PONG + SLOTS],
    "PairingError",
  ],
  "a reply to REPLCONF ACK": [[["REPLCONF ACK 1"], OK], "PairingError"],
  "a reply to an empty request": [[["\r\n"], OK], "PairingError"],
  "an array in the place of the answer to CLIENT REPLY SKIP": [
    [["CLIENT REPLY SKIP"], SLOTS],
    "PairingError",
  ],
  "two replies to a request with a marker": [
    [["PING", "AUTH p"], PONG + OK + OK + MARK],
    "PairingError",
  ],
  "a transaction that takes a marker for a command": [
    [["MULTI", "PING", "DISCARD", "PING", "AUTH p"], OK + QUEUED + OK + PONG, [], OK + QUEUED],
    "PairingError",
  ],
  "an array in the place of the answer to CLIENT REPLY ON": [
    [["CLIENT REPLY ON", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "an array in the place of the answer to RESET": [
    [["RESET", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "an array in the place of the answer to MULTI": [
    [["MULTI", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "a status in the place of CLUSTER SLOTS": [
    [["CLUSTER SLOTS", "PING"], PONG + PONG],
    "PairingError",
  ],
  "an array in the place of CLUSTER NODES": [
    [["CLUSTER NODES", "PING"], SLOTS + PONG],
    "PairingError",
  ],
  "more words than REPLCONF ever has": [
    [[`REPLCONF${" a b".repeat(40)}`], OK],
    "PairingError",
  ],
  "a byte that begins no value": [[["PING"], "x"], "RespError"],
  "a web server's answer": [[["PING"], "HTTP/1.1 400 Bad Request\r\n\r\n"], "RespError"],
  "such an answer to CLUSTER SLOTS": [[["CLUSTER SLOTS"], "HTTP/1.1 400 Bad\r\n"], "RespError"],
  "such an answer in a transaction": [
    [["MULTI", "GET a", "EXEC"], OK + QUEUED + "*1\r\nHTTP"],
    "RespError",
  ],
  "a length that is none": [[["CLUSTER SLOTS"], "*x\r\n"], "RespError"],
  "a length that is none, in a push": [[["PING"], ">x\r\n"], "RespError"],
  "a replication stream that nobody asked for": [
    [["GET a"], `$EOF:${"a".repeat(40)}\r\n`],
    "RespError",
  ],
};

for (const [name, [talk, error]] of Object.entries(MISFITS)) {
  Deno.test(`${name} ends the session, and nothing of it goes out`, async () => {
    const bytes = talk.filter((turn) => typeof turn === "string").join("");
    for (const reception of everyReception(bytes.length)) {
      const outcome = await converse(talk, reception);
      const shown = `${showReception(reception)}: ${JSON.stringify(outcome.client)}`;
      assertEquals(outcome.error, error, shown);
      assert(!outcome.client.replaceAll(/«[^»]*»/g, "").includes("10.0.0.1"), shown);
    }
  });
}

/** What a node sends does not tell, even with a marker: such a client is cut off. */
const UNTOLD: Record<string, Conversation> = {
  "a transaction with two passwords, of which one is not told of": TRICKS[
    "one of two passwords in a transaction that is not told of"
  ]!,
  "a transaction with a message and what looks like one": TRICKS[
    "a message and a list that looks like one, of which one is missing"
  ]!,
  "a script in a transaction that returns a line of MONITOR": TRICKS[
    "a script in a transaction that returns a line of MONITOR"
  ]!,
  "the loss of a channel that is given up while another client's script runs": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", "PING"],
    array(bulk("ssubscribe"), bulk("s"), int(1)) + array(bulk("sunsubscribe"), bulk("s"), int(0)) +
    "-BUSY x\r\n".repeat(3),
  ],
};

for (const [name, talk] of Object.entries(UNTOLD)) {
  Deno.test(`${name} ends the session rather than have replies guessed`, async () => {
    const { length } = talk.filter((turn) => typeof turn === "string").join("");
    for (const reception of everyReception(length)) {
      const { error } = await converse(talk, reception);
      assertEquals(error, "PairingError", showReception(reception));
    }
  });
}

Deno.test("a pipeline of any length is one run", () => {
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

Deno.test("nulls and values of any type answer a plain request", async () => {
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
  const talk = [values.map(() => "GET a"), values.join("")];
  for (const reception of everyReception(values.join("").length)) {
    const { client, error } = await converse(talk, reception);
    assertEquals([client, error], [values.join(""), undefined], showReception(reception));
  }
});

Deno.test("a reply has come when its last byte has", async () => {
  const tracker = new ReplyTracker();
  tracker.expect(ExpectedReplies.script);
  const settled = tracker.drained().then(() => "settled");
  tracker.match({ type: 0x24, text: "", cut: false, count: 0, first: "", second: "" });
  assertEquals(tracker.needsMarker(ExpectedReplies.auth), true);
  assertEquals(await Promise.race([settled, Promise.resolve("waiting")]), "waiting");
  tracker.frameEnded();
  assertEquals(await settled, "settled");
  assertEquals(tracker.needsMarker(ExpectedReplies.auth), false);
});

Deno.test("who waits for a reply is told when there will be none", async () => {
  const tracker = new ReplyTracker();
  tracker.expect(ExpectedReplies.plain);
  const settled = tracker.drained();
  tracker.abandon();
  await assertRejects(() => settled, Error, "closed the connection");
  await assertRejects(() => tracker.drained(), Error, "closed the connection");
});
