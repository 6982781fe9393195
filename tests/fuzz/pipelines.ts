import { PUBLIC_HOST } from "../support/conversation.ts";
import type { Random } from "../support/random.ts";

/**
 * Themes of related requests; a pipeline combines a few themes. A request is its arguments with
 * spaces between, or raw bytes if it contains a LF.
 */
const THEMES: readonly (readonly string[])[] = [
  "PING, PING x, PING x y, GET a, GET foreign, GET, NOSUCH 10.0.0.1 7000, LRANGE a 0 -1, INCR a, " +
  `ECHO ${"x".repeat(40)}, ASKING, CONFIG GET masterauth, ACL LIST, LRANGE a 0 -1 CLUSTER SLOTS`,
  "CLUSTER SLOTS, CLUSTER SHARDS, cluster noDes, CLUSTER REPLICAS id, CLUSTER SLAVES id, ROLE, " +
  "CLUSTER MYID, CLUSTER, INFO, INFO replication, CLIENT LIST, CLIENT INFO, CLIENT ID, " +
  "SLOWLOG GET, SLOWLOG LEN, ACL LOG",
  "MULTI, MULTI, MULTI x, EXEC, EXEC, EXEC x, DISCARD, DISCARD x, WATCH a, GET a, CLUSTER SLOTS",
  "SUBSCRIBE a, SUBSCRIBE a b a, SUBSCRIBE, PSUBSCRIBE p*, UNSUBSCRIBE, UNSUBSCRIBE a z, " +
  "PUNSUBSCRIBE, PUNSUBSCRIBE p*, PUBLISH a m, PING",
  "SSUBSCRIBE s, SSUBSCRIBE s t, SSUBSCRIBE foreign, SUNSUBSCRIBE, SUNSUBSCRIBE s, SPUBLISH s m",
  "CLIENT REPLY ON, CLIENT REPLY ON, CLIENT REPLY OFF, CLIENT REPLY SKIP, CLIENT REPLY SKIP, " +
  "CLIENT REPLY bad, CLIENT REPLY, PING, GET foreign, CLUSTER SLOTS",
  "HELLO, HELLO 2, HELLO 3, HELLO 3, HELLO 9, HELLO 3 AUTH u p, HELLO 2 AUTH u wrong",
  "AUTH p, AUTH u p, AUTH wrong, AUTH",
  "RESET, RESET, RESET x",
  "MONITOR, MONITOR, MONITOR x, RESET",
  "EVAL s 0, EVAL s 1 a, EVAL s 1 foreign, EVALSHA_RO s 1 a, FCALL f 0, FCALL f 1 a, EVAL s, " +
  'DEBUG ERROR "MOVED 1 10.0.0.1:7000"\r\n',
  "REPLCONF ACK 1, REPLCONF GETACK *, REPLCONF foo bar, REPLCONF capa eof, REPLCONF ack",
  "\r\n, \n,  \t\r\n, *0\r\n, *-1\r\n",
  "CLUSTER MEET HOST 1, CLUSTER MEET h 1, CLUSTER MEET, MIGRATE HOST 1 a 0 9, REPLICAOF HOST 1, " +
  "MIGRATE h 1 a 0 9, MIGRATE HOST, SLAVEOF NO ONE, FAILOVER TO HOST 1, FAILOVER, " +
  "CLIENT KILL HOST, CLIENT LIST ADDR HOST, GET HOST",
  "SYNC, PSYNC ? -1, REPLCONF foo bar ACK 1, CLUSTER SYNCSLOTS x",
  'QUIT, POST /, *x\r\n, "\r\n, *1\r\n$-1\r\n',
].map((requests) => requests.replaceAll("HOST", PUBLIC_HOST).split(", "));

/** Themes of every pipeline, so that each has plain replies and addresses. */
const BASE_THEMES = [0, 1];

/** The first of the themes that end a connection, which are rare. */
const FIRST_ENDING_THEME = THEMES.length - 2;

/** Returns the bytes of each request of a random pipeline. */
export function randomRequests(random: Random): string[] {
  const themes = [...BASE_THEMES];
  for (let more = random.int(5); more > 0; more--) {
    const theme = random.int(THEMES.length);
    if (theme < FIRST_ENDING_THEME || random.chance(0.2)) themes.push(theme);
  }
  return Array.from({ length: 1 + random.int(random.pick([4, 12, 30])) }, () => {
    const request = random.pick(THEMES[random.pick(themes)]!);
    return request.includes("\n") ? request : encode(random, request.split(" "));
  });
}

/** Encodes a request in a random form: array or inline, in mixed case. */
function encode(random: Random, args: readonly string[]): string {
  const cased = random.chance(0.1) ? [args[0]!.toLowerCase(), ...args.slice(1)] : args;
  if (random.chance(0.15)) return cased.map((arg) => quoted(random, arg)).join(" ") + "\r\n";
  // Servers ignore the two bytes after a payload.
  const end = random.chance(0.05) ? "$*" : "\r\n";
  return `*${cased.length}\r\n` +
    cased.map((arg) => `$${arg.length}\r\n${arg}${end}`).join("");
}

function quoted(random: Random, arg: string): string {
  if (arg.includes(" ") || random.chance(0.2)) return `"${arg}"`;
  if (random.chance(0.1)) return `'${arg}'`;
  if (!random.chance(0.1)) return arg;
  return `"\\x${arg.charCodeAt(0).toString(16).padStart(2, "0")}${arg.slice(1)}"`;
}
