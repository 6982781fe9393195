import { type Conversation, MARK, MARKER, PONG_MARK } from "../support/conversation.ts";
import { frames } from "../support/notation.ts";

const SLOTS = "[[:0 :5 [10.0.0.1 :7000 a]]]";
const NODES = "a 10.0.0.1:7000@17000 master - 0 0 1 connected 0-5\n";
const MONITORED = '(+1700000000.123456 [0 10.0.0.9:4711] "get" "k")';

/**
 * Frames that transcripts name. The client must get those in « » rewritten; the first word names
 * the rewriter.
 */
const NOTATIONS = {
  SLOTS: `«slots ${SLOTS}»`,
  SLOTS_3: `«slots ${SLOTS.replace("]", " {}]")}»`,
  LONG_SLOTS: `«slots [${SLOTS.repeat(20)}]»`,
  LAST: `«slots ${SLOTS}» PONG PONG`,
  SHARDS: "«shards [{slots [] nodes []}]»",
  NODES: `«nodes '${NODES}'»`,
  NODES_3: `«nodes ='${NODES}'»`,
  REPLICAS: "«replicas ['b 10.0.0.2:7001@17001 slave a 0 0 1 connected']»",
  ROLE: "«role [slave 10.0.0.1 :7000 connected :1]»",
  INFO: "«info '# Server\r\ntcp_port:7000\r\n'»",
  CLIENTS: "«clients 'id=1 addr=10.0.0.9:4 laddr=10.0.0.1:7000\n'»",
  MOVED: "«redirect (-MOVED 1 10.0.0.1:7000)»",
  ASK: "«redirect (-ASK 1 10.0.0.1:7000)»",
  SCRIPT_MOVED: "«scriptredirect (-MOVED 1 10.0.0.1:7000)»",
  PLAIN_MOVED: "(-MOVED 1 10.0.0.1:7000)",
  MIGRATED: "«migrateerror (-ERR Target instance replied with error: MOVED 1 10.0.0.1:7000)»",
  INVALID_ADDRESS: "«echoedarguments (-ERR Invalid node address specified: 10.0.0.1:60000)»",
  UNKNOWN:
    "«echoedarguments (-ERR unknown command 'X', with args beginning with: '10.0.0.1' '7000' )»",
  MOVING: "«push >['MOVING' :1 :15 10.0.0.1:7000]»",
  INVALIDATE: ">[invalidate [k]]",
  MESSAGE: "[message a hi]",
  MESSAGE_3: ">[message a hi]",
  MONITORED,
  LONG_MONITORED: MONITORED.replace("get", "g".repeat(900)),
  MONITORED_MIGRATE: '(+1700000000.1 [0 10.0.0.9:4711] "MIGRATE" "10.0.0.1" "7000" "k" "0" "9")',
  SLOWLOG: "[[:1 :2 :3 ['PING'] 10.0.0.9:4 '']]",
  ACL_LOG: "[[client-info addr=10.0.0.9:4]]",
  HELLO_2: "[server redis modules []]",
  HELLO_3: "{server redis modules []}",
  RESET: "+RESET",
  LONG: `'${"x".repeat(700)}'`,
  STOPPED: "[(+* Stopped at 1, stop reason = step over)]",
  ENDED: "[+<endsession>]",
  ERR: "(-ERR unknown command 'FOO', with args beginning with: )",
  NOAUTH: "(-NOAUTH Authentication required.)",
  NOPERM: "(-NOPERM this user has no permissions to run the 'client|reply' command)",
  NO_PING: "(-NOPERM User u has no permissions to run the 'ping' command)",
  NO_PING_62: "(-NOPERM this user has no permissions to run the 'ping' command or its subcommand)",
  WRONGPASS: "(-WRONGPASS invalid username-password pair or user is disabled.)",
  MASTERDOWN: "(-MASTERDOWN Link with MASTER is down)",
  LOADING: "(-LOADING Redis is loading the dataset in memory)",
  CROSSSLOT: "(-CROSSSLOT Keys in request don't hash to the same slot)",
  ABORTED: "(-EXECABORT Transaction discarded because of previous errors.)",
  NO_EXEC: "(-ERR EXEC without MULTI)",
  NO_MONITOR: "(-ERR MONITOR isn't allowed for DENY BLOCKING client)",
  GET_REFUSED: refused("get"),
  SLOTS_REFUSED: refused("cluster|slots"),
  REPLY_REFUSED: refused("client|reply"),
  HELLO_REFUSED: refused("hello"),
  MULTI_REFUSED: refused("multi"),
  REPLCONF_REFUSED: refused("replconf"),
};

const NAMES: Record<string, string> = { MARK, PONG_MARK };
for (const [name, notation] of Object.entries(NOTATIONS)) NAMES[name] = frames(notation);

/**
 * Reads a conversation: after each `>` requests of the client with commas between, MARKER or bytes
 * in double quotes, and after each `<` frames of the node, in the notation of notation.ts. `LAST`
 * is a request with addresses and two plain ones, and their replies.
 */
export function transcript(text: string): Conversation {
  return text.trim().split(/\s(?=[<>](?:\s|$))/).map((turn) => {
    const said = turn.slice(1).trim();
    if (turn.startsWith("<")) return frames(said, NAMES);
    const requests = said.replace(/LAST$/, "CLUSTER SLOTS, PING, PING").split(/,\s+/);
    return said === ""
      ? []
      : requests.map((text) => text === "MARKER" ? MARKER : text.replace(/^"(.*)"$/s, "$1"));
  });
}

/** The bytes of the node in a conversation. */
export function nodeBytes(conversation: Conversation): string {
  return conversation.filter((turn) => typeof turn === "string").join("");
}

/** The error for a command that a RESP2 connection with subscriptions may not send. */
function refused(command: string): string {
  return `"-ERR Can't execute '${command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / ` +
    'QUIT / RESET are allowed in this context\r\n"';
}
