import { assert, assertEquals } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { CommandTable } from "../../src/resp/command_table.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { RequestScanner } from "../../src/resp/request_scanner.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { startProxy } from "../support/proxy.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
import { PING } from "../support/scripted_node.ts";
import { TLS } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

/** Random requests that are nearly right, and random pieces of some. */
const ROUNDS = 600;
const SHREDDED = 100;

/** Many connections at once, but fewer than the backlog of a listener. */
const CONNECTIONS = 20;

const TOKEN = "the-last-request";

/** Behind all others, to see what the bytes before it leave of it. */
const LAST_REQUEST = `*2\r\n$4\r\nPING\r\n$${TOKEN.length}\r\n${TOKEN}\r\n`;

/** What the last request is answered with, if the bytes before it left it whole. */
const LAST_REPLY = `$${TOKEN.length}\r\n${TOKEN}\r\n`;

/**
 * Where servers disagree the scanner is as lenient as the most lenient one: Valkey from 9.1 on
 * looks at the ends of lines, all others at what follows a closing quote.
 */
const STRICTNESS = /^-ERR Protocol error: (invalid CRLF|unbalanced quotes)/;

/** Requests in which the scanner must find the same as the server. */
const CASES = [
  "",
  "PING\r\n",
  "*01\r\n$4\r\nPING\r\n",
  "*-0\r\n",
  "*-01\r\n",
  "*0\r\n*-7\r\n\r\n\n",
  "*1\r\n$04\r\nPING\r\n",
  "*1\r\n$-0\r\n\r\n",
  "*1\r\n$0\r\n\r\n",
  "*+1\r\n$4\r\nPING\r\n",
  "*\r\n",
  "*1\r\n+PING\r\n",
  "*1\r\n$4\r\nPING  ",
  "*1  $4  PING  ",
  "*1\rx$4\ryPING\n\n",
  "*2147483648\r\n",
  '"PING\r\n',
  '"PI"NG\r\n',
  'PI"NG"\r\n',
  "PING '\\''\r\n",
  "PING '\\'\r\n",
  'PING "\\"\r\n',
  'PING "\\x41\r\n',
  "PING \r\n",
  "PING a\vb \v\r\n",
  "\xa0PING\r\n",
  "*1\r\n$4\r\nPING\r\n$4\r\nPING\r\n",
  "*3\r\n$4\r\nECHO\r\n",
  "$4\r\nPING\r\n",
];

/** Bytes that a server rejects, reads differently than they look, or gets last of a client. */
const GARBAGE: Record<string, string> = {
  "HTTP": "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "a POST, which servers take for an attack": "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
  "TLS": "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n",
  "zeros and a line break": "\0\0\0\0\r\n",
  "a count in words": "*five\r\n",
  "a count too high": "*2147483648\r\n",
  "a count that is no number": "*1\n\n$4\r\nPING\r\n",
  "a length below zero": "*1\r\n$-1\r\n",
  "a length too high": "*1\r\n$9223372036854775807\r\n",
  "a length in words": "*2\r\n$4\r\nECHO\r\n$x\r\n",
  "no bulk where one should be": `${PING}*1\r\n*1\r\n*1\r\n`,
  "a status as a request": "+OK\r\n",
  "requests behind garbage": `${PING}*1\r\n:1\r\n${PING}`,
  "quotes out of balance": '"PING\r\n',
  "an empty line and a request": `\r\n\r\n${PING}`,
  "an inline line without an end": `${PING}${"a".repeat(200_000)}`,
  "a header without an end": `${PING}*${"1".repeat(200_000)}`,
  "nothing": "",
  "requests": wire("SET", "k", "1") + wire("INCR", "k") + wire("CLUSTER", "MYID") + wire("NOSUCH"),
  "half a request": PING + wire("GET", "k").slice(0, -3),
  "inline requests": "PING\r\nGET k",
  "QUIT": PING + wire("QUIT") + PING,
  "a request that blocks": PING + wire("BLPOP", "none", "0"),
  "a subscription": wire("SUBSCRIBE", "a", "b"),
  "a transaction": wire("MULTI") + wire("GET", "k"),
};

/** Pieces of nearly valid requests. */
const SHREDS = [
  ...["*1\r\n", "*2\r\n", "*-1\r\n", "$4\r\n", "$0\r\n", "PING", "ECHO", PING],
  ...["\r\n", "\n", "\r", "\0", " ", "'", '"', "*", "$", "\xff"],
];

/** All that is answered to a text on a connection of its own. */
async function talk(connected: WireClient, text: string): Promise<string> {
  using client = connected;
  try {
    await client.send(text);
    await client.closeWrite();
  } catch {
    // The node has closed the connection.
  }
  return await client.readToEnd();
}

Deno.test("garbage from a client gets the node's reply, and the scanner finds its requests", async (t) => {
  const seed = testSeed();
  const random = seededRandom(seed);
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const node = cluster.nodes[0]!;
  const connect = () => WireClient.connect(proxy.host, proxy.portOf(node));
  using other = await connect();

  /** Compares the replies with those through the proxy, and returns them. */
  async function repliesTo(text: string): Promise<string> {
    const straight = await talk(await node.connect(), text);
    const sent = `TEST_SEED=${seed}, sent ${JSON.stringify(text.slice(0, 300))}`;
    assertEquals(await talk(await connect(), text), straight, sent);
    return straight;
  }
  async function assertOthersServed(): Promise<void> {
    assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
  }

  for (const [what, text] of Object.entries(GARBAGE)) {
    await t.step(what, async () => {
      await repliesTo(text);
      await assertOthersServed();
    });
  }

  await t.step(`random pieces, with TEST_SEED=${seed}`, async () => {
    for (let round = 0; round < SHREDDED; round++) {
      const pieces = Array.from({ length: 1 + random.int(12) }, () => random.pick(SHREDS));
      await repliesTo(pieces.join(""));
      await assertOthersServed();
    }
  });

  await t.step(`requests that are nearly right, with TEST_SEED=${seed}`, async () => {
    const mistakes = await mistakesAfterBlanks(node);
    const wires = [...CASES, ...Array.from({ length: ROUNDS }, () => randomWire(random))];
    while (wires.length > 0) {
      const some = wires.splice(0, CONNECTIONS).map((wire) => wire + LAST_REQUEST);
      await Promise.all(some.map(async (wire) => {
        const replies = framesOf(await repliesTo(wire));
        if (mistakes && requestsOf(wire).empty > 0) return;
        compare(wire, replies, `TEST_SEED=${seed}, ${JSON.stringify(wire)}`);
      }));
      await assertOthersServed();
    }
  });

  await t.step("nothing is left open", async () => {
    other.close();
    await until("no client is connected", () => proxy.proxy.sessionCount === 0);
    await until("the node has forgotten all", async (saw) => {
      const list = await node.ask("CLIENT", "LIST");
      saw(list);
      assert("text" in list && list.text !== null);
      // The proxy's own probe of a node that speaks TLS stays open.
      return list.text.trim().split("\n").length === (TLS.nodes ? 2 : 1);
    });
  });
});

/**
 * Whether the node reads a request behind a line of blanks as an inline one, whatever it is.
 * Valkey 8 does (networking.c `processInlineBuffer` of 8.1.1 leaves the type of such a request
 * set); no scanner can follow both it and the others.
 */
async function mistakesAfterBlanks(node: ClusterNode): Promise<boolean> {
  return await talk(await node.connect(), ` \r\n${LAST_REQUEST}`) !== LAST_REPLY;
}

function compare(sent: string, replies: string[], message: string): void {
  const found = requestsOf(sent);
  const shown = `${message} was answered ${JSON.stringify(replies)}`;
  const last = replies.at(-1) ?? "";
  const before = replies.length - 1;
  if (STRICTNESS.test(last) && (!found.broken || before < found.answered)) {
    assert(before <= found.answered, shown);
    return;
  }
  const broken = last.startsWith("-ERR Protocol error");
  assertEquals(found.broken, broken, shown);
  assertEquals(found.answered, replies.length - (broken ? 1 : 0), shown);
  assertEquals(found.last, last === LAST_REPLY, shown);
}

function framesOf(received: string): string[] {
  const bytes = fromLatin1(received);
  const scanner = new ReplyScanner();
  const frames: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = scanner.advance(bytes, at, bytes.length, 1, NO_STOPS);
    frames.push(toLatin1(bytes.subarray(at, end)));
    at = end;
  }
  return frames;
}

interface Found {
  /** Requests that get an answer, and those that get none. */
  answered: number;
  empty: number;
  broken: boolean;
  /** The last request was found as it was sent. */
  last: boolean;
}

function requestsOf(sent: string): Found {
  const found: Found = { answered: 0, empty: 0, broken: false, last: false };
  const commands = new CommandTable({ ping: { keepArgs: 2 } });
  const scanner = new RequestScanner(commands, {
    plain: (count) => found.answered += count,
    known: (_command, argv) => {
      found.answered++;
      found.last = argv[1] === TOKEN;
      return false;
    },
    empty: () => found.empty++,
    protocolError: () => found.broken = true,
  });
  const bytes = fromLatin1(sent);
  scanner.advance(bytes, 0, bytes.length);
  return found;
}

function randomWire(random: Random): string {
  return Array.from({ length: 1 + random.int(4) }, () => {
    if (random.chance(0.15)) return random.pick(["\r\n", "\n", " \r\n", "*0\r\n", "*-1\r\n"]);
    return random.chance(0.5) ? randomInline(random) : randomArray(random);
  }).join("");
}

/** An inline request with quotes wherever they may be, or may not. */
function randomInline(random: Random): string {
  const length = random.int(10);
  const marks = [..."ab  \"\"''\\\\x4f\t\v\r\xa0n*$"];
  const words = Array.from({ length }, () => random.pick(marks)).join("");
  return `${random.pick(["PING ", "ECHO ", '"PING" ', "", " "])}${words}${
    random.pick(["\r\n", "\n"])
  }`;
}

/** An array that is right, or very nearly. */
function randomArray(random: Random): string {
  const words = [random.pick(["PING", "echo", "NONE", ""])];
  for (let more = random.int(3); more > 0; more--) {
    words.push(random.pick(["", "a", "\r\n", "*1\r\n"]));
  }
  const mistaken = (n: number) =>
    random.chance(0.93)
      ? `${n}`
      : random.pick([`0${n}`, `-${n}`, `+${n}`, `${n} `, "", "x", "-0", "00"]);
  const end = () => random.chance(0.93) ? "\r\n" : random.pick(["xx", "\n\r", "**", "\r\r"]);
  const bulks = words.map((word) => {
    const type = random.chance(0.98) ? "$" : random.pick([":", "*", "P"]);
    return `${type}${mistaken(word.length)}\r\n${word}${end()}`;
  });
  return `*${mistaken(words.length)}\r\n${bulks.join("")}`;
}
