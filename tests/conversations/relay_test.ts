import { assertEquals } from "@std/assert";
import { converse, SMALL_BUFFER_BYTES, unmarked } from "../support/conversation.ts";
import { testConversations } from "./every_cut.ts";
import { nodeBytes, transcript } from "./transcript.ts";

/** The client gets the frames of the node; those in « » rewritten, those in ‹ › not at all. */
const CONVERSATIONS: Record<string, string> = {
  // One request, one reply.
  "a plain pipeline passes": "> GET a, SET a b, LRANGE l 0 1 < NIL OK [NIL :1]",
  "every reply with addresses is rewritten": `
    > CLUSTER SLOTS, cluster shards, Cluster Nodes, CLUSTER REPLICAS a, CLUSTER SLAVES a, ROLE,
      INFO, info replication, CLIENT LIST, client info, CLUSTER NODES
    < SLOTS SHARDS NODES REPLICAS REPLICAS ROLE INFO INFO CLIENTS CLIENTS NODES_3`,
  "SLOWLOG, COMMANDLOG and ACL LOG pass unchanged": `
    > SLOWLOG GET, commandlog get 1 slow, ACL LOG, CLUSTER SLOTS < SLOWLOG SLOWLOG ACL_LOG SLOTS
    > MULTI, SLOWLOG GET, CLUSTER SLOTS, ACL LOG, EXEC, PING
    < OK QUEUED×3 *3 SLOWLOG SLOTS ACL_LOG PONG`,
  "a CONFIG GET passes unchanged, because tools write it back": `
    > CONFIG GET *, CLUSTER SLOTS, HELLO 3, CONFIG GET bind
    < [bind 10.0.0.1] SLOTS HELLO_3 {bind 10.0.0.1}`,
  "replies with addresses are found in a pipeline":
    "> GET a, CLUSTER SLOTS, GET b, GET c, CLUSTER NODES, GET d < NIL SLOTS b c NODES NIL",
  "replies with addresses are found when requests wait for each reply":
    "> GET a < NIL > CLUSTER SLOTS, GET b < SLOTS NIL > ROLE < ROLE",
  "inline requests are recognized":
    `> "cluster slots\r\n", "PING\n", ""CLUSTER" 'NODES'\r\n" < SLOTS PONG NODES`,
  "other subcommands are plain": `
    > CLUSTER INFO, CLUSTER MYID, CLIENT ID, CLIENT GETNAME, CLUSTER
    < 'cluster_state:ok\r\n' a :7 NIL ERR`,
  "a key named CLUSTER is a key": `
    > GET CLUSTER, SET CLUSTER SLOTS, LRANGE CLUSTER 0 1, CLUSTER SLOTS
    < 'SLOTS' OK [10.0.0.1 :7000] SLOTS`,
  "values that look like replies pass": `
    > GET a, MGET a b, CLUSTER SLOTS
    < '-MOVED 1 10.0.0.1:7000\r\n' *2 '\r\n-MOVED 1 10.0.0.1:7000\r\n'
      '*1\r\n*3\r\n:0\r\n:5\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$1\r\na\r\n' SLOTS`,
  "attributes before replies pass": `
    > GET a, CLUSTER SLOTS, GET b
    < |1 +ttl :1 a «slots |1 +ttl :1 [[:0 :5 [10.0.0.1 :7000 a]]]» |0 OK`,
  "nulls of both protocols pass": "> GET a, GET b, BLPOP a 1, GET c < NIL NULL *-1 NULL",
  "a value of any type answers a plain request": `
    > ${Array(10).fill("GET a").join(", ")}
    < NIL NULL *-1 %0 ~0 #t ,1.5 "(1\r\n" "!1\r\nx\r\n" HELLO_2`,
  "errors instead of replies with addresses pass":
    "> CLUSTER SLOTS, CLUSTER NODES, INFO, CLUSTER SLOTS < NOPERM NOAUTH LOADING SLOTS",
  "a long value passes between replies with addresses":
    "> CLUSTER SLOTS, GET a, CLUSTER SLOTS < SLOTS LONG SLOTS",
  "a long error passes between replies with addresses": `
    > FOO, CLUSTER SLOTS, FOO, CLUSTER SLOTS
    < (-ERR ${"x".repeat(300)}) SLOTS (-ERR ${"y".repeat(600)}) SLOTS`,
  "a status longer than the buffer passes": `> ECHO a, CLUSTER SLOTS < +${"x".repeat(1200)} SLOTS`,
  "a rewritten reply may be longer than the buffer": "> CLUSTER SLOTS, PING < LONG_SLOTS PONG",

  // Redirects.
  "redirects are rewritten":
    "> GET a, GET b, GET c, GET d < MOVED ASK «redirect (-REDIRECT 10.0.0.1:7000)» NIL",
  "a redirect to the longest host is rewritten": `> GET a < «redirect (-MOVED 16383 ${
    "h".repeat(255)
  }:65535)»`,
  "a redirect to an empty host is rewritten": "> GET a < «redirect (-MOVED 3999 :6379)»",
  "errors whose code only begins like a redirect pass": `
    > GET a, GET b, GET c
    < (-MOVEDX 1 h:1) (-ASKING 1 h:1) (-TRYAGAIN Multiple keys request during rehashing of slot)`,
  "a late redirect of a blocked command is rewritten": "> BLPOP a 0, PING < MOVED PONG",
  "an unsolicited redirect is rewritten": "> BLPOP a 0 < MOVED MOVED > PING < PONG",
  "a redirect instead of a reply with addresses is rewritten":
    "> CLUSTER SLOTS, CLUSTER NODES < MOVED NODES",
  "a status or a bulk with the text of a redirect passes":
    "> ECHO a, ECHO b < (+MOVED 1 10.0.0.1:7000) 'MOVED 1 10.0.0.1:7000'",
  "a redirect of a script with keys is rewritten as a script's redirect": `
    > EVAL s 1 a, EVALSHA s 1 a, EVAL_RO s 1 a, EVALSHA_RO s 1 a, FCALL f 1 a, FCALL_RO f 1 a
    < SCRIPT_MOVED×6`,
  "an error of a script without keys that looks like a redirect passes":
    "> EVAL s 0, FCALL f 0 x, PING < PLAIN_MOVED (-ASK 1 10.0.0.1:7000) PONG",
  "errors inside the result of a script pass": "> EVAL s 1 a < *2 PLAIN_MOVED OK",
  "an error of the target of MIGRATE is rewritten": `
    > MIGRATE h 1 k 0 9, GET a, MIGRATE h 1 k 0 9
    < MIGRATED (-ERR Target instance replied with error: MOVED 1 10.0.0.1:7000)
      (-IOERR error or timeout reading from target instance)`,
  "a redirect of MIGRATE itself is rewritten": "> MIGRATE h 1 k 0 9 < MOVED",
  "an error that repeats the address of a request is rewritten": `
    > CLUSTER MEET h 1, MIGRATE h 1 k 0 9, REPLICAOF h 1, FAILOVER TO h 1, CLIENT KILL a
    < INVALID_ADDRESS UNKNOWN×4`,
  "an error that repeats the arguments of another request passes": `
    > GET 10.0.0.1 7000, CLUSTER FORGET 10.0.0.1, CLUSTER MEET h 1, CLUSTER SLOTS
    < (-ERR unknown command 'X', with args beginning with: '10.0.0.1' '7000' )
      (-ERR Invalid node address specified: 10.0.0.1:60000) OK SLOTS`,
  "an error that repeats an address inside EXEC is rewritten":
    "> MULTI, CLUSTER MEET h 1, CLUSTER SLOTS, EXEC < OK QUEUED QUEUED *2 INVALID_ADDRESS SLOTS",

  // Pushes.
  "pushes pass anywhere between replies": `
    > HELLO 3, GET a, CLUSTER SLOTS, GET b
    < INVALIDATE HELLO_3 INVALIDATE NULL >[invalidate NULL] SLOTS_3 INVALIDATE NULL
      >[tracking-redir-broken :7] >[invalidate NIL]`,
  "a push that comes before or after its reply passes":
    "> GET a < INVALIDATE > CLUSTER SLOTS < NULL SLOTS > < INVALIDATE",
  "a push with addresses is rewritten": `
    > HELLO 3, GET a, CLUSTER SLOTS
    < MOVING HELLO_3 MOVING NULL «push >[+SMIGRATED :1]» SLOTS MOVING`,
  "pushes without a known type pass": `> GET a < >[] >[:5] >[[]] >[${"x".repeat(90)}] NIL`,
  "a push inside a reply passes with the reply":
    "> LRANGE a 0 1, CLUSTER SLOTS < *2 MESSAGE_3 :1 :2 SLOTS",
  "DEBUG PROTOCOL push and attrib pass": `
    > DEBUG PROTOCOL attrib, DEBUG PROTOCOL push, CLUSTER SLOTS
    < |1 key-popularity [key:123 :90] reply >[server-cpu-usage :42] reply SLOTS`,

  // Subscriptions.
  "a subscription is confirmed once per channel": `
    > SUBSCRIBE a b, PING, PSUBSCRIBE p, SSUBSCRIBE s
    < [subscribe a :1] [subscribe b :2] [pong ''] [psubscribe p :3] [ssubscribe s :1]`,
  "a duplicate channel is confirmed twice": `
    > SUBSCRIBE a a, UNSUBSCRIBE a a, CLUSTER SLOTS
    < [subscribe a :1] [subscribe a :1] [unsubscribe a :0] [unsubscribe a :0] SLOTS`,
  "UNSUBSCRIBE without arguments is confirmed once per channel": `
    > SUBSCRIBE a b c, PSUBSCRIBE p q, UNSUBSCRIBE, PUNSUBSCRIBE, CLUSTER SLOTS, PING
    < [subscribe a :1] [subscribe b :2] [subscribe c :3] [psubscribe p :4] [psubscribe q :5]
      [unsubscribe c :4] [unsubscribe a :3] [unsubscribe b :2] [punsubscribe q :1]
      [punsubscribe p :0] SLOTS PONG`,
  "SUNSUBSCRIBE without arguments is confirmed once per shard channel": `
    > SSUBSCRIBE a b, SUBSCRIBE c, SUNSUBSCRIBE, MARKER, UNSUBSCRIBE, CLUSTER SLOTS
    < [ssubscribe a :1] [ssubscribe b :2] [subscribe c :1] [sunsubscribe b :1] [sunsubscribe a :0]
      PONG_MARK [unsubscribe c :0] SLOTS`,
  "UNSUBSCRIBE without any subscription is confirmed once": `
    > UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE, CLUSTER SLOTS
    < [unsubscribe NIL :0] [punsubscribe NIL :0] [sunsubscribe NIL :0] SLOTS`,
  "UNSUBSCRIBE of channels that were not subscribed is confirmed": `
    > UNSUBSCRIBE a b, CLUSTER SLOTS, PUNSUBSCRIBE p
    < [unsubscribe a :0] [unsubscribe b :0] SLOTS [punsubscribe p :0]`,
  "channels with the names of commands and the form of counts are channels": `
    > SUBSCRIBE message subscribe :9, UNSUBSCRIBE, CLUSTER SLOTS
    < [subscribe message :1] [subscribe subscribe :2] [subscribe ':9' :3] [unsubscribe ':9' :2]
      [unsubscribe message :1] [unsubscribe subscribe :0] SLOTS`,
  "a channel with a long name is confirmed": `
    > SUBSCRIBE a, UNSUBSCRIBE, CLUSTER SLOTS
    < [subscribe ${"x".repeat(600)} :1] [unsubscribe ${"x".repeat(600)} :0] SLOTS`,
  "a refused subscription is one error": `
    > SUBSCRIBE a b, SSUBSCRIBE a b, PSUBSCRIBE p q, SUBSCRIBE, CLUSTER SLOTS
    < NOAUTH CROSSSLOT NOPERM (-ERR wrong number of arguments for 'subscribe' command) SLOTS`,
  "a subscription that is refused in EXEC is one error": `
    > MULTI, SUBSCRIBE a b, CLUSTER SLOTS, SUBSCRIBE c, EXEC, MARKER, CLUSTER SLOTS
    < OK QUEUED×3 *3 NOPERM SLOTS [subscribe c :1] PONG_MARK SLOTS`,
  "a transaction that gives a slot away ends its shard subscriptions": `
    > HELLO 3, SSUBSCRIBE s t, MULTI < HELLO_3 >[ssubscribe s :1] >[ssubscribe t :2] OK
    > CLUSTER DELSLOTS 1, SUNSUBSCRIBE s, EXEC, MARKER, CLUSTER SLOTS
    < QUEUED QUEUED *2 OK >[sunsubscribe s :0] >[sunsubscribe t :0] MARK SLOTS_3`,
  "a redirect of SSUBSCRIBE is rewritten":
    "> SSUBSCRIBE a b, SSUBSCRIBE c, PING < MOVED [ssubscribe c :1] [pong '']",
  "messages pass between replies": `
    > SUBSCRIBE a, PSUBSCRIBE p, SSUBSCRIBE s, PING, PING x
    < [subscribe a :1] MESSAGE [psubscribe p :2] [ssubscribe s :1] [pmessage p a hi] [pong '']
      MESSAGE [smessage s hi] [pong x] MESSAGE MESSAGE
    > < MESSAGE
    > UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE, MARKER, LRANGE l 0 2, CLUSTER SLOTS
    < MESSAGE [unsubscribe a :1] [punsubscribe p :0] [sunsubscribe s :0] MARK MESSAGE SLOTS`,
  "commands that are refused while subscribed are answered": `
    > SUBSCRIBE a, GET a, CLUSTER SLOTS, CLIENT REPLY OFF, HELLO 3, MULTI, PING, UNSUBSCRIBE,
      CLUSTER SLOTS
    < [subscribe a :1] GET_REFUSED SLOTS_REFUSED REPLY_REFUSED HELLO_REFUSED MULTI_REFUSED
      [pong ''] [unsubscribe a :0] SLOTS`,
  "without a subscription, an array that looks like a message is a reply": `
    > LRANGE l 0 2, CLUSTER SLOTS, SUBSCRIBE a, UNSUBSCRIBE, LRANGE l 0 2, CLUSTER SLOTS
    < MESSAGE SLOTS [subscribe a :1] [unsubscribe a :0] MESSAGE SLOTS`,
  "in RESP3, an array that looks like a message is a reply": `
    > HELLO 3, SUBSCRIBE a, LRANGE l 0 2, CLUSTER SLOTS
    < HELLO_3 >[subscribe a :1] MESSAGE MESSAGE_3 SLOTS_3`,
  "an array that looks like a confirmation is a reply":
    "> LRANGE l 0 2, CLUSTER SLOTS, SUBSCRIBE a < [subscribe a 1] SLOTS [subscribe a :1]",
  "invalidations pass as messages, with a list or a null of either protocol": `
    > SUBSCRIBE __redis__:invalidate, PING
    < [subscribe '__redis__:invalidate' :1] [message '__redis__:invalidate' [k l]]
      [message '__redis__:invalidate' NIL] [message '__redis__:invalidate' NULL]
      [message '__redis__:invalidate' *-1] [message '__redis__:invalidate' []] [pong '']`,
  "subscriptions in RESP3 are confirmed by pushes": `
    > HELLO 3, SUBSCRIBE a b, PING, UNSUBSCRIBE, UNSUBSCRIBE, CLUSTER SLOTS, PSUBSCRIBE p, GET a
    < HELLO_3 >[subscribe a :1] >[subscribe b :2] PONG >[unsubscribe b :1] >[unsubscribe a :0]
      >[unsubscribe NULL :0] SLOTS_3 >[psubscribe p :1] NULL`,
  "messages in RESP3 pass between all replies": `
    > HELLO 3, SUBSCRIBE a, GET a, CLUSTER SLOTS, SSUBSCRIBE s, GET b
    < HELLO_3 >[subscribe a :1] MESSAGE_3 NULL MESSAGE_3 SLOTS_3 MESSAGE_3 MOVED MESSAGE_3 NULL`,
  "an unsolicited end of a shard subscription passes": `
    > SSUBSCRIBE s t < [ssubscribe s :1] [ssubscribe t :2]
    > PING < [sunsubscribe s :1] [pong ''] [sunsubscribe t :0]
    > CLUSTER SLOTS, LRANGE l 0 2 < SLOTS MESSAGE`,
  "an unsolicited end of a shard subscription passes in RESP3": `
    > HELLO 3, SSUBSCRIBE s < HELLO_3 >[ssubscribe s :1]
    > CLUSTER SLOTS, GET a < >[sunsubscribe s :0] SLOTS_3 NULL`,
  "an unsolicited end of a shard subscription before its SUNSUBSCRIBE is answered passes": `
    > SSUBSCRIBE s < [ssubscribe s :1]
    > SUNSUBSCRIBE s, MARKER, CLUSTER SLOTS < [sunsubscribe s :0] [sunsubscribe s :0] MARK SLOTS`,
  "an unsolicited end of a shard subscription, then a redirect of its SUNSUBSCRIBE": `
    > SSUBSCRIBE s < [ssubscribe s :1]
    > SUNSUBSCRIBE s, MARKER, CLUSTER SLOTS, PING < [sunsubscribe s :0] MOVED MARK SLOTS PONG
    > SSUBSCRIBE t, SUNSUBSCRIBE s, MARKER, PING
    < [ssubscribe t :1] [smessage a hi] MOVED PONG_MARK [pong '']`,
  "an unsolicited end of a shard subscription, then a redirect of its SUNSUBSCRIBE, in RESP3": `
    > HELLO 3, SSUBSCRIBE s < HELLO_3 >[ssubscribe s :1]
    > SUNSUBSCRIBE s, MARKER, CLUSTER SLOTS, PING
    < INVALIDATE >[sunsubscribe s :0] INVALIDATE MOVED INVALIDATE MARK SLOTS_3 PONG`,
  "an error of the ACL answers a marker": `
    > SSUBSCRIBE s, SUNSUBSCRIBE s, MARKER, SUNSUBSCRIBE t, MARKER, CLUSTER SLOTS, PING
    < [ssubscribe s :1] [sunsubscribe s :0] ‹NO_PING› MOVED ‹NO_PING_62› SLOTS NO_PING`,
  "the error MISCONF answers a marker": `
    > SSUBSCRIBE s, SUNSUBSCRIBE s, MARKER, CLUSTER SLOTS
    < [ssubscribe s :1] [sunsubscribe s :0] ‹(-MISCONF Redis is configured to save RDB snapshots)›
      SLOTS`,
  "an unsolicited end of all shard subscriptions before SUNSUBSCRIBE is answered passes": `
    > HELLO 3, SSUBSCRIBE s t < HELLO_3 >[ssubscribe s :1] >[ssubscribe t :2]
    > SUNSUBSCRIBE, MARKER, CLUSTER SLOTS
    < >[sunsubscribe s :1] >[sunsubscribe t :0] >[sunsubscribe NULL :0] MARK SLOTS_3`,
  "an unsolicited end of a shard subscription while other requests with markers are unanswered": `
    > SSUBSCRIBE s t < [ssubscribe s :1] [ssubscribe t :2]
    > REPLCONF ACK 1, MARKER, SUNSUBSCRIBE s, MARKER, GET a, SUNSUBSCRIBE t, MARKER,
      CLUSTER SLOTS, PING
    < [sunsubscribe s :1] REPLCONF_REFUSED PONG_MARK [sunsubscribe s :1] PONG_MARK GET_REFUSED
      [sunsubscribe t :0] MARK SLOTS PONG`,
  "an unsolicited end of a shard subscription while a transaction queues its SUNSUBSCRIBE": `
    > HELLO 3, SSUBSCRIBE s, MULTI < HELLO_3 >[ssubscribe s :1] OK
    > SUNSUBSCRIBE s, LRANGE l 0 2, DISCARD, LRANGE l 0 2, CLUSTER SLOTS, PING
    < >[sunsubscribe s :0] QUEUED QUEUED OK MESSAGE SLOTS_3 PONG
    > MULTI < OK
    > SUNSUBSCRIBE s, CLUSTER SLOTS, EXEC, MARKER, PING
    < QUEUED QUEUED *2 >[sunsubscribe s :0] SLOTS_3 MARK PONG`,
  "a switch to RESP2 makes messages arrays": `
    > HELLO 3, SUBSCRIBE a, HELLO 2, PING
    < HELLO_3 >[subscribe a :1] MESSAGE_3 HELLO_2 MESSAGE [pong ''] MESSAGE`,
  "RESET ends RESP3":
    "> HELLO 3, RESET, SUBSCRIBE a, PING < HELLO_3 RESET [subscribe a :1] MESSAGE [pong '']",
  "RESET ends all subscriptions": `
    > SUBSCRIBE a, SSUBSCRIBE s, RESET, LRANGE l 0 2, UNSUBSCRIBE, CLUSTER SLOTS
    < [subscribe a :1] [ssubscribe s :1] RESET MESSAGE [unsubscribe NIL :0] SLOTS`,

  // HELLO.
  "HELLO between other requests changes only the protocol": `
    > GET a, HELLO 3, CLUSTER SLOTS, HELLO, HELLO 2 AUTH u p, MARKER, CLUSTER SLOTS, HELLO 9,
      CLUSTER NODES
    < NIL HELLO_3 SLOTS_3 HELLO_3 HELLO_2 MARK SLOTS (-NOPROTO unsupported protocol version) NODES`,
  "a refused HELLO changes nothing": `
    > SUBSCRIBE a, HELLO 3, UNSUBSCRIBE, HELLO 3, CLUSTER SLOTS
    < [subscribe a :1] HELLO_REFUSED MESSAGE [unsubscribe a :0] WRONGPASS SLOTS`,

  // MONITOR.
  "MONITOR sends lines between all replies": `
    > MONITOR, CLUSTER SLOTS, GET a, INFO
    < OK MONITORED SLOTS MONITORED NIL MONITORED MONITORED INFO MONITORED`,
  "a second MONITOR is not answered": `
    > MONITOR, MONITOR, MARKER, CLUSTER SLOTS, MONITOR, MARKER, MONITOR, MARKER, CLUSTER NODES,
      PING
    < OK MONITORED MARK SLOTS MARK MONITORED MARK NODES MONITORED PONG`,
  "SYNC on a connection that monitors is not answered": `
    > MONITOR, SYNC, MARKER, PSYNC ? -1, MARKER, CLUSTER SLOTS
    < OK MONITORED MARK MONITORED MARK SLOTS`,
  "on a connection that monitors, a script may return a status like a line of MONITOR": `
    > MONITOR, EVAL s 0, MARKER, EVAL s 0, MARKER, EVAL s 1 a, MARKER, CLUSTER SLOTS
    < OK MONITORED MONITORED MARK MONITORED NIL MONITORED MARK MONITORED SCRIPT_MOVED MARK SLOTS`,
  "lines of MONITOR pass between the results of EXEC, one of which is that of a script": `
    > MONITOR < OK
    > MULTI < OK
    > EVAL s 0, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS
    < MONITORED QUEUED QUEUED *2 MONITORED NIL MONITORED SLOTS MARK SLOTS`,
  "lines of MONITOR that show a marker are dropped": `
    > MONITOR, MONITOR, MARKER, PING
    < OK MONITORED ‹(+1700000000.1 [0 10.0.0.9:1] "PING" "nat-0123456789abcdef")› MARK
      (+1700000000.1 [0 10.0.0.9:1] "PING" "nat-") PONG`,
  "a line of MONITOR may be of any length": "> MONITOR, CLUSTER SLOTS < OK LONG_MONITORED SLOTS",
  "a line of MONITOR that names a node passes unchanged": `
    > MONITOR, GET a, CLUSTER SLOTS
    < OK MONITORED_MIGRATE NIL MONITORED_MIGRATE MONITORED_MIGRATE SLOTS MONITORED_MIGRATE`,
  "a line of MONITOR may have an address of any form": `
    > MONITOR, PING
    < OK (+1700000000.123456 [0 [fd00::9]:4711] "get" "k") (+1700000000.123456 [0 ?:0] "get" "k")
      PONG (+1700000000.1 [15 lua] "get") (+1700000000.1 [0 unix:/run/a b:7000] "get" "k")`,
  "a line of MONITOR is not taken for a redirect": `
    > MONITOR, CLUSTER SLOTS
    < OK (+1700000000.123456 [0 lua] "MOVED" "1" "10.0.0.1:7000")
      (+1700000000.1 [0 unix:/s] "-MOVED") SLOTS`,
  "MONITOR ends with RESET":
    "> MONITOR, RESET, MONITOR, MARKER, CLUSTER SLOTS < OK MONITORED RESET OK MONITORED MARK SLOTS",
  "after a refused MONITOR, the connection does not monitor":
    "> MONITOR, MONITOR, MARKER, CLUSTER SLOTS < NOPERM OK MARK SLOTS",
  "lines of MONITOR pass between the results of EXEC": `
    > MONITOR, MULTI, CLUSTER SLOTS, GET a, EXEC, CLUSTER SLOTS
    < OK OK MONITORED QUEUED QUEUED *2 MONITORED SLOTS MONITORED_MIGRATE NIL MONITORED SLOTS`,
  "without MONITOR, a status that looks like its line is a reply":
    "> ECHO a, ECHO b, CLUSTER SLOTS < MONITORED MONITORED_MIGRATE SLOTS",

  // CLIENT REPLY: the node always gets ON, and answers every request.
  "CLIENT REPLY ON is answered":
    "> CLIENT REPLY ON, CLUSTER SLOTS, client reply on, PING < OK SLOTS OK PONG",
  "replies are dropped after CLIENT REPLY OFF": `
    > CLUSTER SLOTS, CLIENT REPLY OFF, CLUSTER SLOTS, GET a, FOO, CLUSTER NODES, CLIENT REPLY ON,
      CLUSTER SLOTS
    < SLOTS ‹OK SLOTS NIL ERR NODES› OK SLOTS`,
  "replies are dropped after CLIENT REPLY OFF, also if each request waits for its reply": `
    > CLIENT REPLY OFF < ‹OK›
    > CLUSTER SLOTS, INFO, GET a, GET a < ‹SLOTS INFO LONG NIL›
    > CLIENT REPLY ON < OK
    > CLUSTER SLOTS < SLOTS`,
  "CLIENT REPLY SKIP drops the reply to the next request":
    "> CLIENT REPLY SKIP, CLUSTER SLOTS, CLUSTER SLOTS, GET a < ‹OK SLOTS› SLOTS NIL",
  "CLIENT REPLY SKIP also drops an error":
    "> CLIENT REPLY SKIP, FOO, FOO, CLUSTER SLOTS < ‹OK ERR› ERR SLOTS",
  "CLIENT REPLY SKIP twice drops the reply to the request after the second":
    "> CLIENT REPLY SKIP, CLIENT REPLY SKIP, CLUSTER SLOTS, CLUSTER NODES < ‹OK OK SLOTS› NODES",
  "CLIENT REPLY SKIP before every other request": `
    > CLIENT REPLY SKIP, SET a b, CLUSTER SLOTS, CLIENT REPLY SKIP, SET a b, ROLE
    < ‹OK OK› SLOTS ‹OK OK› ROLE
    > client reply skip < ‹OK›
    > CLUSTER SLOTS, CLUSTER SLOTS < ‹SLOTS› SLOTS`,
  "CLIENT REPLY ON is answered after SKIP":
    "> CLIENT REPLY SKIP, CLIENT REPLY ON, CLUSTER SLOTS < ‹OK› OK SLOTS",
  "CLIENT REPLY OFF after SKIP takes effect": `
    > CLIENT REPLY SKIP, CLIENT REPLY OFF, CLUSTER SLOTS, CLIENT REPLY ON, CLUSTER NODES
    < ‹OK OK SLOTS› OK NODES`,
  "CLIENT REPLY SKIP after OFF has no effect": `
    > CLIENT REPLY OFF, CLIENT REPLY SKIP, CLIENT REPLY ON, CLUSTER SLOTS, CLUSTER NODES
    < ‹OK OK› OK SLOTS NODES`,
  "CLIENT REPLY with invalid arguments is answered": `
    > CLIENT REPLY MAYBE, CLIENT REPLY, CLIENT REPLY SKIP now, CLUSTER SLOTS
    < (-ERR syntax error) (-ERR wrong number of arguments for 'client|reply' command)
      (-ERR wrong number of arguments for 'client|reply' command) SLOTS`,
  "CLIENT REPLY that is refused with NOAUTH is answered": `
    > CLIENT REPLY OFF, CLIENT REPLY SKIP, CLUSTER SLOTS < NOAUTH×3
    > AUTH p, CLUSTER SLOTS < OK SLOTS`,
  "CLIENT REPLY that is refused is answered unless replies are off": `
    > CLIENT REPLY SKIP, CLUSTER SLOTS, CLIENT REPLY OFF, CLIENT REPLY ON, CLUSTER NODES
    < NOPERM SLOTS ‹OK› ‹NOPERM NODES›`,
  "CLIENT REPLY on a server without the command CLIENT is answered": `
    > CLIENT REPLY SKIP, CLUSTER SLOTS, CLIENT REPLY OFF, CLUSTER NODES
    < (-ERR unknown command 'CLIENT', with args beginning with: 'REPLY' 'on' ) SLOTS
      (-ERR unknown command \`client\`, with args beginning with: \`reply\`, \`on\`, ) NODES`,
  "empty requests are not answered": `
    > "\r\n", CLUSTER SLOTS, "*0\r\n", "\n", GET a, "*-1\r\n", CLUSTER NODES, "  \r\n"
    < SLOTS NIL NODES
    > "\r\n", "\r\n", CLUSTER SLOTS < SLOTS`,
  "an empty request counts as the next one after SKIP": `
    > CLIENT REPLY SKIP, "\r\n", CLUSTER SLOTS < ‹OK› SLOTS
    > CLIENT REPLY SKIP < ‹OK›
    > "*0\r\n" <
    > CLUSTER SLOTS < SLOTS
    > GET a, "\r\n", CLIENT REPLY SKIP, GET a, "\r\n", CLUSTER SLOTS < NIL ‹OK NIL› SLOTS`,
  "confirmations and messages pass under OFF": `
    > CLIENT REPLY OFF, SUBSCRIBE a b, PING, UNSUBSCRIBE, CLUSTER SLOTS, CLIENT REPLY ON,
      CLUSTER SLOTS
    < ‹OK› [subscribe a :1] [subscribe b :2] MESSAGE ‹[pong '']› [unsubscribe b :1]
      [unsubscribe a :0] ‹SLOTS› OK SLOTS`,
  "confirmations and messages pass under OFF in RESP3": `
    > HELLO 3, CLIENT REPLY OFF, SUBSCRIBE a, CLUSTER SLOTS, CLIENT REPLY ON, CLUSTER SLOTS,
      UNSUBSCRIBE
    < HELLO_3 ‹OK› >[subscribe a :1] MESSAGE_3 ‹SLOTS_3› OK MESSAGE_3 SLOTS_3 >[unsubscribe a :0]`,
  "a confirmation passes under SKIP, the error of a subscription is dropped": `
    > CLIENT REPLY SKIP, PSUBSCRIBE *, PING, PUNSUBSCRIBE, CLUSTER SLOTS
    < ‹OK› [psubscribe '*' :1] [pong ''] [punsubscribe '*' :0] SLOTS
    > CLIENT REPLY SKIP, SSUBSCRIBE a b, CLUSTER SLOTS < ‹OK CROSSSLOT› SLOTS`,
  "a subscription that is refused under OFF does not change the next confirmations": `
    > HELLO 3, CLIENT REPLY OFF, SSUBSCRIBE a b, SSUBSCRIBE c, CLIENT REPLY ON, SUBSCRIBE d e,
      CLUSTER SLOTS
    < HELLO_3 ‹OK (-CROSSSLOT Keys)› >[ssubscribe c :1] OK >[subscribe d :1] >[subscribe e :2]
      SLOTS_3`,
  "pushes pass under OFF and SKIP": `
    > HELLO 3, CLIENT REPLY SKIP, GET a, GET b, CLIENT REPLY OFF, GET a
    < HELLO_3 ‹OK› INVALIDATE ‹NULL› NULL ‹OK› MOVING ‹NULL› INVALIDATE`,
  "lines of MONITOR are dropped under OFF and SKIP": `
    > MONITOR, CLIENT REPLY OFF, GET a, CLIENT REPLY ON, CLIENT REPLY SKIP
    < OK MONITORED ‹OK MONITORED NIL MONITORED_MIGRATE› OK MONITORED ‹OK MONITORED›
    > GET a, GET a < ‹NIL› MONITORED NIL`,
  "redirects are dropped under OFF":
    "> CLIENT REPLY OFF, GET a, CLUSTER SLOTS, CLIENT REPLY ON, GET a < ‹OK MOVED SLOTS› OK MOVED",
  "RESET ends OFF":
    "> CLIENT REPLY OFF, CLUSTER SLOTS, RESET, CLUSTER SLOTS < ‹OK SLOTS› RESET SLOTS",
  "the reply to RESET after SKIP is dropped":
    "> CLIENT REPLY SKIP, RESET, CLUSTER SLOTS, PING < ‹OK RESET› SLOTS PONG",
  "the reply to HELLO after SKIP is dropped": `
    > CLIENT REPLY SKIP, HELLO 3, CLUSTER SLOTS, SUBSCRIBE a, CLUSTER SLOTS
    < ‹OK HELLO_3› SLOTS_3 >[subscribe a :1] SLOTS_3`,
  "the reply to MULTI after SKIP is dropped": `
    > CLIENT REPLY SKIP, MULTI, CLUSTER SLOTS, GET a, EXEC, CLUSTER SLOTS
    < ‹OK OK› QUEUED QUEUED *2 SLOTS NIL SLOTS`,
  "subscriptions in a transaction are confirmed among the results of EXEC": `
    > MULTI, CLUSTER SLOTS, SUBSCRIBE a, UNSUBSCRIBE a, DISCARD < OK QUEUED×3 OK
    > MULTI < OK
    > CLUSTER SLOTS, SUBSCRIBE a, UNSUBSCRIBE a < QUEUED×3
    > EXEC, MARKER, PING < *3 SLOTS [subscribe a :1] [unsubscribe a :0] MARK PONG`,
  "the replies of a transaction under OFF are dropped": `
    > CLIENT REPLY OFF, MULTI, CLUSTER SLOTS, GET a, EXEC, CLIENT REPLY ON, CLUSTER SLOTS
    < ‹OK OK QUEUED QUEUED *2 SLOTS NIL› OK SLOTS`,
  "a MULTI that is refused under SKIP opens no transaction":
    "> CLIENT REPLY SKIP, MULTI x, CLUSTER SLOTS, PING < ‹OK ERR› SLOTS PONG",

  // AUTH, whose error Redis 8.0 and Valkey 8.1 drop while other replies wait to be sent.
  "a marker follows AUTH in a pipeline": `
    > PING, CLUSTER SLOTS, AUTH p, MARKER, CLUSTER NODES, AUTH u p, MARKER, CLUSTER SLOTS
    < PONG SLOTS WRONGPASS MARK NODES OK MARK SLOTS`,
  "the missing reply to AUTH is detected by the answer to its marker": `
    > PING, AUTH u x, MARKER, SET a b, CLUSTER SLOTS, PING < PONG MARK OK SLOTS PONG
    > GET a, HELLO 3 AUTH u x, MARKER, CLUSTER SLOTS, HELLO 3 AUTH u p, MARKER, CLUSTER SLOTS
    < NIL MARK SLOTS HELLO_3 MARK SLOTS_3`,
  "the missing reply to AUTH is detected by the refusal of its marker": `
    > GET a, AUTH u x, MARKER, CLUSTER SLOTS, AUTH u p, MARKER, CLUSTER SLOTS
    < NOAUTH ‹NOAUTH› NOAUTH OK ‹NO_PING› SLOTS
    > PING, AUTH u x, MARKER, AUTH u x, MARKER, CLUSTER SLOTS
    < NO_PING ‹NO_PING› WRONGPASS ‹NO_PING_62› SLOTS
    > PING, AUTH u p, MARKER, CLUSTER SLOTS < LOADING OK ‹LOADING› SLOTS`,
  "HELLO SETNAME auth is not taken for HELLO AUTH": `
    > GET x, HELLO 3 SETNAME auth, AUTH p, MARKER, COMMAND GETKEYS GET k, CLUSTER SLOTS
    < NOAUTH (-NOAUTH HELLO must be called with the client already authenticated) OK MARK [k]
      SLOTS`,
  "errors among the results of EXEC do not answer its marker": `
    > MULTI < OK
    > AUTH u p, EVAL s 0, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS, GET a
    < QUEUED×3 *3 OK (-BUSY x) SLOTS MARK SLOTS NIL
    > MULTI < OK
    > SUBSCRIBE a, EVAL s 0, UNSUBSCRIBE, EXEC, MARKER, CLUSTER SLOTS
    < QUEUED×3 *3 [subscribe a :1] (-MISCONF x) [unsubscribe a :0] MARK SLOTS`,
  "after MONITOR, an error of a script answers the script":
    "> MONITOR, RESET, EVAL s 0, MARKER, FOO, CLUSTER SLOTS < OK RESET NO_PING MARK ERR SLOTS",
  "MASTERDOWN refuses SYNC and its marker":
    "> MONITOR, SYNC, MARKER, GET a, CLUSTER SLOTS < OK MASTERDOWN ‹MASTERDOWN› MOVED SLOTS",
  "AUTH after a DISCARD that the node has answered needs no marker": `
    > MULTI, DISCARD < OK OK
    > AUTH p < OK
    > MULTI, CLUSTER SLOTS, EXEC, PING < OK QUEUED *1 SLOTS PONG`,
  "AUTH in a transaction may have no result": `
    > MULTI, AUTH u x, SET a b, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS, PING < OK
    < QUEUED×3 *3 OK SLOTS MARK SLOTS PONG`,
  "AUTH in a transaction may have a result": `
    > MULTI < OK
    > AUTH u x, SET a b, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS, PING
    < QUEUED×3 *3 WRONGPASS OK SLOTS MARK SLOTS PONG
    > MULTI < OK
    > AUTH u p, CLUSTER SLOTS, HELLO 3 AUTH u p, CLUSTER SLOTS, EXEC, MARKER, PING
    < QUEUED×4 *4 OK SLOTS HELLO_3 SLOTS_3 MARK PONG`,

  // The Lua debugger.
  "a session of the Lua debugger passes without parsing": `
    > SCRIPT DEBUG YES, PING < OK PONG
    > EVAL s 0 < [(+* Stopped at 1, stop reason = step over) (+-> 1   return 1)]
    > s, info, subscribe x, cluster nodes, "CLUST\n", monitor < ENDED :1`,
  "a session of the Lua debugger may drop the replies before it":
    `> SCRIPT DEBUG YES, RESET, EVAL s 0 < STOPPED > "CLUST\n" < ENDED :1`,
  "RESET does not turn SCRIPT DEBUG off":
    `> SCRIPT DEBUG YES, RESET < OK RESET > EVAL s 0 < STOPPED > "CLUST\n" < ENDED :1`,
  "a script outside the Lua debugger is answered": `
    > SCRIPT DEBUG sync, EVAL s 1 a, EVALSHA x 0, CLUSTER SLOTS, SCRIPT DEBUG NO, EVAL s 0
    < OK SCRIPT_MOVED (-ERR Please use EVAL) SLOTS OK OK
    > SCRIPT DEBUG YES, EVAL s 0, CLUSTER SLOTS
    < (-ERR SCRIPT DEBUG must be called outside a pipeline) NIL SLOTS`,

  // Transactions.
  "the results of EXEC are matched with the queued commands": `
    > MULTI, GET a, CLUSTER SLOTS, GET b, CLUSTER NODES, INFO, EXEC, CLUSTER SLOTS, PING
    < OK QUEUED×5 *5 NIL SLOTS [NIL :1] NODES INFO SLOTS PONG`,
  "the results of EXEC are matched if each request waits for its reply": `
    > MULTI < OK
    > CLUSTER SHARDS < QUEUED
    > ROLE < QUEUED
    > EXEC < *2 SHARDS ROLE
    > CLIENT LIST < CLIENTS`,
  "two transactions in one pipeline": `
    > MULTI, CLUSTER SLOTS, EXEC, MULTI, GET a, CLUSTER NODES, EXEC, GET b
    < OK QUEUED *1 SLOTS OK QUEUED QUEUED *2 NIL NODES NIL`,
  "an empty transaction has no results": "> MULTI, EXEC, CLUSTER SLOTS < OK [] SLOTS",
  "a discarded transaction has no results": `
    > MULTI, CLUSTER SLOTS, DISCARD, CLUSTER SLOTS, MULTI, GET a, EXEC
    < OK QUEUED OK SLOTS OK QUEUED *1 NIL`,
  "a transaction whose watched key changed has no results": `
    > WATCH a, MULTI, CLUSTER SLOTS, EXEC, CLUSTER SLOTS, MULTI, ROLE, EXEC, CLUSTER NODES
    < OK OK QUEUED *-1 SLOTS OK QUEUED NULL NODES`,
  "a transaction with a refused command has no results":
    "> MULTI, CLUSTER SLOTS, FOO, EXEC, CLUSTER SLOTS < OK QUEUED ERR ABORTED SLOTS",
  "a redirect instead of QUEUED is rewritten":
    "> MULTI, GET a, CLUSTER SLOTS, EXEC, CLUSTER SLOTS < OK MOVED QUEUED ABORTED SLOTS",
  "a redirect instead of results is rewritten":
    "> MULTI, GET a, CLUSTER SLOTS, EXEC, CLUSTER SLOTS < OK QUEUED QUEUED MOVED SLOTS",
  "errors among the results of EXEC are results": `
    > MULTI, INCR a, CLUSTER SLOTS, EVAL s 1 a, EVAL s 0, EXEC, CLUSTER SLOTS
    < OK QUEUED×4 *4 (-WRONGTYPE Operation against a key) SLOTS SCRIPT_MOVED PLAIN_MOVED SLOTS`,
  "MULTI, WATCH and EXEC in the wrong state are errors": `
    > EXEC, DISCARD, MULTI, MULTI, WATCH a, CLUSTER SLOTS, EXEC, EXEC, CLUSTER SLOTS
    < NO_EXEC (-ERR DISCARD without MULTI) OK (-ERR MULTI calls can not be nested)
      (-ERR WATCH inside MULTI is not allowed) QUEUED *1 SLOTS NO_EXEC SLOTS`,
  "commands with the wrong number of arguments change no transaction": `
    > MULTI x, MULTI, DISCARD x, CLUSTER SLOTS, EXEC, CLUSTER SLOTS
    < (-ERR wrong number of arguments for 'multi' command) OK
      (-ERR wrong number of arguments for 'discard' command) QUEUED ABORTED SLOTS`,
  "EXEC with the wrong number of arguments ends the transaction": `
    > MULTI, CLUSTER SLOTS, EXEC x, CLUSTER SLOTS, EXEC
    < OK QUEUED
      (-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command)
      SLOTS NO_EXEC`,
  "RESET ends a transaction": `
    > MULTI, CLUSTER SLOTS, RESET, CLUSTER SLOTS, MULTI, GET a, EXEC
    < OK QUEUED RESET SLOTS OK QUEUED *1 NIL`,
  "SYNC, PSYNC and SHUTDOWN are refused in a transaction": `
    > MULTI, SYNC, PSYNC ? -1, EXEC, CLUSTER SLOTS
    < OK (-ERR Command not allowed inside a transaction)
      (-ERR Command not allowed inside a transaction) ABORTED SLOTS`,
  "SUBSCRIBE in a transaction is confirmed once per channel": `
    > MULTI, SUBSCRIBE a b, UNSUBSCRIBE, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS
    < OK QUEUED×3 *3 [subscribe a :1] [subscribe b :2] [unsubscribe b :1] [unsubscribe a :0] SLOTS
      MARK SLOTS`,
  "messages of the connection itself in a transaction are no results": `
    > MULTI, SUBSCRIBE a, PUBLISH a hi, UNSUBSCRIBE, CLUSTER SLOTS, EXEC, MARKER, PING
    < OK QUEUED×4 *4 [subscribe a :1] MESSAGE :1 [unsubscribe a :0] SLOTS MARK PONG`,
  "a list that looks like a message is a result of a transaction that subscribes": `
    > MULTI, SUBSCRIBE a, LRANGE l 0 2, UNSUBSCRIBE, CLUSTER SLOTS, EXEC, MARKER, PING
    < OK QUEUED×4 *4 [subscribe a :1] MESSAGE [unsubscribe a :0] SLOTS MARK PONG`,
  "SUBSCRIBE in a transaction is confirmed by pushes in RESP3": `
    > HELLO 3, MULTI, SUBSCRIBE a b, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS
    < HELLO_3 OK QUEUED QUEUED *2 >[subscribe a :1] >[subscribe b :2] SLOTS_3 MARK SLOTS_3`,
  "UNSUBSCRIBE in a transaction without any subscription is confirmed once": `
    > MULTI, UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE, EXEC, MARKER, CLUSTER SLOTS
    < OK QUEUED×3 *3 [unsubscribe NIL :0] [punsubscribe NIL :0] [sunsubscribe NIL :0] MARK SLOTS`,
  "CLIENT REPLY OFF in a transaction drops the results after it": `
    > MULTI, CLIENT REPLY OFF, CLUSTER SLOTS, EXEC < OK QUEUED QUEUED *2 ‹OK SLOTS›
    > CLUSTER SLOTS, CLIENT REPLY ON, CLUSTER SLOTS < ‹SLOTS› OK SLOTS`,
  "CLIENT REPLY OFF and ON in a transaction drop the results between them": `
    > MULTI, ROLE, CLIENT REPLY OFF, CLUSTER SLOTS, CLIENT REPLY ON, CLUSTER NODES, EXEC, INFO
    < OK QUEUED×5 *5 ROLE ‹OK SLOTS› OK NODES INFO`,
  "CLIENT REPLY SKIP in a transaction drops the reply to the request after EXEC": `
    > MULTI, CLIENT REPLY SKIP, CLUSTER SLOTS, EXEC, CLUSTER NODES, CLUSTER SLOTS
    < OK QUEUED QUEUED *2 ‹OK› SLOTS ‹NODES› SLOTS`,
  "CLIENT REPLY SKIP at the end of a transaction drops the reply to the request after EXEC": `
    > MULTI, CLUSTER SLOTS, CLIENT REPLY SKIP, EXEC < OK QUEUED QUEUED *2 SLOTS ‹OK›
    > CLUSTER NODES, CLUSTER SLOTS < ‹NODES› SLOTS`,
  "REPLCONF ACK in a transaction has no result": `
    > MULTI < OK
    > REPLCONF ACK 1, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS
    < QUEUED QUEUED *2 SLOTS MARK SLOTS
    > MULTI < OK
    > REPLCONF ACK 1, EXEC, MARKER, CLUSTER SLOTS < QUEUED *1 MARK SLOTS`,
  "messages pass between the results of EXEC in RESP3": `
    > HELLO 3, SUBSCRIBE a, MULTI, PUBLISH a hi, CLUSTER SLOTS, EXEC, CLUSTER SLOTS
    < HELLO_3 >[subscribe a :1] OK QUEUED QUEUED [MESSAGE_3 :1] INVALIDATE SLOTS_3 INVALIDATE
      SLOTS_3`,
  "the protocol may change between the results of EXEC": `
    > MULTI, HELLO 3, CLUSTER SLOTS, HELLO 2, CLUSTER SLOTS, EXEC, CLUSTER SLOTS
    < OK QUEUED×4 *4 HELLO_3 SLOTS_3 HELLO_2 SLOTS SLOTS`,
  "MONITOR and SSUBSCRIBE in a transaction are refused by EXEC": `
    > MULTI, MONITOR, SSUBSCRIBE a, CLUSTER SLOTS, EXEC, MARKER, CLUSTER SLOTS
    < OK QUEUED×3 *3 NO_MONITOR (-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client) SLOTS
      MARK SLOTS`,
  "MONITOR in a transaction of a connection that monitors is refused": `
    > MONITOR, MULTI < OK OK
    > MONITOR, EXEC, MARKER, CLUSTER SLOTS, PING < MONITORED QUEUED *1 NO_MONITOR MARK SLOTS PONG`,
  "a status QUEUED among the results of EXEC is a result": `
    > MULTI, EVAL s 0, CLUSTER SLOTS, EXEC, CLUSTER SLOTS
    < OK QUEUED QUEUED *2 QUEUED SLOTS SLOTS`,
  "QUIT ends a transaction": "> MULTI, CLUSTER SLOTS, QUIT < OK QUEUED OK",

  // Replication.
  "after SYNC, all bytes pass without parsing": `
    > CLUSTER SLOTS, SYNC
    < SLOTS "\n\n$5\r\nREDIS*1\r\n$4\r\nPING\r\nx\0-MOVED 1 10.0.0.1:7000\r\n"
    > REPLCONF ACK 1, CLUSTER SLOTS < [[:0 :5 [10.0.0.1 :7000 a]]] "\r\n*x"`,
  "after SYNC with an EOF mark, all bytes pass without parsing": `> SYNC < $EOF:${
    "a".repeat(40)
  } "REDIS"`,
  "after PSYNC with a full resync, all bytes pass without parsing": `
    > PING, PSYNC ? -1
    < PONG (+FULLRESYNC ${"a".repeat(40)} 1) "\n$5\r\nREDIS*1\r\n>x" MONITORED`,
  "after PSYNC with a partial resync, all bytes pass without parsing":
    "> PSYNC a 1 < +CONTINUE ['PING'] +x",
  "after PSYNC with a dual-channel resync, all bytes pass without parsing":
    `> PSYNC a 1 < +DUALCHANNELSYNC "\r\nx"`,
  "refused SYNC and PSYNC are answered": `
    > SYNC, PSYNC ? -1, CLUSTER SYNCSLOTS x, CLUSTER SLOTS
    < (-ERR SYNC and PSYNC are invalid with pending output)
      (-NOMASTERLINK Can't SYNC while not connected with my master)
      (-ERR unknown subcommand 'SYNCSLOTS'. Try CLUSTER HELP.) SLOTS`,
  "a push may come before the stream":
    `> HELLO 3, PSYNC ? -1 < HELLO_3 INVALIDATE (+FULLRESYNC a 1) "x"`,
  "REPLCONF ACK and GETACK are not answered": `
    > REPLCONF ACK 1, MARKER, CLUSTER SLOTS, REPLCONF GETACK *, MARKER, replconf ack 5, MARKER,
      CLUSTER NODES, REPLCONF ACK 1, MARKER
    < MARK SLOTS MARK MARK NODES MARK`,
  "other REPLCONF commands are answered": `
    > REPLCONF listening-port 1, REPLCONF capa eof capa psync2, REPLCONF, REPLCONF ACK,
      CLUSTER SLOTS
    < OK×3 (-ERR syntax error) SLOTS`,
  "a refused REPLCONF ACK is answered": `
    > REPLCONF ACK 1, MARKER, CLUSTER SLOTS, REPLCONF ACK 1, MARKER, CLUSTER NODES
    < NOAUTH ‹NOAUTH› SLOTS (-NOPERM this user has no permissions to run the 'replconf' command)
      ‹NO_PING› NODES`,
  "REPLCONF ACK on a server without the command REPLCONF is answered": `
    > REPLCONF ACK 1, MARKER, CLUSTER SLOTS, PING
    < (-ERR unknown command 'REPLCONF', with args beginning with: 'ACK' '1' ) MARK SLOTS PONG`,
  "an error after the marker of REPLCONF ACK answers the next request":
    "> REPLCONF ACK 1, MARKER, FOO, CLUSTER SLOTS < MARK ERR SLOTS",

  // Ends.
  "a protocol error is answered once": `
    > CLUSTER SLOTS, "*x\r\n", CLUSTER SLOTS, PING
    < SLOTS (-ERR Protocol error: invalid multibulk length)`,
  "QUIT is answered, requests after it are not": "> CLUSTER SLOTS, QUIT, CLUSTER SLOTS < SLOTS OK",
  "an error before any request passes": "> < (-ERR max number of clients reached)",
  "an error that refuses the connection passes":
    "> CLUSTER SLOTS < (-DENIED Redis is running in protected mode)",
  "a refused SHUTDOWN is answered":
    "> SHUTDOWN, CLUSTER SLOTS < (-ERR Errors trying to SHUTDOWN. Check logs.) SLOTS",
};

testConversations(CONVERSATIONS);

/** Conversations that end inside the last frame, which would be rewritten. */
const CUT_OFF: Record<string, string> = {
  "CLUSTER SLOTS": "> PING, CLUSTER SLOTS < PONG < SLOTS",
  "CLUSTER NODES": "> PING, CLUSTER NODES < PONG < NODES",
  "CLUSTER SLOTS in a transaction": "> MULTI, CLUSTER SLOTS, EXEC < OK QUEUED *1 < SLOTS",
  "a redirect": "> GET a < MOVED",
  "a redirect to the longest host": `> GET a < «redirect (-MOVED 1 ${"h".repeat(255)}:7000)»`,
  "a redirect in an error of MIGRATE": "> MIGRATE h 1 k 0 9 < MIGRATED",
  "a push with addresses": "> GET a < MOVING",
  "a long CLUSTER SLOTS": "> CLUSTER SLOTS < LONG_SLOTS",
};

for (const [name, text] of Object.entries(CUT_OFF)) {
  Deno.test(`no byte of ${name} is sent if the stream ends inside it`, async () => {
    const conversation = transcript(text).slice(0, -1);
    const frame = unmarked(transcript(text).at(-1) as string);
    const before = nodeBytes(conversation);
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
  const [requests, wire] = transcript("> PING, LRANGE l 0 1 < PONG [abc :5]") as [string[], string];
  for (let length = 1; length < wire.length; length++) {
    const conversation = [requests, wire.slice(0, length)];
    const reception = { cuts: [], bufferBytes: SMALL_BUFFER_BYTES, requestBytes: 1024 };
    assertEquals((await converse(conversation, reception)).client, wire.slice(0, length));
  }
});
