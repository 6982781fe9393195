import { assertEquals } from "@std/assert";
import {
  type Conversation,
  converse,
  describeReception,
  everyReception,
  forwardedOf,
  hidden,
  MARK,
  MARKER,
  PONG_MARK,
  shown,
  SMALL_BUFFER_BYTES,
  unmarked,
} from "../support/conversation.ts";
import {
  array,
  bulk,
  int,
  map,
  NIL,
  NULL,
  OK,
  PONG,
  push,
  QUEUED,
  verbatim,
} from "../support/frames.ts";

/**
 * Frames in « » are those that the client must get rewritten; the first word names the rewriter.
 * The client gets these texts as written here.
 */
const SLOTS = `«slots ${
  array(array(int(0), int(5), array(bulk("10.0.0.1"), int(7000), bulk("a"))))
}»`;
const SLOTS_3 = SLOTS.replace("*3\r\n$8", "*4\r\n$8").replace("»", `${map()}»`);
const SHARDS = `«shards ${array(map(bulk("slots"), array(), bulk("nodes"), array()))}»`;
const NODES = `«nodes ${bulk("a 10.0.0.1:7000@17000 master - 0 0 1 connected 0-5\n")}»`;
const NODES_3 = `«nodes ${verbatim("a 10.0.0.1:7000@17000 master - 0 0 1 connected 0-5\n")}»`;
const REPLICAS = `«replicas ${array(bulk("b 10.0.0.2:7001@17001 slave a 0 0 1 connected"))}»`;
const ROLE = `«role ${
  array(bulk("slave"), bulk("10.0.0.1"), int(7000), bulk("connected"), int(1))
}»`;
const INFO = `«info ${bulk("# Server\r\ntcp_port:7000\r\n")}»`;
const CLIENTS = `«clients ${bulk("id=1 addr=10.0.0.9:4 laddr=10.0.0.1:7000\n")}»`;
const SLOWLOG = array(
  array(int(1), int(2), int(3), array(bulk("PING")), bulk("10.0.0.9:4"), bulk("")),
);
const ACL_LOG = array(array(bulk("client-info"), bulk("addr=10.0.0.9:4")));
const MOVED = "«redirect -MOVED 1 10.0.0.1:7000\r\n»";
const ASK = "«redirect -ASK 1 10.0.0.1:7000\r\n»";
const MOVING = `«push ${push(bulk("MOVING"), int(1), int(15), bulk("10.0.0.1:7000"))}»`;
const MIGRATED =
  "«migrateerror -ERR Target instance replied with error: MOVED 1 10.0.0.1:7000\r\n»";
const INVALID_ADDRESS = "«echoedarguments -ERR Invalid node address specified: 10.0.0.1:60000\r\n»";
const UNKNOWN =
  "«echoedarguments -ERR unknown command 'X', with args beginning with: '10.0.0.1' '7000' \r\n»";
const HELLO_2 = array(bulk("server"), bulk("redis"), bulk("modules"), array());
const HELLO_3 = map(bulk("server"), bulk("redis"), bulk("modules"), array());
const RESET = "+RESET\r\n";
const ERR = "-ERR unknown command 'FOO', with args beginning with: \r\n";
const INVALIDATE = push(bulk("invalidate"), array(bulk("k")));
const MESSAGE = array(bulk("message"), bulk("a"), bulk("hi"));
const MESSAGE_3 = push(bulk("message"), bulk("a"), bulk("hi"));
const MONITORED = '+1700000000.123456 [0 10.0.0.9:4711] "get" "k"\r\n';
const MONITORED_MIGRATE =
  '+1700000000.1 [0 10.0.0.9:4711] "MIGRATE" "10.0.0.1" "7000" "k" "0" "9"\r\n';
const NOAUTH = "-NOAUTH Authentication required.\r\n";
const NOPERM = "-NOPERM this user has no permissions to run the 'client|reply' command\r\n";
const PUBSUB_ONLY =
  "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n";
const WRONGPASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NO_PING = "-NOPERM User u has no permissions to run the 'ping' command\r\n";
const NO_PING_62 =
  "-NOPERM this user has no permissions to run the 'ping' command or its subcommand\r\n";
const MASTERDOWN = "-MASTERDOWN Link with MASTER is down\r\n";
const ABORTED = "-EXECABORT Transaction discarded because of previous errors.\r\n";

const CONVERSATIONS: Record<string, Conversation> = {
  // One request, one reply.
  "a plain pipeline passes": [["GET a", "SET a b", "LRANGE l 0 1"], NIL + OK + array(NIL, int(1))],
  "every reply with addresses is rewritten": [
    [
      "CLUSTER SLOTS",
      "cluster shards",
      "Cluster Nodes",
      "CLUSTER REPLICAS a",
      "CLUSTER SLAVES a",
      "ROLE",
      "INFO",
      "info replication",
      "CLIENT LIST",
      "client info",
      "CLUSTER NODES",
    ],
    SLOTS + SHARDS + NODES + REPLICAS + REPLICAS + ROLE + INFO + INFO + CLIENTS + CLIENTS + NODES_3,
  ],
  "SLOWLOG, COMMANDLOG and ACL LOG pass unchanged": [
    ["SLOWLOG GET", "commandlog get 1 slow", "ACL LOG", "CLUSTER SLOTS"],
    SLOWLOG + SLOWLOG + ACL_LOG + SLOTS,
    ["MULTI", "SLOWLOG GET", "CLUSTER SLOTS", "ACL LOG", "EXEC", "PING"],
    OK + QUEUED.repeat(3) + "*3\r\n" + SLOWLOG + SLOTS + ACL_LOG + PONG,
  ],
  "a CONFIG GET passes unchanged, because tools write it back": [
    ["CONFIG GET *", "CLUSTER SLOTS", "HELLO 3", "CONFIG GET bind"],
    array(bulk("bind"), bulk("10.0.0.1")) + SLOTS + HELLO_3 + map(bulk("bind"), bulk("10.0.0.1")),
  ],
  "replies with addresses are found in a pipeline": [
    ["GET a", "CLUSTER SLOTS", "GET b", "GET c", "CLUSTER NODES", "GET d"],
    NIL + SLOTS + bulk("b") + bulk("c") + NODES + NIL,
  ],
  "replies with addresses are found when requests wait for each reply": [
    ["GET a"],
    NIL,
    ["CLUSTER SLOTS", "GET b"],
    SLOTS + NIL,
    ["ROLE"],
    ROLE,
  ],
  "inline requests are recognized": [
    ["cluster slots\r\n", "PING\n", "\"CLUSTER\" 'NODES'\r\n"],
    SLOTS + PONG + NODES,
  ],
  "other subcommands are plain": [
    ["CLUSTER INFO", "CLUSTER MYID", "CLIENT ID", "CLIENT GETNAME", "CLUSTER"],
    bulk("cluster_state:ok\r\n") + bulk("a") + int(7) + NIL + ERR,
  ],
  "a key named CLUSTER is a key": [
    ["GET CLUSTER", "SET CLUSTER SLOTS", "LRANGE CLUSTER 0 1", "CLUSTER SLOTS"],
    bulk("SLOTS") + OK + array(bulk("10.0.0.1"), int(7000)) + SLOTS,
  ],
  "values that look like replies pass": [
    ["GET a", "MGET a b", "CLUSTER SLOTS"],
    bulk("-MOVED 1 10.0.0.1:7000\r\n") +
    array(bulk("\r\n-MOVED 1 10.0.0.1:7000\r\n"), bulk(unmarked(SLOTS))) + SLOTS,
  ],
  "attributes before replies pass": [
    ["GET a", "CLUSTER SLOTS", "GET b"],
    `|1\r\n+ttl\r\n:1\r\n${bulk("a")}${SLOTS.replace(" ", " |1\r\n+ttl\r\n:1\r\n")}|0\r\n${OK}`,
  ],
  "nulls of both protocols pass": [
    ["GET a", "GET b", "BLPOP a 1", "GET c"],
    NIL + NULL + "*-1\r\n" + NULL,
  ],
  "errors instead of replies with addresses pass": [
    ["CLUSTER SLOTS", "CLUSTER NODES", "INFO", "CLUSTER SLOTS"],
    NOPERM + NOAUTH + "-LOADING Redis is loading the dataset in memory\r\n" + SLOTS,
  ],
  "a long value passes between replies with addresses": [
    ["CLUSTER SLOTS", "GET a", "CLUSTER SLOTS"],
    SLOTS + bulk("x".repeat(700)) + SLOTS,
  ],
  "a long error passes between replies with addresses": [
    ["FOO", "CLUSTER SLOTS", "FOO", "CLUSTER SLOTS"],
    `-ERR ${"x".repeat(300)}\r\n${SLOTS}-ERR ${"y".repeat(600)}\r\n${SLOTS}`,
  ],
  "a status longer than the buffer passes": [
    ["ECHO a", "CLUSTER SLOTS"],
    `+${"x".repeat(1200)}\r\n${SLOTS}`,
  ],
  "a rewritten reply may be longer than the buffer": [
    ["CLUSTER SLOTS", "PING"],
    `«slots ${array(...Array.from({ length: 20 }, () => unmarked(SLOTS)))}»${PONG}`,
  ],

  // Redirects.
  "redirects are rewritten": [
    ["GET a", "GET b", "GET c", "GET d"],
    MOVED + ASK + "«redirect -REDIRECT 10.0.0.1:7000\r\n»" + NIL,
  ],
  "a redirect to the longest host is rewritten": [
    ["GET a"],
    `«redirect -MOVED 16383 ${"h".repeat(255)}:65535\r\n»`,
  ],
  "a redirect to an empty host is rewritten": [["GET a"], "«redirect -MOVED 3999 :6379\r\n»"],
  "errors whose code only begins like a redirect pass": [
    ["GET a", "GET b", "GET c"],
    "-MOVEDX 1 h:1\r\n-ASKING 1 h:1\r\n-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
  ],
  "a late redirect of a blocked command is rewritten": [["BLPOP a 0", "PING"], MOVED + PONG],
  "an unsolicited redirect is rewritten": [["BLPOP a 0"], MOVED + MOVED, ["PING"], PONG],
  "a redirect instead of a reply with addresses is rewritten": [
    ["CLUSTER SLOTS", "CLUSTER NODES"],
    MOVED + NODES,
  ],
  "a status or a bulk with the text of a redirect passes": [
    ["ECHO a", "ECHO b"],
    "+MOVED 1 10.0.0.1:7000\r\n" + bulk("MOVED 1 10.0.0.1:7000"),
  ],
  "a redirect of a script with keys is rewritten as a script's redirect": [
    [
      "EVAL s 1 a",
      "EVALSHA s 1 a",
      "EVAL_RO s 1 a",
      "EVALSHA_RO s 1 a",
      "FCALL f 1 a",
      "FCALL_RO f 1 a",
    ],
    "«scriptredirect -MOVED 1 10.0.0.1:7000\r\n»".repeat(6),
  ],
  "an error of a script without keys that looks like a redirect passes": [
    ["EVAL s 0", "FCALL f 0 x", "PING"],
    "-MOVED 1 10.0.0.1:7000\r\n-ASK 1 10.0.0.1:7000\r\n" + PONG,
  ],
  "errors inside the result of a script pass": [
    ["EVAL s 1 a"],
    array("-MOVED 1 10.0.0.1:7000\r\n", OK),
  ],
  "an error of the target of MIGRATE is rewritten": [
    ["MIGRATE h 1 k 0 9", "GET a", "MIGRATE h 1 k 0 9"],
    MIGRATED + "-ERR Target instance replied with error: MOVED 1 10.0.0.1:7000\r\n" +
    "-IOERR error or timeout reading from target instance\r\n",
  ],
  "a redirect of MIGRATE itself is rewritten": [["MIGRATE h 1 k 0 9"], MOVED],
  "an error that repeats the address of a request is rewritten": [
    ["CLUSTER MEET h 1", "MIGRATE h 1 k 0 9", "REPLICAOF h 1", "FAILOVER TO h 1", "CLIENT KILL a"],
    INVALID_ADDRESS + UNKNOWN.repeat(4),
  ],
  "an error that repeats the arguments of another request passes": [
    ["GET 10.0.0.1 7000", "CLUSTER FORGET 10.0.0.1", "CLUSTER MEET h 1", "CLUSTER SLOTS"],
    unmarked(UNKNOWN) + unmarked(INVALID_ADDRESS) + OK + SLOTS,
  ],
  "an error that repeats an address inside EXEC is rewritten": [
    ["MULTI", "CLUSTER MEET h 1", "CLUSTER SLOTS", "EXEC"],
    OK + QUEUED + QUEUED + "*2\r\n" + INVALID_ADDRESS + SLOTS,
  ],

  // Pushes.
  "pushes pass anywhere between replies": [
    ["HELLO 3", "GET a", "CLUSTER SLOTS", "GET b"],
    INVALIDATE + HELLO_3 + INVALIDATE + NULL + push(bulk("invalidate"), NULL) + SLOTS_3 +
    INVALIDATE +
    NULL + push(bulk("tracking-redir-broken"), int(7)) + push(bulk("invalidate"), NIL),
  ],
  "a push that comes before or after its reply passes": [
    ["GET a"],
    INVALIDATE,
    ["CLUSTER SLOTS"],
    NULL + SLOTS,
    [],
    INVALIDATE,
  ],
  "a push with addresses is rewritten": [
    ["HELLO 3", "GET a", "CLUSTER SLOTS"],
    MOVING + HELLO_3 + MOVING + NULL + "«push >2\r\n+SMIGRATED\r\n:1\r\n»" + SLOTS + MOVING,
  ],
  "pushes without a known type pass": [
    ["GET a"],
    ">0\r\n>1\r\n:5\r\n>1\r\n*0\r\n" + push(bulk("x".repeat(90))) + NIL,
  ],
  "a push inside a reply passes with the reply": [
    ["LRANGE a 0 1", "CLUSTER SLOTS"],
    `*2\r\n${MESSAGE_3}:1\r\n:2\r\n${SLOTS}`,
  ],
  "DEBUG PROTOCOL push and attrib pass": [
    ["DEBUG PROTOCOL attrib", "DEBUG PROTOCOL push", "CLUSTER SLOTS"],
    `|1\r\n${bulk("key-popularity")}${array(bulk("key:123"), int(90))}${bulk("reply")}${
      push(bulk("server-cpu-usage"), int(42))
    }${bulk("reply")}${SLOTS}`,
  ],

  // Subscriptions.
  "a subscription is confirmed once per channel": [
    ["SUBSCRIBE a b", "PING", "PSUBSCRIBE p", "SSUBSCRIBE s"],
    confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) + pong("") +
    confirmed("psubscribe", "p", 3) + confirmed("ssubscribe", "s", 1),
  ],
  "a duplicate channel is confirmed twice": [
    ["SUBSCRIBE a a", "UNSUBSCRIBE a a", "CLUSTER SLOTS"],
    confirmed("subscribe", "a", 1) + confirmed("subscribe", "a", 1) +
    confirmed("unsubscribe", "a", 0) +
    confirmed("unsubscribe", "a", 0) + SLOTS,
  ],
  "UNSUBSCRIBE without arguments is confirmed once per channel": [
    ["SUBSCRIBE a b c", "PSUBSCRIBE p q", "UNSUBSCRIBE", "PUNSUBSCRIBE", "CLUSTER SLOTS", "PING"],
    confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) +
    confirmed("subscribe", "c", 3) +
    confirmed("psubscribe", "p", 4) + confirmed("psubscribe", "q", 5) +
    confirmed("unsubscribe", "c", 4) +
    confirmed("unsubscribe", "a", 3) + confirmed("unsubscribe", "b", 2) +
    confirmed("punsubscribe", "q", 1) +
    confirmed("punsubscribe", "p", 0) + SLOTS + PONG,
  ],
  "SUNSUBSCRIBE without arguments is confirmed once per shard channel": [
    ["SSUBSCRIBE a b", "SUBSCRIBE c", "SUNSUBSCRIBE", MARKER, "UNSUBSCRIBE", "CLUSTER SLOTS"],
    confirmed("ssubscribe", "a", 1) + confirmed("ssubscribe", "b", 2) +
    confirmed("subscribe", "c", 1) +
    confirmed("sunsubscribe", "b", 1) + confirmed("sunsubscribe", "a", 0) + PONG_MARK +
    confirmed("unsubscribe", "c", 0) + SLOTS,
  ],
  "UNSUBSCRIBE without any subscription is confirmed once": [
    ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "CLUSTER SLOTS"],
    confirmed("unsubscribe", null, 0) + confirmed("punsubscribe", null, 0) +
    confirmed("sunsubscribe", null, 0) + SLOTS,
  ],
  "UNSUBSCRIBE of channels that were not subscribed is confirmed": [
    ["UNSUBSCRIBE a b", "CLUSTER SLOTS", "PUNSUBSCRIBE p"],
    confirmed("unsubscribe", "a", 0) + confirmed("unsubscribe", "b", 0) + SLOTS +
    confirmed("punsubscribe", "p", 0),
  ],
  "channels with the names of commands and the form of counts are channels": [
    ["SUBSCRIBE message subscribe :9", "UNSUBSCRIBE", "CLUSTER SLOTS"],
    confirmed("subscribe", "message", 1) + confirmed("subscribe", "subscribe", 2) +
    confirmed("subscribe", ":9", 3) +
    confirmed("unsubscribe", ":9", 2) + confirmed("unsubscribe", "message", 1) +
    confirmed("unsubscribe", "subscribe", 0) + SLOTS,
  ],
  "a channel with a long name is confirmed": [
    ["SUBSCRIBE a", "UNSUBSCRIBE", "CLUSTER SLOTS"],
    confirmed("subscribe", "x".repeat(600), 1) + confirmed("unsubscribe", "x".repeat(600), 0) +
    SLOTS,
  ],
  "a refused subscription is one error": [
    ["SUBSCRIBE a b", "SSUBSCRIBE a b", "PSUBSCRIBE p q", "SUBSCRIBE", "CLUSTER SLOTS"],
    NOAUTH + "-CROSSSLOT Keys in request don't hash to the same slot\r\n" + NOPERM +
    "-ERR wrong number of arguments for 'subscribe' command\r\n" + SLOTS,
  ],
  "a subscription that is refused in EXEC is one error": [
    ["MULTI", "SUBSCRIBE a b", "CLUSTER SLOTS", "SUBSCRIBE c", "EXEC", MARKER, "CLUSTER SLOTS"],
    OK + QUEUED.repeat(3) + "*3\r\n" + NOPERM + SLOTS + confirmed("subscribe", "c", 1) + PONG_MARK +
    SLOTS,
  ],
  "a transaction that gives a slot away ends its shard subscriptions": [
    ["HELLO 3", "SSUBSCRIBE s t", "MULTI"],
    HELLO_3 + pushed("ssubscribe", "s", 1) + pushed("ssubscribe", "t", 2) + OK,
    ["CLUSTER DELSLOTS 1", "SUNSUBSCRIBE s", "EXEC", MARKER, "CLUSTER SLOTS"],
    QUEUED + QUEUED + "*2\r\n" + OK + pushed("sunsubscribe", "s", 0) +
    pushed("sunsubscribe", "t", 0) + MARK + SLOTS_3,
  ],
  "a redirect of SSUBSCRIBE is rewritten": [
    ["SSUBSCRIBE a b", "SSUBSCRIBE c", "PING"],
    MOVED + confirmed("ssubscribe", "c", 1) + pong(""),
  ],
  "messages pass between replies": [
    ["SUBSCRIBE a", "PSUBSCRIBE p", "SSUBSCRIBE s", "PING", "PING x"],
    confirmed("subscribe", "a", 1) + MESSAGE + confirmed("psubscribe", "p", 2) +
    confirmed("ssubscribe", "s", 1) +
    array(bulk("pmessage"), bulk("p"), bulk("a"), bulk("hi")) + pong("") + MESSAGE +
    array(bulk("smessage"), bulk("s"), bulk("hi")) + pong("x") + MESSAGE + MESSAGE,
    [],
    MESSAGE,
    ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", MARKER, "LRANGE l 0 2", "CLUSTER SLOTS"],
    MESSAGE + confirmed("unsubscribe", "a", 1) + confirmed("punsubscribe", "p", 0) +
    confirmed("sunsubscribe", "s", 0) + MARK + MESSAGE + SLOTS,
  ],
  "commands that are refused while subscribed are answered": [
    [
      "SUBSCRIBE a",
      "GET a",
      "CLUSTER SLOTS",
      "CLIENT REPLY OFF",
      "HELLO 3",
      "MULTI",
      "PING",
      "UNSUBSCRIBE",
      "CLUSTER SLOTS",
    ],
    confirmed("subscribe", "a", 1) + PUBSUB_ONLY + PUBSUB_ONLY.replace("get", "cluster|slots") +
    PUBSUB_ONLY.replace("get", "client|reply") + PUBSUB_ONLY.replace("get", "hello") +
    PUBSUB_ONLY.replace("get", "multi") + pong("") + confirmed("unsubscribe", "a", 0) + SLOTS,
  ],
  "without a subscription, an array that looks like a message is a reply": [
    [
      "LRANGE l 0 2",
      "CLUSTER SLOTS",
      "SUBSCRIBE a",
      "UNSUBSCRIBE",
      "LRANGE l 0 2",
      "CLUSTER SLOTS",
    ],
    MESSAGE + SLOTS + confirmed("subscribe", "a", 1) + confirmed("unsubscribe", "a", 0) + MESSAGE +
    SLOTS,
  ],
  "in RESP3, an array that looks like a message is a reply": [
    ["HELLO 3", "SUBSCRIBE a", "LRANGE l 0 2", "CLUSTER SLOTS"],
    HELLO_3 + pushed("subscribe", "a", 1) + MESSAGE + MESSAGE_3 + SLOTS_3,
  ],
  "an array that looks like a confirmation is a reply": [
    ["LRANGE l 0 2", "CLUSTER SLOTS", "SUBSCRIBE a"],
    array(bulk("subscribe"), bulk("a"), bulk("1")) + SLOTS + confirmed("subscribe", "a", 1),
  ],
  "invalidations pass as messages, with a list or a null of either protocol": [
    ["SUBSCRIBE __redis__:invalidate", "PING"],
    confirmed("subscribe", "__redis__:invalidate", 1) + invalidated(array(bulk("k"), bulk("l"))) +
    invalidated(NIL) +
    invalidated(NULL) + invalidated("*-1\r\n") + invalidated(array()) + pong(""),
  ],
  "subscriptions in RESP3 are confirmed by pushes": [
    [
      "HELLO 3",
      "SUBSCRIBE a b",
      "PING",
      "UNSUBSCRIBE",
      "UNSUBSCRIBE",
      "CLUSTER SLOTS",
      "PSUBSCRIBE p",
      "GET a",
    ],
    HELLO_3 + pushed("subscribe", "a", 1) + pushed("subscribe", "b", 2) + PONG +
    pushed("unsubscribe", "b", 1) +
    pushed("unsubscribe", "a", 0) + pushed("unsubscribe", null, 0) + SLOTS_3 +
    pushed("psubscribe", "p", 1) + NULL,
  ],
  "messages in RESP3 pass between all replies": [
    ["HELLO 3", "SUBSCRIBE a", "GET a", "CLUSTER SLOTS", "SSUBSCRIBE s", "GET b"],
    HELLO_3 + pushed("subscribe", "a", 1) + MESSAGE_3 + NULL + MESSAGE_3 + SLOTS_3 + MESSAGE_3 +
    MOVED + MESSAGE_3 + NULL,
  ],
  "an unsolicited end of a shard subscription passes": [
    ["SSUBSCRIBE s t"],
    confirmed("ssubscribe", "s", 1) + confirmed("ssubscribe", "t", 2),
    ["PING"],
    confirmed("sunsubscribe", "s", 1) + pong("") + confirmed("sunsubscribe", "t", 0),
    ["CLUSTER SLOTS", "LRANGE l 0 2"],
    SLOTS + MESSAGE,
  ],
  "an unsolicited end of a shard subscription passes in RESP3": [
    ["HELLO 3", "SSUBSCRIBE s"],
    HELLO_3 + pushed("ssubscribe", "s", 1),
    ["CLUSTER SLOTS", "GET a"],
    pushed("sunsubscribe", "s", 0) + SLOTS_3 + NULL,
  ],
  "an unsolicited end of a shard subscription before its SUNSUBSCRIBE is answered passes": [
    ["SSUBSCRIBE s"],
    confirmed("ssubscribe", "s", 1),
    ["SUNSUBSCRIBE s", MARKER, "CLUSTER SLOTS"],
    confirmed("sunsubscribe", "s", 0) + confirmed("sunsubscribe", "s", 0) + MARK + SLOTS,
  ],
  "an unsolicited end of a shard subscription, then a redirect of its SUNSUBSCRIBE": [
    ["SSUBSCRIBE s"],
    confirmed("ssubscribe", "s", 1),
    ["SUNSUBSCRIBE s", MARKER, "CLUSTER SLOTS", "PING"],
    confirmed("sunsubscribe", "s", 0) + MOVED + MARK + SLOTS + PONG,
    ["SSUBSCRIBE t", "SUNSUBSCRIBE s", MARKER, "PING"],
    confirmed("ssubscribe", "t", 1) + MESSAGE.replace("$7\r\nmessage", "$8\r\nsmessage") + MOVED +
    PONG_MARK + pong(""),
  ],
  "an unsolicited end of a shard subscription, then a redirect of its SUNSUBSCRIBE, in RESP3": [
    ["HELLO 3", "SSUBSCRIBE s"],
    HELLO_3 + pushed("ssubscribe", "s", 1),
    ["SUNSUBSCRIBE s", MARKER, "CLUSTER SLOTS", "PING"],
    INVALIDATE + pushed("sunsubscribe", "s", 0) + INVALIDATE + MOVED + INVALIDATE + MARK + SLOTS_3 +
    PONG,
  ],
  "an error of the ACL answers a marker": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", MARKER, "SUNSUBSCRIBE t", MARKER, "CLUSTER SLOTS", "PING"],
    confirmed("ssubscribe", "s", 1) + confirmed("sunsubscribe", "s", 0) + hidden(NO_PING) + MOVED +
    hidden(NO_PING_62) + SLOTS + NO_PING,
  ],
  "the error MISCONF answers a marker": [
    ["SSUBSCRIBE s", "SUNSUBSCRIBE s", MARKER, "CLUSTER SLOTS"],
    confirmed("ssubscribe", "s", 1) + confirmed("sunsubscribe", "s", 0) +
    hidden("-MISCONF Redis is configured to save RDB snapshots\r\n") + SLOTS,
  ],
  "an unsolicited end of all shard subscriptions before SUNSUBSCRIBE is answered passes": [
    ["HELLO 3", "SSUBSCRIBE s t"],
    HELLO_3 + pushed("ssubscribe", "s", 1) + pushed("ssubscribe", "t", 2),
    ["SUNSUBSCRIBE", MARKER, "CLUSTER SLOTS"],
    pushed("sunsubscribe", "s", 1) + pushed("sunsubscribe", "t", 0) +
    pushed("sunsubscribe", null, 0) + MARK + SLOTS_3,
  ],
  "an unsolicited end of a shard subscription while other requests with markers are unanswered": [
    ["SSUBSCRIBE s t"],
    confirmed("ssubscribe", "s", 1) + confirmed("ssubscribe", "t", 2),
    [
      "REPLCONF ACK 1",
      MARKER,
      "SUNSUBSCRIBE s",
      MARKER,
      "GET a",
      "SUNSUBSCRIBE t",
      MARKER,
      "CLUSTER SLOTS",
      "PING",
    ],
    confirmed("sunsubscribe", "s", 1) + PUBSUB_ONLY.replace("get", "replconf") + PONG_MARK +
    confirmed("sunsubscribe", "s", 1) + PONG_MARK + PUBSUB_ONLY +
    confirmed("sunsubscribe", "t", 0) +
    MARK + SLOTS + PONG,
  ],
  "an unsolicited end of a shard subscription while a transaction queues its SUNSUBSCRIBE": [
    ["HELLO 3", "SSUBSCRIBE s", "MULTI"],
    HELLO_3 + pushed("ssubscribe", "s", 1) + OK,
    ["SUNSUBSCRIBE s", "LRANGE l 0 2", "DISCARD", "LRANGE l 0 2", "CLUSTER SLOTS", "PING"],
    pushed("sunsubscribe", "s", 0) + QUEUED + QUEUED + OK + MESSAGE + SLOTS_3 + PONG,
    ["MULTI"],
    OK,
    ["SUNSUBSCRIBE s", "CLUSTER SLOTS", "EXEC", MARKER, "PING"],
    QUEUED + QUEUED + "*2\r\n" + pushed("sunsubscribe", "s", 0) + SLOTS_3 + MARK + PONG,
  ],
  "a switch to RESP2 makes messages arrays": [
    ["HELLO 3", "SUBSCRIBE a", "HELLO 2", "PING"],
    HELLO_3 + pushed("subscribe", "a", 1) + MESSAGE_3 + HELLO_2 + MESSAGE + pong("") + MESSAGE,
  ],
  "RESET ends all subscriptions": [
    ["SUBSCRIBE a", "SSUBSCRIBE s", "RESET", "LRANGE l 0 2", "UNSUBSCRIBE", "CLUSTER SLOTS"],
    confirmed("subscribe", "a", 1) + confirmed("ssubscribe", "s", 1) + RESET + MESSAGE +
    confirmed("unsubscribe", null, 0) + SLOTS,
  ],

  // HELLO.
  "HELLO between other requests changes only the protocol": [
    [
      "GET a",
      "HELLO 3",
      "CLUSTER SLOTS",
      "HELLO",
      "HELLO 2 AUTH u p",
      MARKER,
      "CLUSTER SLOTS",
      "HELLO 9",
      "CLUSTER NODES",
    ],
    NIL + HELLO_3 + SLOTS_3 + HELLO_3 + HELLO_2 + MARK + SLOTS +
    "-NOPROTO unsupported protocol version\r\n" + NODES,
  ],
  "a refused HELLO changes nothing": [
    ["SUBSCRIBE a", "HELLO 3", "UNSUBSCRIBE", "HELLO 3", "CLUSTER SLOTS"],
    confirmed("subscribe", "a", 1) + PUBSUB_ONLY.replace("get", "hello") + MESSAGE +
    confirmed("unsubscribe", "a", 0) +
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n" + SLOTS,
  ],

  // MONITOR.
  "MONITOR sends lines between all replies": [
    ["MONITOR", "CLUSTER SLOTS", "GET a", "INFO"],
    OK + MONITORED + SLOTS + MONITORED + NIL + MONITORED + MONITORED + INFO + MONITORED,
  ],
  "a second MONITOR is not answered": [
    [
      "MONITOR",
      "MONITOR",
      MARKER,
      "CLUSTER SLOTS",
      "MONITOR",
      MARKER,
      "MONITOR",
      MARKER,
      "CLUSTER NODES",
      "PING",
    ],
    OK + MONITORED + MARK + SLOTS + MARK + MONITORED + MARK + NODES + MONITORED + PONG,
  ],
  "SYNC on a connection that monitors is not answered": [
    ["MONITOR", "SYNC", MARKER, "PSYNC ? -1", MARKER, "CLUSTER SLOTS"],
    OK + MONITORED + MARK + MONITORED + MARK + SLOTS,
  ],
  "on a connection that monitors, a script may return a status like a line of MONITOR": [
    ["MONITOR", "EVAL s 0", MARKER, "EVAL s 0", MARKER, "EVAL s 1 a", MARKER, "CLUSTER SLOTS"],
    OK + MONITORED + MONITORED + MARK + MONITORED + NIL + MONITORED + MARK + MONITORED +
    "«scriptredirect -MOVED 1 10.0.0.1:7000\r\n»" + MARK + SLOTS,
  ],
  "lines of MONITOR pass between the results of EXEC, one of which is that of a script": [
    ["MONITOR"],
    OK,
    ["MULTI"],
    OK,
    ["EVAL s 0", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS"],
    MONITORED + QUEUED + QUEUED + "*2\r\n" + MONITORED + NIL + MONITORED + SLOTS + MARK +
    SLOTS,
  ],
  "lines of MONITOR that show a marker are dropped": [
    ["MONITOR", "MONITOR", MARKER, "PING"],
    OK + MONITORED + hidden('+1700000000.1 [0 10.0.0.9:1] "PING" "nat-0123456789abcdef"\r\n') +
    MARK +
    '+1700000000.1 [0 10.0.0.9:1] "PING" "nat-"\r\n' + PONG,
  ],
  "a line of MONITOR may be of any length": [
    ["MONITOR", "CLUSTER SLOTS"],
    OK + MONITORED.replace("get", "g".repeat(900)) + SLOTS,
  ],
  "a line of MONITOR that names a node passes unchanged": [
    ["MONITOR", "GET a", "CLUSTER SLOTS"],
    OK + MONITORED_MIGRATE + NIL + MONITORED_MIGRATE.repeat(2) + SLOTS + MONITORED_MIGRATE,
  ],
  "a line of MONITOR may have an address of any form": [
    ["MONITOR", "PING"],
    OK + MONITORED.replace("10.0.0.9", "[fd00::9]") + MONITORED.replace("10.0.0.9:4711", "?:0") +
    PONG + '+1700000000.1 [15 lua] "get"\r\n+1700000000.1 [0 unix:/run/a b:7000] "get" "k"\r\n',
  ],
  "a line of MONITOR is not taken for a redirect": [
    ["MONITOR", "CLUSTER SLOTS"],
    OK +
    '+1700000000.123456 [0 lua] "MOVED" "1" "10.0.0.1:7000"\r\n+1700000000.1 [0 unix:/s] "-MOVED"\r\n' +
    SLOTS,
  ],
  "MONITOR ends with RESET": [
    ["MONITOR", "RESET", "MONITOR", MARKER, "CLUSTER SLOTS"],
    OK + MONITORED + RESET + OK + MONITORED + MARK + SLOTS,
  ],
  "after a refused MONITOR, the connection does not monitor": [
    ["MONITOR", "MONITOR", MARKER, "CLUSTER SLOTS"],
    NOPERM + OK + MARK + SLOTS,
  ],
  "lines of MONITOR pass between the results of EXEC": [
    ["MONITOR", "MULTI", "CLUSTER SLOTS", "GET a", "EXEC", "CLUSTER SLOTS"],
    OK + OK + MONITORED + QUEUED + QUEUED + "*2\r\n" + MONITORED + SLOTS + MONITORED_MIGRATE +
    NIL + MONITORED + SLOTS,
  ],
  "without MONITOR, a status that looks like its line is a reply": [
    ["ECHO a", "ECHO b", "CLUSTER SLOTS"],
    MONITORED + MONITORED_MIGRATE + SLOTS,
  ],

  // CLIENT REPLY: the node always gets ON, and answers every request.
  "CLIENT REPLY ON is answered": [
    ["CLIENT REPLY ON", "CLUSTER SLOTS", "client reply on", "PING"],
    OK + SLOTS + OK + PONG,
  ],
  "replies are dropped after CLIENT REPLY OFF": [
    [
      "CLUSTER SLOTS",
      "CLIENT REPLY OFF",
      "CLUSTER SLOTS",
      "GET a",
      "FOO",
      "CLUSTER NODES",
      "CLIENT REPLY ON",
      "CLUSTER SLOTS",
    ],
    SLOTS + hidden(OK + SLOTS + NIL + ERR + NODES) + OK + SLOTS,
  ],
  "replies are dropped after CLIENT REPLY OFF, also if each request waits for its reply": [
    ["CLIENT REPLY OFF"],
    hidden(OK),
    ["CLUSTER SLOTS", "INFO", "GET a", "GET a"],
    hidden(SLOTS + INFO + bulk("x".repeat(700)) + NIL),
    ["CLIENT REPLY ON"],
    OK,
    ["CLUSTER SLOTS"],
    SLOTS,
  ],
  "CLIENT REPLY SKIP drops the reply to the next request": [
    ["CLIENT REPLY SKIP", "CLUSTER SLOTS", "CLUSTER SLOTS", "GET a"],
    hidden(OK + SLOTS) + SLOTS + NIL,
  ],
  "CLIENT REPLY SKIP also drops an error": [
    ["CLIENT REPLY SKIP", "FOO", "FOO", "CLUSTER SLOTS"],
    hidden(OK + ERR) + ERR + SLOTS,
  ],
  "CLIENT REPLY SKIP twice drops the reply to the request after the second": [
    ["CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "CLUSTER SLOTS", "CLUSTER NODES"],
    hidden(OK + OK + SLOTS) + NODES,
  ],
  "CLIENT REPLY SKIP before every other request": [
    ["CLIENT REPLY SKIP", "SET a b", "CLUSTER SLOTS", "CLIENT REPLY SKIP", "SET a b", "ROLE"],
    hidden(OK + OK) + SLOTS + hidden(OK + OK) + ROLE,
    ["client reply skip"],
    hidden(OK),
    ["CLUSTER SLOTS", "CLUSTER SLOTS"],
    hidden(SLOTS) + SLOTS,
  ],
  "CLIENT REPLY ON is answered after SKIP": [
    ["CLIENT REPLY SKIP", "CLIENT REPLY ON", "CLUSTER SLOTS"],
    hidden(OK) + OK + SLOTS,
  ],
  "CLIENT REPLY OFF after SKIP takes effect": [
    ["CLIENT REPLY SKIP", "CLIENT REPLY OFF", "CLUSTER SLOTS", "CLIENT REPLY ON", "CLUSTER NODES"],
    hidden(OK + OK + SLOTS) + OK + NODES,
  ],
  "CLIENT REPLY SKIP after OFF has no effect": [
    ["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "CLUSTER SLOTS", "CLUSTER NODES"],
    hidden(OK + OK) + OK + SLOTS + NODES,
  ],
  "CLIENT REPLY with invalid arguments is answered": [
    ["CLIENT REPLY MAYBE", "CLIENT REPLY", "CLIENT REPLY SKIP now", "CLUSTER SLOTS"],
    "-ERR syntax error\r\n" +
    "-ERR wrong number of arguments for 'client|reply' command\r\n".repeat(2) + SLOTS,
  ],
  "CLIENT REPLY that is refused with NOAUTH is answered": [
    ["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLUSTER SLOTS"],
    NOAUTH + NOAUTH + NOAUTH,
    ["AUTH p", "CLUSTER SLOTS"],
    OK + SLOTS,
  ],
  "CLIENT REPLY that is refused is answered unless replies are off": [
    ["CLIENT REPLY SKIP", "CLUSTER SLOTS", "CLIENT REPLY OFF", "CLIENT REPLY ON", "CLUSTER NODES"],
    NOPERM + SLOTS + hidden(OK) + hidden(NOPERM + NODES),
  ],
  "CLIENT REPLY on a server without the command CLIENT is answered": [
    ["CLIENT REPLY SKIP", "CLUSTER SLOTS", "CLIENT REPLY OFF", "CLUSTER NODES"],
    "-ERR unknown command 'CLIENT', with args beginning with: 'REPLY' 'on' \r\n" + SLOTS +
    "-ERR unknown command `client`, with args beginning with: `reply`, `on`, \r\n" + NODES,
  ],
  "empty requests are not answered": [
    ["\r\n", "CLUSTER SLOTS", "*0\r\n", "\n", "GET a", "*-1\r\n", "CLUSTER NODES", "  \r\n"],
    SLOTS + NIL + NODES,
    ["\r\n", "\r\n", "CLUSTER SLOTS"],
    SLOTS,
  ],
  "an empty request counts as the next one after SKIP": [
    ["CLIENT REPLY SKIP", "\r\n", "CLUSTER SLOTS"],
    hidden(OK) + SLOTS,
    ["CLIENT REPLY SKIP"],
    hidden(OK),
    ["*0\r\n"],
    "",
    ["CLUSTER SLOTS"],
    SLOTS,
    ["GET a", "\r\n", "CLIENT REPLY SKIP", "GET a", "\r\n", "CLUSTER SLOTS"],
    NIL + hidden(OK + NIL) + SLOTS,
  ],
  "confirmations and messages pass under OFF": [
    [
      "CLIENT REPLY OFF",
      "SUBSCRIBE a b",
      "PING",
      "UNSUBSCRIBE",
      "CLUSTER SLOTS",
      "CLIENT REPLY ON",
      "CLUSTER SLOTS",
    ],
    hidden(OK) + confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) + MESSAGE +
    hidden(pong("")) + confirmed("unsubscribe", "b", 1) + confirmed("unsubscribe", "a", 0) +
    hidden(SLOTS) + OK + SLOTS,
  ],
  "confirmations and messages pass under OFF in RESP3": [
    [
      "HELLO 3",
      "CLIENT REPLY OFF",
      "SUBSCRIBE a",
      "CLUSTER SLOTS",
      "CLIENT REPLY ON",
      "CLUSTER SLOTS",
      "UNSUBSCRIBE",
    ],
    HELLO_3 + hidden(OK) + pushed("subscribe", "a", 1) + MESSAGE_3 + hidden(SLOTS_3) + OK +
    MESSAGE_3 + SLOTS_3 + pushed("unsubscribe", "a", 0),
  ],
  "a confirmation passes under SKIP, the error of a subscription is dropped": [
    ["CLIENT REPLY SKIP", "PSUBSCRIBE *", "PING", "PUNSUBSCRIBE", "CLUSTER SLOTS"],
    hidden(OK) + confirmed("psubscribe", "*", 1) + pong("") + confirmed("punsubscribe", "*", 0) +
    SLOTS,
    ["CLIENT REPLY SKIP", "SSUBSCRIBE a b", "CLUSTER SLOTS"],
    hidden(OK + "-CROSSSLOT Keys in request don't hash to the same slot\r\n") + SLOTS,
  ],
  "a subscription that is refused under OFF does not change the next confirmations": [
    [
      "HELLO 3",
      "CLIENT REPLY OFF",
      "SSUBSCRIBE a b",
      "SSUBSCRIBE c",
      "CLIENT REPLY ON",
      "SUBSCRIBE d e",
      "CLUSTER SLOTS",
    ],
    HELLO_3 + hidden(OK + "-CROSSSLOT Keys\r\n") + pushed("ssubscribe", "c", 1) + OK +
    pushed("subscribe", "d", 1) + pushed("subscribe", "e", 2) + SLOTS_3,
  ],
  "pushes pass under OFF and SKIP": [
    ["HELLO 3", "CLIENT REPLY SKIP", "GET a", "GET b", "CLIENT REPLY OFF", "GET a"],
    HELLO_3 + hidden(OK) + INVALIDATE + hidden(NULL) + NULL + hidden(OK) + MOVING + hidden(NULL) +
    INVALIDATE,
  ],
  "lines of MONITOR are dropped under OFF and SKIP": [
    ["MONITOR", "CLIENT REPLY OFF", "GET a", "CLIENT REPLY ON", "CLIENT REPLY SKIP"],
    OK + MONITORED + hidden(OK + MONITORED + NIL + MONITORED_MIGRATE) + OK +
    MONITORED + hidden(OK + MONITORED),
    ["GET a", "GET a"],
    hidden(NIL) + MONITORED + NIL,
  ],
  "redirects are dropped under OFF": [
    ["CLIENT REPLY OFF", "GET a", "CLUSTER SLOTS", "CLIENT REPLY ON", "GET a"],
    hidden(OK + MOVED + SLOTS) + OK + MOVED,
  ],
  "RESET ends OFF": [
    ["CLIENT REPLY OFF", "CLUSTER SLOTS", "RESET", "CLUSTER SLOTS"],
    hidden(OK + SLOTS) + RESET + SLOTS,
  ],
  "the reply to RESET after SKIP is dropped": [
    ["CLIENT REPLY SKIP", "RESET", "CLUSTER SLOTS", "PING"],
    hidden(OK + RESET) + SLOTS + PONG,
  ],
  "the reply to HELLO after SKIP is dropped": [
    ["CLIENT REPLY SKIP", "HELLO 3", "CLUSTER SLOTS", "SUBSCRIBE a", "CLUSTER SLOTS"],
    hidden(OK + HELLO_3) + SLOTS_3 + pushed("subscribe", "a", 1) + SLOTS_3,
  ],
  "the reply to MULTI after SKIP is dropped": [
    ["CLIENT REPLY SKIP", "MULTI", "CLUSTER SLOTS", "GET a", "EXEC", "CLUSTER SLOTS"],
    hidden(OK + OK) + QUEUED + QUEUED + "*2\r\n" + SLOTS + NIL + SLOTS,
  ],
  "subscriptions in a transaction are confirmed among the results of EXEC": [
    ["MULTI", "CLUSTER SLOTS", "SUBSCRIBE a", "UNSUBSCRIBE a", "DISCARD"],
    OK + QUEUED.repeat(3) + OK,
    ["MULTI"],
    OK,
    ["CLUSTER SLOTS", "SUBSCRIBE a", "UNSUBSCRIBE a"],
    QUEUED.repeat(3),
    ["EXEC", MARKER, "PING"],
    "*3\r\n" + SLOTS + confirmed("subscribe", "a", 1) + confirmed("unsubscribe", "a", 0) + MARK +
    PONG,
  ],
  "the replies of a transaction under OFF are dropped": [
    [
      "CLIENT REPLY OFF",
      "MULTI",
      "CLUSTER SLOTS",
      "GET a",
      "EXEC",
      "CLIENT REPLY ON",
      "CLUSTER SLOTS",
    ],
    hidden(OK + OK + QUEUED + QUEUED + "*2\r\n" + SLOTS + NIL) + OK + SLOTS,
  ],
  "a MULTI that is refused under SKIP opens no transaction": [
    ["CLIENT REPLY SKIP", "MULTI x", "CLUSTER SLOTS", "PING"],
    hidden(OK + ERR) + SLOTS + PONG,
  ],

  // AUTH, whose error Redis 8.0 and Valkey 8.1 drop while other replies wait to be sent.
  "a marker follows AUTH in a pipeline": [
    [
      "PING",
      "CLUSTER SLOTS",
      "AUTH p",
      MARKER,
      "CLUSTER NODES",
      "AUTH u p",
      MARKER,
      "CLUSTER SLOTS",
    ],
    PONG + SLOTS + WRONGPASS + MARK + NODES + OK + MARK + SLOTS,
  ],
  "the missing reply to AUTH is detected by the answer to its marker": [
    ["PING", "AUTH u x", MARKER, "SET a b", "CLUSTER SLOTS", "PING"],
    PONG + MARK + OK + SLOTS + PONG,
    [
      "GET a",
      "HELLO 3 AUTH u x",
      MARKER,
      "CLUSTER SLOTS",
      "HELLO 3 AUTH u p",
      MARKER,
      "CLUSTER SLOTS",
    ],
    NIL + MARK + SLOTS + HELLO_3 + MARK + SLOTS_3,
  ],
  "the missing reply to AUTH is detected by the refusal of its marker": [
    ["GET a", "AUTH u x", MARKER, "CLUSTER SLOTS", "AUTH u p", MARKER, "CLUSTER SLOTS"],
    NOAUTH + hidden(NOAUTH) + NOAUTH + OK + hidden(NO_PING) + SLOTS,
    ["PING", "AUTH u x", MARKER, "AUTH u x", MARKER, "CLUSTER SLOTS"],
    NO_PING + hidden(NO_PING) + WRONGPASS + hidden(NO_PING_62) + SLOTS,
    ["PING", "AUTH u p", MARKER, "CLUSTER SLOTS"],
    "-LOADING Redis is loading the dataset in memory\r\n" + OK +
    hidden("-LOADING Redis is loading the dataset in memory\r\n") + SLOTS,
  ],
  "HELLO SETNAME auth is not taken for HELLO AUTH": [
    ["GET x", "HELLO 3 SETNAME auth", "AUTH p", MARKER, "COMMAND GETKEYS GET k", "CLUSTER SLOTS"],
    NOAUTH + "-NOAUTH HELLO must be called with the client already authenticated\r\n" + OK + MARK +
    array(bulk("k")) + SLOTS,
  ],
  "errors among the results of EXEC do not answer its marker": [
    ["MULTI"],
    OK,
    ["AUTH u p", "EVAL s 0", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS", "GET a"],
    QUEUED.repeat(3) + "*3\r\n" + OK + "-BUSY x\r\n" + SLOTS + MARK + SLOTS + NIL,
    ["MULTI"],
    OK,
    ["SUBSCRIBE a", "EVAL s 0", "UNSUBSCRIBE", "EXEC", MARKER, "CLUSTER SLOTS"],
    QUEUED.repeat(3) + "*3\r\n" + confirmed("subscribe", "a", 1) + "-MISCONF x\r\n" +
    confirmed("unsubscribe", "a", 0) + MARK + SLOTS,
  ],
  "after MONITOR, an error of a script answers the script": [
    ["MONITOR", "RESET", "EVAL s 0", MARKER, "FOO", "CLUSTER SLOTS"],
    OK + RESET + NO_PING + MARK + ERR + SLOTS,
  ],
  "MASTERDOWN refuses SYNC and its marker": [
    ["MONITOR", "SYNC", MARKER, "GET a", "CLUSTER SLOTS"],
    OK + MASTERDOWN + hidden(MASTERDOWN) + MOVED + SLOTS,
  ],
  "AUTH after a DISCARD that the node has answered needs no marker": [
    ["MULTI", "DISCARD"],
    OK + OK,
    ["AUTH p"],
    OK,
    ["MULTI", "CLUSTER SLOTS", "EXEC", "PING"],
    OK + QUEUED + array(SLOTS) + PONG,
  ],
  "AUTH in a transaction may have no result": [
    ["MULTI", "AUTH u x", "SET a b", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS", "PING"],
    OK,
    QUEUED.repeat(3) + "*3\r\n" + OK + SLOTS + MARK + SLOTS + PONG,
  ],
  "AUTH in a transaction may have a result": [
    ["MULTI"],
    OK,
    ["AUTH u x", "SET a b", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS", "PING"],
    QUEUED.repeat(3) + "*3\r\n" + WRONGPASS + OK + SLOTS + MARK + SLOTS + PONG,
    ["MULTI"],
    OK,
    ["AUTH u p", "CLUSTER SLOTS", "HELLO 3 AUTH u p", "CLUSTER SLOTS", "EXEC", MARKER, "PING"],
    QUEUED.repeat(4) + "*4\r\n" + OK + SLOTS + HELLO_3 + SLOTS_3 + MARK + PONG,
  ],

  // The Lua debugger.
  "a session of the Lua debugger passes without parsing": [
    ["SCRIPT DEBUG YES", "PING"],
    OK + PONG,
    ["EVAL s 0"],
    "*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   return 1\r\n",
    ["s", "info", "subscribe x", "cluster nodes", "CLUST\n", "monitor"],
    "*1\r\n+<endsession>\r\n" + int(1),
  ],
  "a session of the Lua debugger may drop the replies before it": [
    ["SCRIPT DEBUG YES", "RESET", "EVAL s 0"],
    "*1\r\n+* Stopped at 1, stop reason = step over\r\n",
    ["CLUST\n"],
    "*1\r\n+<endsession>\r\n" + int(1),
  ],
  "RESET does not turn SCRIPT DEBUG off": [
    ["SCRIPT DEBUG YES", "RESET"],
    OK + RESET,
    ["EVAL s 0"],
    "*1\r\n+* Stopped at 1, stop reason = step over\r\n",
    ["CLUST\n"],
    "*1\r\n+<endsession>\r\n" + int(1),
  ],
  "a script outside the Lua debugger is answered": [
    [
      "SCRIPT DEBUG sync",
      "EVAL s 1 a",
      "EVALSHA x 0",
      "CLUSTER SLOTS",
      "SCRIPT DEBUG NO",
      "EVAL s 0",
    ],
    OK + "«scriptredirect -MOVED 1 10.0.0.1:7000\r\n»-ERR Please use EVAL\r\n" + SLOTS + OK + OK,
    ["SCRIPT DEBUG YES", "EVAL s 0", "CLUSTER SLOTS"],
    "-ERR SCRIPT DEBUG must be called outside a pipeline\r\n" + NIL + SLOTS,
  ],

  // Transactions.
  "the results of EXEC are matched with the queued commands": [
    [
      "MULTI",
      "GET a",
      "CLUSTER SLOTS",
      "GET b",
      "CLUSTER NODES",
      "INFO",
      "EXEC",
      "CLUSTER SLOTS",
      "PING",
    ],
    OK + QUEUED.repeat(5) + "*5\r\n" + NIL + SLOTS + array(NIL, int(1)) + NODES + INFO + SLOTS +
    PONG,
  ],
  "the results of EXEC are matched if each request waits for its reply": [
    ["MULTI"],
    OK,
    ["CLUSTER SHARDS"],
    QUEUED,
    ["ROLE"],
    QUEUED,
    ["EXEC"],
    "*2\r\n" + SHARDS + ROLE,
    ["CLIENT LIST"],
    CLIENTS,
  ],
  "two transactions in one pipeline": [
    ["MULTI", "CLUSTER SLOTS", "EXEC", "MULTI", "GET a", "CLUSTER NODES", "EXEC", "GET b"],
    OK + QUEUED + "*1\r\n" + SLOTS + OK + QUEUED + QUEUED + "*2\r\n" + NIL + NODES + NIL,
  ],
  "an empty transaction has no results": [
    ["MULTI", "EXEC", "CLUSTER SLOTS"],
    OK + "*0\r\n" + SLOTS,
  ],
  "a discarded transaction has no results": [
    ["MULTI", "CLUSTER SLOTS", "DISCARD", "CLUSTER SLOTS", "MULTI", "GET a", "EXEC"],
    OK + QUEUED + OK + SLOTS + OK + QUEUED + "*1\r\n" + NIL,
  ],
  "a transaction whose watched key changed has no results": [
    [
      "WATCH a",
      "MULTI",
      "CLUSTER SLOTS",
      "EXEC",
      "CLUSTER SLOTS",
      "MULTI",
      "ROLE",
      "EXEC",
      "CLUSTER NODES",
    ],
    OK + OK + QUEUED + "*-1\r\n" + SLOTS + OK + QUEUED + NULL + NODES,
  ],
  "a transaction with a refused command has no results": [
    ["MULTI", "CLUSTER SLOTS", "FOO", "EXEC", "CLUSTER SLOTS"],
    OK + QUEUED + ERR + ABORTED + SLOTS,
  ],
  "a redirect instead of QUEUED is rewritten": [
    ["MULTI", "GET a", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    OK + MOVED + QUEUED + ABORTED + SLOTS,
  ],
  "a redirect instead of results is rewritten": [
    ["MULTI", "GET a", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    OK + QUEUED + QUEUED + MOVED + SLOTS,
  ],
  "errors among the results of EXEC are results": [
    ["MULTI", "INCR a", "CLUSTER SLOTS", "EVAL s 1 a", "EVAL s 0", "EXEC", "CLUSTER SLOTS"],
    OK + QUEUED.repeat(4) + "*4\r\n-WRONGTYPE Operation against a key\r\n" + SLOTS +
    "«scriptredirect -MOVED 1 10.0.0.1:7000\r\n»-MOVED 1 10.0.0.1:7000\r\n" + SLOTS,
  ],
  "MULTI, WATCH and EXEC in the wrong state are errors": [
    [
      "EXEC",
      "DISCARD",
      "MULTI",
      "MULTI",
      "WATCH a",
      "CLUSTER SLOTS",
      "EXEC",
      "EXEC",
      "CLUSTER SLOTS",
    ],
    "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n" + OK +
    "-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n" + QUEUED +
    "*1\r\n" + SLOTS +
    "-ERR EXEC without MULTI\r\n" + SLOTS,
  ],
  "commands with the wrong number of arguments change no transaction": [
    ["MULTI x", "MULTI", "DISCARD x", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    "-ERR wrong number of arguments for 'multi' command\r\n" + OK +
    "-ERR wrong number of arguments for 'discard' command\r\n" + QUEUED + ABORTED + SLOTS,
  ],
  "EXEC with the wrong number of arguments ends the transaction": [
    ["MULTI", "CLUSTER SLOTS", "EXEC x", "CLUSTER SLOTS", "EXEC"],
    OK + QUEUED +
    "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n" +
    SLOTS + "-ERR EXEC without MULTI\r\n",
  ],
  "RESET ends a transaction": [
    ["MULTI", "CLUSTER SLOTS", "RESET", "CLUSTER SLOTS", "MULTI", "GET a", "EXEC"],
    OK + QUEUED + RESET + SLOTS + OK + QUEUED + "*1\r\n" + NIL,
  ],
  "SYNC, PSYNC and SHUTDOWN are refused in a transaction": [
    ["MULTI", "SYNC", "PSYNC ? -1", "EXEC", "CLUSTER SLOTS"],
    OK + "-ERR Command not allowed inside a transaction\r\n".repeat(2) + ABORTED + SLOTS,
  ],
  "SUBSCRIBE in a transaction is confirmed once per channel": [
    ["MULTI", "SUBSCRIBE a b", "UNSUBSCRIBE", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS"],
    OK + QUEUED.repeat(3) + "*3\r\n" + confirmed("subscribe", "a", 1) +
    confirmed("subscribe", "b", 2) +
    confirmed("unsubscribe", "b", 1) + confirmed("unsubscribe", "a", 0) + SLOTS + MARK + SLOTS,
  ],
  "messages of the connection itself in a transaction are no results": [
    [
      "MULTI",
      "SUBSCRIBE a",
      "PUBLISH a hi",
      "UNSUBSCRIBE",
      "CLUSTER SLOTS",
      "EXEC",
      MARKER,
      "PING",
    ],
    OK + QUEUED.repeat(4) + "*4\r\n" + confirmed("subscribe", "a", 1) + MESSAGE + int(1) +
    confirmed("unsubscribe", "a", 0) + SLOTS + MARK + PONG,
  ],
  "a list that looks like a message is a result of a transaction that subscribes": [
    [
      "MULTI",
      "SUBSCRIBE a",
      "LRANGE l 0 2",
      "UNSUBSCRIBE",
      "CLUSTER SLOTS",
      "EXEC",
      MARKER,
      "PING",
    ],
    OK + QUEUED.repeat(4) + "*4\r\n" + confirmed("subscribe", "a", 1) + MESSAGE +
    confirmed("unsubscribe", "a", 0) + SLOTS + MARK + PONG,
  ],
  "SUBSCRIBE in a transaction is confirmed by pushes in RESP3": [
    ["HELLO 3", "MULTI", "SUBSCRIBE a b", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS"],
    HELLO_3 + OK + QUEUED.repeat(2) + "*2\r\n" + pushed("subscribe", "a", 1) +
    pushed("subscribe", "b", 2) + SLOTS_3 + MARK + SLOTS_3,
  ],
  "UNSUBSCRIBE in a transaction without any subscription is confirmed once": [
    ["MULTI", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "EXEC", MARKER, "CLUSTER SLOTS"],
    OK + QUEUED.repeat(3) + "*3\r\n" + confirmed("unsubscribe", null, 0) +
    confirmed("punsubscribe", null, 0) +
    confirmed("sunsubscribe", null, 0) + MARK + SLOTS,
  ],
  "CLIENT REPLY OFF in a transaction drops the results after it": [
    ["MULTI", "CLIENT REPLY OFF", "CLUSTER SLOTS", "EXEC"],
    OK + QUEUED.repeat(2) + "*2\r\n" + hidden(OK + SLOTS),
    ["CLUSTER SLOTS", "CLIENT REPLY ON", "CLUSTER SLOTS"],
    hidden(SLOTS) + OK + SLOTS,
  ],
  "CLIENT REPLY OFF and ON in a transaction drop the results between them": [
    [
      "MULTI",
      "ROLE",
      "CLIENT REPLY OFF",
      "CLUSTER SLOTS",
      "CLIENT REPLY ON",
      "CLUSTER NODES",
      "EXEC",
      "INFO",
    ],
    OK + QUEUED.repeat(5) + "*5\r\n" + ROLE + hidden(OK + SLOTS) + OK + NODES + INFO,
  ],
  "CLIENT REPLY SKIP in a transaction drops the reply to the request after EXEC": [
    ["MULTI", "CLIENT REPLY SKIP", "CLUSTER SLOTS", "EXEC", "CLUSTER NODES", "CLUSTER SLOTS"],
    OK + QUEUED.repeat(2) + "*2\r\n" + hidden(OK) + SLOTS + hidden(NODES) + SLOTS,
  ],
  "CLIENT REPLY SKIP at the end of a transaction drops the reply to the request after EXEC": [
    ["MULTI", "CLUSTER SLOTS", "CLIENT REPLY SKIP", "EXEC"],
    OK + QUEUED.repeat(2) + "*2\r\n" + SLOTS + hidden(OK),
    ["CLUSTER NODES", "CLUSTER SLOTS"],
    hidden(NODES) + SLOTS,
  ],
  "REPLCONF ACK in a transaction has no result": [
    ["MULTI"],
    OK,
    ["REPLCONF ACK 1", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS"],
    QUEUED.repeat(2) + "*2\r\n" + SLOTS + MARK + SLOTS,
    ["MULTI"],
    OK,
    ["REPLCONF ACK 1", "EXEC", MARKER, "CLUSTER SLOTS"],
    QUEUED + "*1\r\n" + MARK + SLOTS,
  ],
  "messages pass between the results of EXEC in RESP3": [
    ["HELLO 3", "SUBSCRIBE a", "MULTI", "PUBLISH a hi", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    HELLO_3 + pushed("subscribe", "a", 1) + OK + QUEUED + QUEUED + "*2\r\n" + MESSAGE_3 + int(1) +
    INVALIDATE + SLOTS_3 +
    INVALIDATE + SLOTS_3,
  ],
  "the protocol may change between the results of EXEC": [
    ["MULTI", "HELLO 3", "CLUSTER SLOTS", "HELLO 2", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    OK + QUEUED.repeat(4) + "*4\r\n" + HELLO_3 + SLOTS_3 + HELLO_2 + SLOTS + SLOTS,
  ],
  "MONITOR and SSUBSCRIBE in a transaction are refused by EXEC": [
    ["MULTI", "MONITOR", "SSUBSCRIBE a", "CLUSTER SLOTS", "EXEC", MARKER, "CLUSTER SLOTS"],
    OK + QUEUED.repeat(3) + "*3\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n" +
    "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n" + SLOTS + MARK + SLOTS,
  ],
  "MONITOR in a transaction of a connection that monitors is refused": [
    ["MONITOR", "MULTI"],
    OK + OK,
    ["MONITOR", "EXEC", MARKER, "CLUSTER SLOTS", "PING"],
    MONITORED + QUEUED + "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n" +
    MARK + SLOTS + PONG,
  ],
  "a status QUEUED among the results of EXEC is a result": [
    ["MULTI", "EVAL s 0", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"],
    OK + QUEUED.repeat(2) + "*2\r\n" + QUEUED + SLOTS + SLOTS,
  ],
  "QUIT ends a transaction": [["MULTI", "CLUSTER SLOTS", "QUIT"], OK + QUEUED + OK],

  // Replication.
  "after SYNC, all bytes pass without parsing": [
    ["CLUSTER SLOTS", "SYNC"],
    SLOTS + "\n\n$5\r\nREDIS*1\r\n$4\r\nPING\r\nx\0-MOVED 1 10.0.0.1:7000\r\n",
    ["REPLCONF ACK 1", "CLUSTER SLOTS"],
    unmarked(SLOTS) + "\r\n*x",
  ],
  "after SYNC with an EOF mark, all bytes pass without parsing": [
    ["SYNC"],
    `$EOF:${"a".repeat(40)}\r\nREDIS`,
  ],
  "after PSYNC with a full resync, all bytes pass without parsing": [
    ["PING", "PSYNC ? -1"],
    PONG + `+FULLRESYNC ${"a".repeat(40)} 1\r\n\n$5\r\nREDIS*1\r\n>x` + MONITORED,
  ],
  "after PSYNC with a partial resync, all bytes pass without parsing": [
    ["PSYNC a 1"],
    "+CONTINUE\r\n*1\r\n$4\r\nPING\r\n+x\r\n",
  ],
  "after PSYNC with a dual-channel resync, all bytes pass without parsing": [
    ["PSYNC a 1"],
    "+DUALCHANNELSYNC\r\n\r\nx",
  ],
  "refused SYNC and PSYNC are answered": [
    ["SYNC", "PSYNC ? -1", "CLUSTER SYNCSLOTS x", "CLUSTER SLOTS"],
    "-ERR SYNC and PSYNC are invalid with pending output\r\n-NOMASTERLINK Can't SYNC while not connected with my master\r\n" +
    "-ERR unknown subcommand 'SYNCSLOTS'. Try CLUSTER HELP.\r\n" + SLOTS,
  ],
  "a push may come before the stream": [
    ["HELLO 3", "PSYNC ? -1"],
    HELLO_3 + INVALIDATE + "+FULLRESYNC a 1\r\nx",
  ],
  "REPLCONF ACK and GETACK are not answered": [
    [
      "REPLCONF ACK 1",
      MARKER,
      "CLUSTER SLOTS",
      "REPLCONF GETACK *",
      MARKER,
      "replconf ack 5",
      MARKER,
      "CLUSTER NODES",
      "REPLCONF ACK 1",
      MARKER,
    ],
    MARK + SLOTS + MARK + MARK + NODES + MARK,
  ],
  "other REPLCONF commands are answered": [
    [
      "REPLCONF listening-port 1",
      "REPLCONF capa eof capa psync2",
      "REPLCONF",
      "REPLCONF ACK",
      "CLUSTER SLOTS",
    ],
    OK + OK + OK + "-ERR syntax error\r\n" + SLOTS,
  ],
  "a refused REPLCONF ACK is answered": [
    ["REPLCONF ACK 1", MARKER, "CLUSTER SLOTS", "REPLCONF ACK 1", MARKER, "CLUSTER NODES"],
    NOAUTH + hidden(NOAUTH) + SLOTS +
    "-NOPERM this user has no permissions to run the 'replconf' command\r\n" + hidden(NO_PING) +
    NODES,
  ],
  "REPLCONF ACK on a server without the command REPLCONF is answered": [
    ["REPLCONF ACK 1", MARKER, "CLUSTER SLOTS", "PING"],
    "-ERR unknown command 'REPLCONF', with args beginning with: 'ACK' '1' \r\n" + MARK + SLOTS +
    PONG,
  ],
  "an error after the marker of REPLCONF ACK answers the next request": [
    ["REPLCONF ACK 1", MARKER, "FOO", "CLUSTER SLOTS"],
    MARK + ERR + SLOTS,
  ],

  // Ends.
  "a protocol error is answered once": [
    ["CLUSTER SLOTS", "*x\r\n", "CLUSTER SLOTS", "PING"],
    SLOTS + "-ERR Protocol error: invalid multibulk length\r\n",
  ],
  "QUIT is answered, requests after it are not": [
    ["CLUSTER SLOTS", "QUIT", "CLUSTER SLOTS"],
    SLOTS + OK,
  ],
  "an error before any request passes": [
    [],
    "-ERR max number of clients reached\r\n",
  ],
  "an error that refuses the connection passes": [
    ["CLUSTER SLOTS"],
    "-DENIED Redis is running in protected mode\r\n",
  ],
  "a refused SHUTDOWN is answered": [
    ["SHUTDOWN", "CLUSTER SLOTS"],
    "-ERR Errors trying to SHUTDOWN. Check logs.\r\n" + SLOTS,
  ],
};

for (const [name, conversation] of Object.entries(CONVERSATIONS)) {
  Deno.test(`${name}, at every cut`, async () => {
    const { expected, node } = sidesOf(conversation);
    const upstream = forwardedOf(conversation.filter((turn) => typeof turn !== "string").flat());
    const { length } = node.filter((turn) => typeof turn === "string").join("");
    for (const reception of everyReception(length)) {
      const outcome = await converse(node, reception);
      assertEquals(
        outcome,
        { client: expected, upstream, error: undefined },
        describeReception(reception),
      );
    }
  });
}

/** Conversations, and a captured frame that the end of the stream cuts off. */
const CUT_OFF: Record<string, [conversation: Conversation, captured: string]> = {
  "CLUSTER SLOTS": [[["PING", "CLUSTER SLOTS"], PONG], SLOTS],
  "CLUSTER NODES": [[["PING", "CLUSTER NODES"], PONG], NODES],
  "CLUSTER SLOTS in a transaction": [
    [["MULTI", "CLUSTER SLOTS", "EXEC"], OK + QUEUED + "*1\r\n"],
    SLOTS,
  ],
  "a redirect": [[["GET a"]], MOVED],
  "a redirect to the longest host": [
    [["GET a"]],
    `«redirect -MOVED 1 ${"h".repeat(255)}:7000\r\n»`,
  ],
  "a redirect in an error of MIGRATE": [[["MIGRATE h 1 k 0 9"]], MIGRATED],
  "a push with addresses": [[["GET a"]], MOVING],
  "a long CLUSTER SLOTS": [
    [["CLUSTER SLOTS"]],
    `«slots ${array(...Array.from({ length: 20 }, () => unmarked(SLOTS)))}»`,
  ],
};

for (const [name, [conversation, captured]] of Object.entries(CUT_OFF)) {
  Deno.test(`no byte of ${name} is sent if the stream ends inside it`, async () => {
    const frame = unmarked(captured);
    const before = conversation.filter((turn) => typeof turn === "string").join("");
    for (let length = 1; length < frame.length; length++) {
      const node = [...conversation, frame.slice(0, length)];
      for (const cuts of [[], [before.length + length - 1]]) {
        const reception = { cuts, bufferBytes: SMALL_BUFFER_BYTES, requestBytes: 1024 };
        const { client } = await converse(node, reception);
        assertEquals(client, before, `after ${JSON.stringify(frame.slice(0, length))}`);
      }
    }
  });
}

Deno.test("the beginning of a plain frame is sent if the stream ends inside it", async () => {
  const wire = PONG + array(bulk("abc"), int(5));
  for (let length = 1; length < wire.length; length++) {
    const conversation = [["PING", "LRANGE l 0 1"], wire.slice(0, length)];
    const reception = { cuts: [], bufferBytes: SMALL_BUFFER_BYTES, requestBytes: 1024 };
    assertEquals((await converse(conversation, reception)).client, wire.slice(0, length));
  }
});

/** Returns the bytes that the client must get, and the conversation without marks. */
function sidesOf(conversation: Conversation): { expected: string; node: Conversation } {
  const bytes = conversation.filter((turn) => typeof turn === "string");
  return {
    expected: shown(bytes.join("")),
    node: conversation.map((turn) => typeof turn === "string" ? unmarked(turn) : turn),
  };
}

function confirmed(kind: string, channel: string | null, count: number): string {
  return array(bulk(kind), channel === null ? NIL : bulk(channel), int(count));
}

function pushed(kind: string, channel: string | null, count: number): string {
  return push(bulk(kind), channel === null ? NULL : bulk(channel), int(count));
}

/** The answer to PING on a RESP2 connection with subscriptions. */
function pong(text: string): string {
  return array(bulk("pong"), bulk(text));
}

/** An invalidation message, as a RESP2 connection gets it. */
function invalidated(keys: string): string {
  return array(bulk("message"), bulk("__redis__:invalidate"), keys);
}
