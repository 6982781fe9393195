import type { Random } from "../../support/random.ts";
import { VERBATIM } from "./transcript.ts";

/** The arguments of a request, or its bytes. `§` stands for the token of the connection. */
export type Request = readonly string[] | string;

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

type Make = (random: Random, subjects: Subjects) => readonly Request[];

function each(...rows: ((random: Random, subjects: Subjects) => Request)[]): Make[] {
  return rows.map((row) => (random, subjects) => [row(random, subjects)]);
}

function nonce(random: Random): string {
  return `n${random.int(1e9)}§`;
}

/** Requests by kind; those of a kind often come together. */
const KINDS: Readonly<Record<string, readonly Make[]>> = {
  plain: each(
    (random) => ["PING", nonce(random)],
    (random) => ["ECHO", nonce(random)],
    () => ["PING"],
    (random, { stay }) => ["GET", `text${random.int(TEXTS)}§{${stay}}`],
    (random, { stay }) => ["GET", `text${random.int(TEXTS)}§{${stay}}`],
    (random, { stay }) => ["SET", `k§{${stay}}`, nonce(random)],
    (_, { stay }) => ["LRANGE", `list§{${stay}}`, "0", "-1"],
    (_, { stay }) => ["INCR", `number§{${stay}}`],
    (_, { move }) => ["GET", `k§{${move}}`],
    (_, { foreign }) => ["GET", `k§{${foreign}}`],
    (_, { stay, move }) => ["MGET", `k§{${stay}}`, `k§{${move}}`],
    (_, { move }) => ["MGET", `k§{${move}}`, `l§{${move}}`],
    () => ["GET"],
    () => ["NOSUCH", "x§"],
    (_, { foreign }) => `GET "k§{${foreign}}"\r\n`,
    (_, { stay }) => ["SET", `k§{${stay}}`, `-${DECOY}`],
  ),
  addresses: each(
    () => ["CLUSTER", "SLOTS"],
    () => ["CLUSTER", "SLOTS"],
    () => ["cluster", "SHARDS"],
    () => ["CLUSTER", "NODES"],
    (_, { nodeId }) => ["CLUSTER", "REPLICAS", nodeId],
    () => ["CLUSTER", "MYID"],
    () => ["CLUSTER", "REPLICAS", "nobody"],
    () => ["CLUSTER", "INFO"],
    () => ["INFO"],
    () => ["INFO", "replication"],
    () => ["ROLE"],
    () => ["CLIENT", "INFO"],
    () => ["CLIENT", "LIST"],
    () => ["CLIENT", "GETNAME"],
    () => ["CLIENT", "ID"],
  ),
  shardChannels: [
    ...each(
      (_, { move }) => ["SSUBSCRIBE", `c§{${move}}`],
      (_, { move }) => ["SSUBSCRIBE", `c§{${move}}`, `d§{${move}}`],
      (_, { stay }) => ["SSUBSCRIBE", `c§{${stay}}`],
      (_, { foreign }) => ["SSUBSCRIBE", `c§{${foreign}}`],
      () => ["SSUBSCRIBE"],
      (_, { move }) => ["SUNSUBSCRIBE", `c§{${move}}`],
      (_, { move }) => ["SUNSUBSCRIBE", `c§{${move}}`, `d§{${move}}`],
      (_, { stay }) => ["SUNSUBSCRIBE", `c§{${stay}}`],
      () => ["SUNSUBSCRIBE"],
      (random, { move }) => ["SPUBLISH", `c§{${move}}`, nonce(random)],
      (random, { stay }) => ["SPUBLISH", `c§{${stay}}`, nonce(random)],
    ),
    (random, { move }) => [
      ["SUNSUBSCRIBE", `c§{${move}}`],
      ["CLUSTER", "SLOTS"],
      ["PING", nonce(random)],
    ],
    (random, { move, stay }) => [
      ["SUNSUBSCRIBE", `c§{${move}}`],
      ["GET", `text${random.int(TEXTS)}§{${stay}}`],
      ["INFO"],
    ],
    (random) => [["SUNSUBSCRIBE"], ["CLUSTER", "SLOTS"], ["PING", nonce(random)]],
  ],
  channels: each(
    () => ["SUBSCRIBE", "a§"],
    () => ["SUBSCRIBE", "a§", "b§", "a§"],
    () => ["SUBSCRIBE"],
    () => ["PSUBSCRIBE", "a§*"],
    () => ["PSUBSCRIBE", "?§*", "a§*"],
    () => ["UNSUBSCRIBE"],
    () => ["UNSUBSCRIBE", "a§", "z§"],
    () => ["PUNSUBSCRIBE"],
    () => ["PUNSUBSCRIBE", "a§*"],
    (random) => ["PUBLISH", "a§", nonce(random)],
    (random) => ["PUBLISH", "b§", nonce(random)],
    (random) => ["PING", nonce(random)],
    () => ["PING"],
  ),
  transactions: [
    ...each(
      () => ["MULTI"],
      () => ["MULTI"],
      () => ["EXEC"],
      () => ["EXEC"],
      () => ["DISCARD"],
      () => ["MULTI", "x"],
      (_, { stay }) => ["WATCH", `k§{${stay}}`],
      (_, { move }) => ["WATCH", `k§{${move}}`],
      () => ["UNWATCH"],
      () => ["EXEC", "x"],
      () => ["DISCARD", "x"],
    ),
    (random, { stay, move }) => [
      ["MULTI"],
      ["CLUSTER", "SLOTS"],
      random.pick([
        ["GET", `k§{${move}}`],
        ["SUBSCRIBE", "a§", "b§"],
        ["PSUBSCRIBE", "a§*"],
        ["CLIENT", "REPLY", random.pick(["OFF", "SKIP", "ON"])],
        ["HELLO", random.pick(["2", "3"])],
        ["SUNSUBSCRIBE"],
        ["SPUBLISH", `c§{${move}}`, nonce(random)],
        ["PUBLISH", "a§", nonce(random)],
        ["AUTH", "wrong"],
        ["UNSUBSCRIBE"],
      ]),
      ["GET", `text${random.int(TEXTS)}§{${stay}}`],
      ["EXEC"],
      ["CLUSTER", "SLOTS"],
    ],
  ],
  replies: [
    ...each(
      () => ["CLIENT", "REPLY", "ON"],
      () => ["CLIENT", "REPLY", "OFF"],
      () => ["CLIENT", "REPLY", "SKIP"],
      () => ["client", "reply", "skip"],
      () => ["CLIENT", "REPLY", "bad"],
      () => ["CLIENT", "REPLY"],
      () => ["CLIENT", "REPLY", "ON"],
    ),
    () => [["CLIENT", "REPLY", "SKIP"], ["PSUBSCRIBE", "a§*"], ["CLUSTER", "SLOTS"]],
    (random, { move }) => [
      ["CLIENT", "REPLY", "OFF"],
      random.pick([
        ["SUNSUBSCRIBE", `c§{${move}}`],
        ["SSUBSCRIBE", `c§{${move}}`],
        ["SUBSCRIBE", "a§"],
        ["CLUSTER", "SLOTS"],
        ["EXEC"],
        ["HELLO", "3"],
        ["GET", `k§{${move}}`],
      ]),
      ["CLUSTER", "SLOTS"],
      ["CLIENT", "REPLY", "ON"],
      ["CLUSTER", "SLOTS"],
    ],
  ],
  hello: each(
    () => ["HELLO"],
    () => ["HELLO", "2"],
    () => ["HELLO", "3"],
    () => ["HELLO", "3"],
    () => ["HELLO", "9"],
    () => ["HELLO", "3", "SETNAME", "name§"],
    () => ["HELLO", "3", "AUTH", "default", PASSWORD],
    () => ["HELLO", "2", "AUTH", "default", "wrong"],
    () => ["HELLO", "3", "AUTH", "mute", "mute", "SETNAME", "name§"],
  ),
  auth: [
    ...each(
      () => ["AUTH", PASSWORD],
      () => ["AUTH", "default", PASSWORD],
      () => ["AUTH", "wrong"],
      () => ["AUTH", "nobody", "wrong"],
      () => ["AUTH"],
      (random) => {
        const user = random.pick(Object.keys(USERS));
        return ["AUTH", user, user];
      },
      () => ["ACL", "WHOAMI"],
    ),
    (random, { stay }) => [
      ["GET", `text${random.int(TEXTS)}§{${stay}}`],
      ["AUTH", "wrong"],
      ["CLUSTER", "SLOTS"],
      ["GET", `text${random.int(TEXTS)}§{${stay}}`],
    ],
  ],
  resets: each(() => ["RESET"], () => ["RESET"], () => ["RESET", "x"]),
  monitors: each(() => ["MONITOR"], () => ["MONITOR"], (random) => ["PING", nonce(random)]),
  scripts: each(
    () => ["EVAL", "return 'x§'", "0"],
    (random, { stay }) => [
      "EVAL",
      "return redis.call('GET', KEYS[1])",
      "1",
      `text${random.int(TEXTS)}§{${stay}}`,
    ],
    (_, { move }) => ["EVAL", "return redis.call('GET', KEYS[1])", "1", `k§{${move}}`],
    () => ["EVAL", `return redis.error_reply('${DECOY}')`, "0"],
    () => ["EVAL", `return {1, redis.error_reply('${DECOY}'), 'x§'}`, "0"],
    () => ["EVAL", `return '${DECOY}'`, "0"],
    () => ["EVAL", "return redis.error_reply('NOAUTH x§')", "0"],
    () => ["EVAL", "return redis.error_reply(\"NOPERM x§ 'ping'\")", "0"],
    () => ["EVAL", "return redis.status_reply('PONG')", "0"],
    () => ["EVAL", "return redis.status_reply('QUEUED')", "0"],
    () => ["EVAL", "return 1", "1"],
    () => ["EVAL", "return {'sunsubscribe', 'c§', 0}", "0"],
    () => ["EVAL", "return redis.call('PUBLISH', 'a§', 'from a script')", "0"],
    () => ["EVALSHA", "0".repeat(40), "0"],
    () => ["EVAL", "syntax§", "0"],
  ),
  blocking: each(
    (_, { stay }) => ["BLPOP", `none§{${stay}}`, "0.03"],
    (_, { move }) => ["BLPOP", `none§{${move}}`, "0.03"],
    (_, { stay }) => ["BRPOP", `list§{${stay}}`, "0.03"],
    (_, { stay }) => ["RPUSH", `list§{${stay}}`, "more"],
    () => ["WAIT", "5", "20"],
    (_, { stay }) => ["XREAD", "BLOCK", "20", "STREAMS", `stream§{${stay}}`, "$"],
  ),
  tracking: each(
    () => ["CLIENT", "TRACKING", "ON"],
    () => ["CLIENT", "TRACKING", "OFF"],
    () => ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k§"],
    () => ["CLIENT", "TRACKING", "ON", "OPTIN"],
    () => ["CLIENT", "TRACKING", "ON", "NOLOOP"],
    () => ["CLIENT", "TRACKING", "ON", "REDIRECT", "%ID%"],
    () => ["CLIENT", "CACHING", "YES"],
    () => ["CLIENT", "TRACKINGINFO"],
    () => ["CLIENT", "GETREDIR"],
    () => ["SUBSCRIBE", "__redis__:invalidate"],
    (_, { stay }) => ["GET", `k§{${stay}}`],
    (_, { stay }) => ["SET", `k§{${stay}}`, "v"],
    (_, { stay }) => ["DEL", `k§{${stay}}`],
  ),
  states: each(
    () => ["READONLY"],
    () => ["READWRITE"],
    () => ["ASKING"],
    () => ["CLIENT", "SETNAME", "name§"],
    () => ["SELECT", "0"],
    () => ["SELECT", "1"],
  ),
  silent: each(
    () => "\r\n",
    () => "*0\r\n",
    () => "  \r\n",
    () => "*-1\r\n",
    () => ["REPLCONF", "ACK", "1"],
    () => ["REPLCONF", "capa", "eof"],
    () => ["REPLCONF", "GETACK", "*"],
    () => ["REPLCONF", "foo", "bar"],
  ),
  ends: each(() => ["QUIT"], () => ["QUIT"], () => "*x\r\n", () => '"\r\n'),
};

const RARE = new Set(["ends", "silent", "monitors"]);

/** Kinds in which a request may not have exactly one reply. */
const DANGEROUS = ["shardChannels", "shardChannels", "replies", "auth", "transactions"];

/** The share of inline requests, where the arguments allow it. */
const INLINE_SHARE = 0.05;

const PLAIN_ARG = /^[\w{}§:*.-]+$/;

function inline(request: Request): Request {
  if (typeof request === "string" || !request.every((arg) => PLAIN_ARG.test(arg))) {
    return request;
  }
  return `${request.join(" ")}\r\n`;
}

/**
 * Whether a request changes which replies come. MONITOR lines of a client's own requests come
 * before or after the replies, so their order with CLIENT REPLY is not compared.
 */
function isReplyMode(request: Request): boolean {
  return typeof request !== "string" && /^client reply\b/i.test(request.join(" "));
}

/** Random requests of some kinds, or of the chosen ones. */
export function randomRequests(random: Random, subjects: Subjects, chosen?: string[]): Request[] {
  const kinds = chosen ?? randomKinds(random);
  const monitors = kinds.includes("monitors");
  const requests: Request[] = [];
  for (let left = 1 + random.int(random.pick([3, 6, 12])); left > 0; left--) {
    const some = random.pick(KINDS[random.pick(kinds)]!)(random, subjects);
    requests.push(
      ...some.filter((request) => !(monitors && isReplyMode(request)))
        .map((request) => random.chance(INLINE_SHARE) ? inline(request) : request),
    );
  }
  return requests;
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
  const own = (text: string) => text.replaceAll("§", token).replaceAll("%ID%", id);
  if (typeof request === "string") return own(request);
  const args = request.map(own);
  return `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
}

/** A request as readable text. */
export function shownRequest(request: Request): string {
  if (typeof request === "string") return JSON.stringify(request);
  return request.map((arg) => PLAIN_ARG.test(arg) ? arg : JSON.stringify(arg)).join(" ");
}
