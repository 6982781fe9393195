import type { HostPort } from "../../../src/platform/address.ts";
import { type Random, seededRandom } from "../../support/random.ts";
import { wire } from "../../support/wire.ts";
import { VERBATIM } from "./transcript.ts";

/**
 * A request as text: its arguments, with quotes around one that contains spaces, or raw bytes if it
 * contains a LF. `§` stands for the token of the connection and `%ID%` for its id.
 */
export type Request = string;

/** Hash tags and ids that requests use. */
export interface Subjects {
  /** Hash tag of a slot that stays. */
  readonly stay: string;
  /** Hash tag of a slot that leaves and returns, without keys. */
  readonly move: string;
  /** Hash tag of a slot of another node. */
  readonly foreign: string;
  /** The id of the queried node. */
  readonly nodeId: string;
}

/** The password of the default user. */
export const PASSWORD = "open";

/** Users, whose passwords are their names, and their rules. */
export const USERS: Readonly<Record<string, readonly string[]>> = {
  mute: ["~*", "&*", "+@all", "-ping"],
  deaf: ["~*", "resetchannels", "+@all"],
  narrow: ["~*", "&*", "+@all", "-client|reply", "-cluster|slots"],
  blind: ["resetkeys", "&*", "+@all", "-sunsubscribe", "-hello"],
};

/** Number of the keys `text0§`, `text1§` and so on. */
export const TEXTS = 6;

/** Values that would be rewritten in other replies. */
export function textsLike(
  { host, port, id }: { host: string; port: number; id: string },
): string[] {
  const { open, close } = VERBATIM;
  return [
    `# Server\r\ntcp_port:1234\r\nlistener0:name=tcp,bind=10.77.0.1,port=1234\r\n`,
    `${open}# Replication\r\nrole:slave\r\nmaster_host:${host}\r\nmaster_port:${port}\r\n${close}`,
    `${open}${id} ${host}:${port}@1 myself,master - 0 0 1 connected 0-5\n${close}`,
    `${open}MOVED 1 ${host}:${port}${close}`,
    `${open}-MOVED 1 ${host}:${port}\r\n${close}`,
    `id=3 addr=10.77.0.1:1 laddr=10.77.0.1:7000 fd=8 name=\n`,
  ];
}

/** A redirect that a script makes up; no node has this address. */
const DECOY = "MOVED 1 10.77.0.1:7000";

/** One of several rows is chosen at random. */
type Row = string | readonly string[];

/**
 * Requests by kind; those of a kind often come together. A row may have several, with ` | ` between
 * them. `{stay}`, `{move}` and `{foreign}` stand for hash tags, `%TEXT%` for a key of `textsLike`,
 * `%NONCE%` for a text that no other request has.
 */
const KINDS: Readonly<Record<string, readonly Row[]>> = {
  plain: [
    "PING %NONCE%",
    "ECHO %NONCE%",
    "PING",
    "GET %TEXT%§{stay}",
    "GET %TEXT%§{stay}",
    "SET k§{stay} %NONCE%",
    "LRANGE list§{stay} 0 -1",
    "INCR number§{stay}",
    "GET k§{move}",
    "GET k§{foreign}",
    "MGET k§{stay} k§{move}",
    "MGET k§{move} l§{move}",
    "GET",
    "NOSUCH x§",
    'GET "k§{foreign}"\r\n',
    `SET k§{stay} "-${DECOY}"`,
  ],
  addresses: [
    ...["CLUSTER SLOTS", "CLUSTER SLOTS", "cluster SHARDS", "CLUSTER NODES"],
    ...["CLUSTER REPLICAS %NODE%", "CLUSTER REPLICAS nobody", "CLUSTER MYID", "CLUSTER INFO"],
    ...["INFO", "INFO replication", "ROLE"],
    ...["CLIENT INFO", "CLIENT LIST", "CLIENT GETNAME", "CLIENT ID"],
  ],
  shardChannels: [
    ...["SSUBSCRIBE c§{move}", "SSUBSCRIBE c§{move} d§{move}"],
    ...["SSUBSCRIBE c§{stay}", "SSUBSCRIBE c§{foreign}", "SSUBSCRIBE"],
    ...["SUNSUBSCRIBE c§{move}", "SUNSUBSCRIBE c§{move} d§{move}"],
    ...["SUNSUBSCRIBE c§{stay}", "SUNSUBSCRIBE"],
    ...["SPUBLISH c§{move} %NONCE%", "SPUBLISH c§{stay} %NONCE%"],
    "SUNSUBSCRIBE c§{move} | CLUSTER SLOTS | PING %NONCE%",
    "SUNSUBSCRIBE c§{move} | GET %TEXT%§{stay} | INFO",
    "SUNSUBSCRIBE | CLUSTER SLOTS | PING %NONCE%",
  ],
  channels: [
    ...["SUBSCRIBE a§", "SUBSCRIBE a§ b§ a§", "SUBSCRIBE", "PSUBSCRIBE a§*", "PSUBSCRIBE ?§* a§*"],
    ...["UNSUBSCRIBE", "UNSUBSCRIBE a§ z§", "PUNSUBSCRIBE", "PUNSUBSCRIBE a§*"],
    ...["PUBLISH a§ %NONCE%", "PUBLISH b§ %NONCE%", "PING %NONCE%", "PING"],
  ],
  transactions: [
    ...["MULTI", "MULTI", "EXEC", "EXEC", "DISCARD", "MULTI x", "EXEC x", "DISCARD x"],
    ...["WATCH k§{stay}", "WATCH k§{move}", "UNWATCH"],
    [
      ...["GET k§{move}", "SUBSCRIBE a§ b§", "PSUBSCRIBE a§*", "SUNSUBSCRIBE", "UNSUBSCRIBE"],
      ...["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "HELLO 2", "HELLO 3"],
      ...["SPUBLISH c§{move} %NONCE%", "PUBLISH a§ %NONCE%", "AUTH wrong"],
    ].map((inner) => `MULTI | CLUSTER SLOTS | ${inner} | GET %TEXT%§{stay} | EXEC | CLUSTER SLOTS`),
  ],
  replies: [
    ...["CLIENT REPLY ON", "CLIENT REPLY ON", "CLIENT REPLY OFF", "CLIENT REPLY SKIP"],
    ...["client reply skip", "CLIENT REPLY bad", "CLIENT REPLY"],
    "CLIENT REPLY SKIP | PSUBSCRIBE a§* | CLUSTER SLOTS",
    [
      ...["SUNSUBSCRIBE c§{move}", "SSUBSCRIBE c§{move}", "SUBSCRIBE a§", "CLUSTER SLOTS"],
      ...["EXEC", "HELLO 3", "GET k§{move}"],
    ].map((unanswered) =>
      `CLIENT REPLY OFF | ${unanswered} | CLUSTER SLOTS | CLIENT REPLY ON | CLUSTER SLOTS`
    ),
  ],
  hello: [
    ...["HELLO", "HELLO 2", "HELLO 3", "HELLO 3", "HELLO 9", "HELLO 3 SETNAME name§"],
    ...[`HELLO 3 AUTH default ${PASSWORD}`, "HELLO 2 AUTH default wrong"],
    "HELLO 3 AUTH mute mute SETNAME name§",
  ],
  auth: [
    ...[`AUTH ${PASSWORD}`, `AUTH default ${PASSWORD}`, "AUTH wrong", "AUTH nobody wrong", "AUTH"],
    Object.keys(USERS).map((user) => `AUTH ${user} ${user}`),
    "ACL WHOAMI",
    "GET %TEXT%§{stay} | AUTH wrong | CLUSTER SLOTS | GET %TEXT%§{stay}",
  ],
  resets: ["RESET", "RESET", "RESET x"],
  monitors: ["MONITOR", "MONITOR", "PING %NONCE%"],
  scripts: [
    "EVAL \"return 'x§'\" 0",
    "EVAL \"return redis.call('GET', KEYS[1])\" 1 %TEXT%§{stay}",
    "EVAL \"return redis.call('GET', KEYS[1])\" 1 k§{move}",
    `EVAL "return redis.error_reply('${DECOY}')" 0`,
    `EVAL "return {1, redis.error_reply('${DECOY}'), 'x§'}" 0`,
    `EVAL "return '${DECOY}'" 0`,
    "EVAL \"return redis.error_reply('NOAUTH x§')\" 0",
    "EVAL \"return redis.error_reply([[NOPERM x§ 'ping']])\" 0",
    "EVAL \"return redis.status_reply('PONG')\" 0",
    "EVAL \"return redis.status_reply('QUEUED')\" 0",
    'EVAL "return 1" 1',
    "EVAL \"return {'sunsubscribe', 'c§', 0}\" 0",
    "EVAL \"return redis.call('PUBLISH', 'a§', 'from a script')\" 0",
    `EVALSHA ${"0".repeat(40)} 0`,
    "EVAL syntax§ 0",
  ],
  blocking: [
    ...["BLPOP none§{stay} 0.03", "BLPOP none§{move} 0.03", "BRPOP list§{stay} 0.03"],
    ...["RPUSH list§{stay} more", "WAIT 5 20", "XREAD BLOCK 20 STREAMS stream§{stay} $"],
  ],
  tracking: [
    ...["CLIENT TRACKING ON", "CLIENT TRACKING OFF", "CLIENT TRACKING ON BCAST PREFIX k§"],
    ...["CLIENT TRACKING ON OPTIN", "CLIENT TRACKING ON NOLOOP"],
    ...["CLIENT TRACKING ON REDIRECT %ID%", "CLIENT CACHING YES", "CLIENT TRACKINGINFO"],
    ...["CLIENT GETREDIR", "SUBSCRIBE __redis__:invalidate"],
    ...["GET k§{stay}", "SET k§{stay} v", "DEL k§{stay}"],
  ],
  states: ["READONLY", "READWRITE", "ASKING", "CLIENT SETNAME name§", "SELECT 0", "SELECT 1"],
  silent: [
    ...["\r\n", "*0\r\n", "  \r\n", "*-1\r\n"],
    ...["REPLCONF ACK 1", "REPLCONF capa eof", "REPLCONF GETACK *", "REPLCONF foo bar"],
  ],
  ends: ["QUIT", "QUIT", "*x\r\n", '"\r\n'],
};

/** Sequences that random requests hardly ever are. `%OTHER%` stands for the address of another node. */
const SEQUENCES = [
  "cLuster  'slots'\r\n",
  "MULTI | SET k§{stay} 1 | CLUSTER SLOTS | LPUSH k§{stay} x | GET k§{stay} | EXEC",
  "MULTI | GET k§{foreign} | EXEC",
  "MULTI | HELLO 3 | CLUSTER SLOTS | EXEC",
  "MULTI | SUBSCRIBE a§ b§ | EXEC",
  "MULTI | CLIENT REPLY OFF | PING | EXEC | CLIENT REPLY ON | CLUSTER SLOTS",
  "MULTI | CLIENT REPLY SKIP | PING | EXEC | CLUSTER SLOTS | CLUSTER SLOTS",
  "SET CLUSTER§{stay} SLOTS | GET CLUSTER§{stay}",
  `EVAL "return redis.error_reply('${DECOY}')" 1 k§{stay}`,
  // The error of the other node is a redirect.
  `MIGRATE %OTHER% text0§{stay} 0 1000 AUTH ${PASSWORD}`,
  "SUBSCRIBE a§ | MULTI | PUBLISH a§ m | CLUSTER SLOTS | EXEC",
  "MONITOR | MULTI | PING | CLUSTER SLOTS | EXEC",
  "CLIENT TRACKING ON | GET k§{stay} | SET k§{stay} 1 | CLUSTER SLOTS",
  "DEBUG PROTOCOL attrib | CLUSTER SLOTS",
  "CLUSTER COUNT-FAILURE-REPORTS %NODE%",
];

const RARE = new Set(["ends", "silent", "monitors"]);

/** Kinds in which a request may not have exactly one reply. */
const DANGEROUS = ["shardChannels", "shardChannels", "replies", "auth", "transactions"];

/** The share of inline requests, where the arguments allow it. */
const INLINE_SHARE = 0.05;

/** Requests whose arguments an inline request does not change. */
const INLINE = /^[\w{}§:*.-]+( [\w{}§:*.-]+)*$/;

/**
 * Requests that change which replies come. MONITOR lines of a client's own requests come before or
 * after the replies, so their order with CLIENT REPLY is not compared.
 */
const REPLY_MODE = /^client reply\b/i;

/** Random requests of some kinds. */
export function randomRequests(
  random: Random,
  subjects: Subjects,
  kinds: readonly string[],
): Request[] {
  const monitors = kinds.includes("monitors");
  const requests: Request[] = [];
  for (let left = 1 + random.int(random.pick([3, 6, 12])); left > 0; left--) {
    const row = random.pick(KINDS[random.pick(kinds)]!);
    const some = requestsOf(typeof row === "string" ? row : random.pick(row), random, subjects);
    requests.push(
      ...some.filter((request) => !(monitors && REPLY_MODE.test(request))).map((request) =>
        INLINE.test(request) && random.chance(INLINE_SHARE) ? `${request}\r\n` : request
      ),
    );
  }
  return requests;
}

/** All requests of each kind, and the sequences. */
export function allRequests(subjects: Subjects, other: HostPort): Request[][] {
  const rows = [...Object.values(KINDS).map((kind) => kind.flat().join(" | ")), ...SEQUENCES];
  return rows.map((row) =>
    requestsOf(row.replace("%OTHER%", `${other.host} ${other.port}`), seededRandom(1), subjects)
  );
}

/** The requests of a row, with everything filled in but the token and the id. */
export function requestsOf(
  row: string,
  random: Random,
  subjects: Pick<Subjects, "stay" | "move"> & Partial<Subjects>,
): Request[] {
  return row
    .replaceAll("%NONCE%", () => `n${random.int(1e9)}§`)
    .replaceAll("%TEXT%", () => `text${random.int(TEXTS)}`)
    .replaceAll("%NODE%", subjects.nodeId ?? "")
    .replaceAll(/\{(stay|move|foreign)\}/g, (_, tag: "stay") => `{${subjects[tag]}}`)
    .split(" | ");
}

/** Random kinds for a round. */
export function randomKinds(random: Random): string[] {
  const kinds = ["plain", "addresses"];
  if (random.chance(0.4)) kinds.push(random.pick(DANGEROUS));
  for (let more = 1 + random.int(4); more > 0; more--) {
    const kind = random.pick(Object.keys(KINDS));
    if (!RARE.has(kind) || random.chance(0.3)) kinds.push(kind);
  }
  return kinds;
}

/** The bytes of a request as characters, for one connection. */
export function wireOf(request: Request, { token, id }: { token: string; id: string }): string {
  const own = request.replaceAll("§", token).replaceAll("%ID%", id);
  if (own.includes("\n")) return own;
  return wire(...own.match(/"[^"]*"|\S+/g)!.map((arg) => arg.replaceAll('"', "")));
}

/** A request as readable text. */
export function shownRequest(request: Request): string {
  return request.includes("\n") ? JSON.stringify(request) : request;
}
