import { assert, assertEquals } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import { type Command, CommandTable } from "../../../src/resp/command_table.ts";
import { RequestScanner } from "../../../src/resp/request_scanner.ts";
import type { RequestSink } from "../../../src/resp/request_sink.ts";
import { wireOf } from "../../support/conversation.ts";
import { array, bulk } from "../../support/frames.ts";
import { everyCut, type Piece, piecesOf, show } from "../../support/pieces.ts";

interface NamedCommand extends Command {
  readonly name: string;
}

const COMMANDS = new CommandTable<NamedCommand>({
  auth: { name: "auth", keepArgs: 1, isSecret: true },
  client: { name: "client", keepArgs: 3 },
  cluster: { name: "cluster", keepArgs: 2 },
  config: { name: "config", keepArgs: 16, isSecret: true },
  role: { name: "role", keepArgs: 1 },
  abcdefghijklmnop: { name: "abcdefghijklmnop", keepArgs: 1 },
});

const ROLE = "role 1: role";

/** Each case is the bytes of a client and what the sink receives. */
const REQUESTS: Record<string, [wire: string, events: string]> = {
  "a request of one argument": ["*1\r\n$4\r\nROLE\r\n", ROLE],
  "an unknown command": ["*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "plain"],
  "a name in any case": [wireOf(["rOlE", "role"]), `${ROLE}, ${ROLE}`],
  "names that only begin or end like a known one": [
    wireOf(["ROL", "ROLES", "XROLE"]) + arrays("ROLE "),
    "plain, plain, plain, plain",
  ],
  "an empty name": [wireOf(["", " role"]), "plain, plain"],
  "the longest name": [arrays("ABCDEFGHIJKLMNOP"), "abcdefghijklmnop 1: abcdefghijklmnop"],
  "a name that is too long to be known": [
    wireOf(["abcdefghijklmnopq", "x".repeat(40), "role"]),
    `plain, plain, ${ROLE}`,
  ],
  "as many arguments as the command keeps": [
    wireOf(["CLIENT REPLY OFF", "Cluster SLOTS EXTRA", "CLIENT"]),
    "client 3: client reply off, cluster 3: cluster slots, client 1: client",
  ],
  "arguments of 32 bytes at most": [
    wireOf([`CLUSTER ${"ABC".repeat(11)}`, `CLUSTER ${"D".repeat(32)}`]),
    `cluster 2: cluster ${"abc".repeat(11).slice(0, 32)}, cluster 2: cluster ${"d".repeat(32)}`,
  ],
  "empty arguments": [wireOf(["CLIENT  A", "CLIENT  "]), "client 3: client  a, client 3: client  "],
  "payloads that look like requests": [
    arrays("SET", "*1\r\n$4\r\nROLE\r\n", "\r\n") + arrays("ROLE"),
    `plain, ${ROLE}`,
  ],
  "a name behind an unknown command": [wireOf(["ECHO ROLE", "ROLE ECHO"]), "plain, role 2: role"],
  "empty requests": [
    "*0\r\n*-1\r\n*-7\r\n\r\n\n \t\r\n" + arrays("ROLE"),
    `empty, empty, empty, empty, empty, empty, ${ROLE}`,
  ],
  "unchecked ends of payloads": [
    "*2\r\n$4\r\nROLE$4$1\r\nxYY" + arrays("ROLE"),
    `role 2: role, ${ROLE}`,
  ],
  "unchecked ends of headers": ["*1\rx$4\r$ROLE\n\n" + arrays("ROLE"), `${ROLE}, ${ROLE}`],
  "inline requests": [
    "ROLE\r\nrole\nGET a\r\n  cluster  SLOTS\tx \r\n",
    `${ROLE}, ${ROLE}, plain, cluster 3: cluster slots`,
  ],
  "inline requests in quotes": [
    `"ROLE"\r\n'ro'\r\n"\\x52ole"\r\nro"le"\r\n"ro"le\r\nCLIENT "a b" ''\r\n`,
    `${ROLE}, plain, ${ROLE}, ${ROLE}, ${ROLE}, client 3: client a b `,
  ],
  "an inline request that looks like an array header": [
    " *1\r\n$4\r\nROLE\r\n",
    `plain, plain, ${ROLE}`,
  ],
  "inline and multibulk in turn": [
    `ROLE\r\n${arrays("ROLE")}GET\r\n${arrays("GET")}`,
    `${ROLE}, ${ROLE}, plain, plain`,
  ],
  "inline arguments of 32 bytes at most": [
    `cluster ${"x".repeat(40)} y\r\n`,
    `cluster 3: cluster ${"x".repeat(32)}`,
  ],
  "nothing of an incomplete request": ["*2\r\n$4\r\nROLE\r\n$1\r\nx", ""],
  "nothing of an incomplete inline request": ["ROLE", ""],
};

for (const [name, [wire, events]] of Object.entries(REQUESTS)) {
  Deno.test(`the scanner reports ${name}, however it is cut`, () => {
    for (const pieces of everyCut(wire)) assertEquals(eventsOf(pieces), events, show(pieces));
  });
}

const PROTOCOL_ERRORS: Record<string, string> = {
  "a count without digits": "*\r\n",
  "a count that is not a number": "*x\r\n",
  "a count with a plus": "*+1\r\n",
  "a count with a space": "* 1\r\n",
  "a count with a space after it": "*1 \r\n",
  "a count with a minus after it": "*1-\r\n",
  "a count that is a minus": "*-\r\n",
  "a count with two minuses": "*--1\r\n",
  "a count that is a fraction": "*1.0\r\n",
  "a count that is the character after 9": "*:\r\n",
  "a count above 2^53": "*99999999999999999999\r\n",
  "a count above every number": `*${"9".repeat(400)}\r\n`,
  "a count with a leading zero": "*01\r\n$4\r\nROLE\r\n",
  "a count of minus zero": "*-0\r\n",
  "an argument that is not a bulk": "*1\r\n:1\r\n",
  "an argument that is an array": "*1\r\n*1\r\n$4\r\nROLE\r\n",
  "an inline argument in an array": "*1\r\nROLE\r\n",
  "a negative length": "*1\r\n$-1\r\n",
  "a length without digits": "*1\r\n$\r\n",
  "a length that is not a number": "*1\r\n$x\r\n",
  "a length with a plus": "*1\r\n$+4\r\nROLE\r\n",
  "a length with a leading zero": "*1\r\n$04\r\nROLE\r\n",
  "a length that is the character after 9": "*1\r\n$:\r\n",
  "a length above 2^53": "*1\r\n$99999999999999999999\r\n",
  "a length above every number": `*1\r\n$${"9".repeat(400)}\r\n`,
  "an inline quote that is not closed": '"ROLE\r\n',
};

for (const [name, wire] of Object.entries(PROTOCOL_ERRORS)) {
  Deno.test(`the scanner reports a protocol error, and nothing after it, at ${name}`, () => {
    for (const pieces of everyCut(`ROLE\r\n${wire}ROLE\r\n${arrays("ROLE")}`)) {
      assertEquals(eventsOf(pieces), `${ROLE}, broken`, show(pieces));
    }
  });
}

Deno.test("an inline request is as long as servers accept, or a protocol error", () => {
  const wire = `ROLE ${"x".repeat(64 * 1024 - 7)}\r\n`;
  assertEquals(eventsOf(piecesOf(wire, [1, 4, 5, 30_000])), "role 2: role");
  const endless = piecesOf("x".repeat(200 * 1024), [70_000, 140_000]);
  assertEquals(eventsOf(endless), "broken");
});

Deno.test("an inline request byte by byte takes time linear in its length", () => {
  const scanner = new RequestScanner(COMMANDS, recordTo([]));
  const byte = fromLatin1("x");
  const start = performance.now();
  for (let count = 0; count < 20_000; count++) scanner.advance(byte, 0, 1);
  // Some milliseconds; if the line were read again for each byte, many seconds.
  assert(performance.now() - start < 2_000);
});

Deno.test("an inline request byte by byte takes memory linear in its length", () => {
  const byte = fromLatin1("x");
  const before = memoryInUse();
  const scanners = Array.from({ length: 24 }, () => {
    const scanner = new RequestScanner(COMMANDS, recordTo([]));
    for (let count = 0; count < 100 * 1024; count++) scanner.advance(byte, 0, 1);
    return scanner;
  });
  const grown = memoryInUse() - before;
  // If each piece were kept separately, 75 MiB more.
  assert(grown < 48 * 1024 * 1024, `${Math.round(grown / 1024 / 1024)} MiB`);
  assert(!scanners.some(({ isBetweenRequests }) => isBetweenRequests));
});

function memoryInUse(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

// Servers search for the LF with strchr, and never find it behind a NUL.
Deno.test("nothing is reported after a NUL in an inline request", () => {
  for (const wire of ["ROLE\0\r\n", "\0\r\n", "ROLE a\0b\r\n"]) {
    for (const pieces of everyCut(`ROLE\r\n${wire}${arrays("ROLE")}`)) {
      assertEquals(eventsOf(pieces).replace(", broken", ""), ROLE, show(pieces));
    }
  }
});

Deno.test("a payload of any length is passed without waiting for its end", () => {
  const events: string[] = [];
  const scanner = new RequestScanner(COMMANDS, recordTo(events));
  const start = fromLatin1(`*2\r\n$4\r\nROLE\r\n$${2 ** 40}\r\n`);
  scanner.advance(start, 0, start.length);
  const payload = fromLatin1("*1\r\n$4\r\nROLE\r\n".repeat(1000));
  for (let times = 0; times < 100; times++) scanner.advance(payload, 0, payload.length);
  assertEquals(events, []);
});

/** Cases that must be hidden exactly, and others that may hide more than the secret. */
const SECRETS: Record<string, string> = {
  "the argument of AUTH": wireOf(["AUTH SECRET"]),
  "all arguments of AUTH": wireOf(["auth SECRET SECRETSECRETSECRETSECRETSECRETSECRETSECRET"]),
  "secrets of several requests": wireOf(["AUTH SECRET", "GET public", "AUTH SECRET"]),
  "all arguments of a secret command": wireOf(["CONFIG SECRET  SECRET"]),
  "an empty secret": wireOf(["AUTH "]),
  "nothing of other commands": wireOf(["CLIENT ID AUTH"]) + "PING AUTH\r\n",
  "a secret with short ends": "*2\r\n$4\r\nAUTHxx$6\r\nSECRETyy",
  "a secret that never ends": "*2\r\n$4\r\nAUTH\r\n$99\r\nSECRETSECRET",
};

const INLINE_SECRETS: Record<string, string> = {
  "an inline secret": "AUTH SECRET\r\n",
  "inline secrets in quotes": `auth "SECRET" 'SECRET'\r\nPING\r\n`,
  "the secret of an inline name in quotes": `"Auth" SECRET\r\n`,
  "the secret of an inline name with escapes": `  "\\x41uth"\tSECRET\r\n`,
  "the secret of an inline name with quotes inside": `a"ut"'h' SECRET\r\n`,
  "an inline secret whose quotes do not close": `AUTH "SECRET SECRET\r\n`,
  "an inline secret without its end": "AUTH SECRET",
  "an inline secret behind another request": `${arrays("GET", "a")}\r\nAUTH SECRET\n`,
};

for (const [name, wire] of Object.entries({ ...SECRETS, ...INLINE_SECRETS })) {
  Deno.test(`the scanner reports as secret ${name}, however it is cut`, () => {
    for (const pieces of everyCut(wire)) {
      const visible = visibleOf(pieces);
      assertEquals(visible.length, wire.length);
      for (let at = 0; at < wire.length; at++) {
        const secret = "SECRT".includes(wire[at]!) && wire.slice(at - 5, at + 6).includes("SECRET");
        if (secret) assertEquals(visible[at], "#", `${show(pieces)}: ${visible}`);
      }
      if (name in SECRETS) {
        assertEquals(visible, wire.replaceAll("SECRET", "######"), show(pieces));
      } else {
        const names = /^\s*\S+|GET|PING/.exec(wire)![0];
        assert(visible.includes(names), `${show(pieces)}: ${visible}`);
      }
    }
  });
}

/** Each case is packets of a client, with secrets in brackets. */
const UNREADABLE: Record<string, string[]> = {
  "what follows a protocol error": ["*x[\r\n*2\r\n$4\r\nAUTH\r\n$6\r\nSECRET\r\n]", "[SECRET]"],
  "what follows an argument that is not a bulk": ["*2\r\n$4\r\nAUTH\r\n:[6\r\nSECRET\r\n]"],
  "what follows quotes that do not close": ["PING '\r\n[AUTH SECRET\r\n]"],
  "arguments after a name with open quotes": ['"AUTH[ SECRET\r]\n'],
  "a line with a NUL": ["[AUTH SECRET\0\r\n]", "[SECRET]"],
  "a line with a NUL further on": ["AUTH[ SEC]", "[RET\0]", "[\r\nSECRET]"],
  "what follows more blanks than anybody sends": [" ".repeat(700), "[AUTH SECRET\r]\n", "PING\r\n"],
  "what follows a name longer than any": ["x".repeat(300), "[x AUTH SECRET\r]\n", "PING\r\n"],
  "what follows a line without an end": ["x".repeat(200_000), "[AUTH SECRET]"],
};

for (const [what, packets] of Object.entries(UNREADABLE)) {
  Deno.test(`the scanner reports as secret ${what}`, () => {
    const wire = packets.join("").replaceAll(/[[\]]/g, "");
    let at = 0;
    const cuts = packets.map((packet) => at += packet.replaceAll(/[[\]]/g, "").length);
    const hidden = packets.join("").replaceAll(
      /\[([^\]]*)\]/g,
      (_, text: string) => "#".repeat(text.length),
    );
    assertEquals(visibleOf(piecesOf(wire, cuts.slice(0, -1))), hidden);
  });
}

Deno.test("the arguments of an unknown command are not secret", () => {
  for (const wire of ["AUTHX secret\r\n", arrays("AUTHX", "secret"), "x AUTH secret\r\n"]) {
    for (const pieces of everyCut(wire)) assertEquals(visibleOf(pieces), wire, show(pieces));
  }
});

/** Commands that buffer arguments, and some that do not. */
const BUFFERING = new CommandTable<NamedCommand>({
  auth: { name: "auth", keepArgs: 1, isSecret: true },
  role: { name: "role", keepArgs: 1 },
  migrate: { name: "migrate", keepArgs: 16, bufferArgs: () => 3 },
  failover: { name: "failover", keepArgs: 1, bufferArgs: () => Infinity },
  cluster: {
    name: "cluster",
    keepArgs: 2,
    bufferArgs: ([, arg]) => arg === undefined ? 2 : arg === "MEET" ? Infinity : 0,
  },
});

/**
 * Each case is the bytes of a client, and the bytes that are not held if they differ, with each
 * prefix in angle brackets: its arguments, and how many the request has.
 */
const HELD: Record<string, [wire: string, passed?: string]> = {
  "the first arguments of a command": [
    wireOf(["MIGRATE h 1 k 0 9"]),
    "<MIGRATE h 1 of 6>$1\r\nk\r\n$1\r\n0\r\n$1\r\n9\r\n",
  ],
  "all arguments of a command": [wireOf(["FAILOVER TO h 1"]), "<FAILOVER TO h 1 of 4>"],
  "as many arguments as the first ones require": [
    wireOf(["CLUSTER MEET h 1 2"]),
    "<CLUSTER MEET h 1 2 of 5>",
  ],
  "nothing if the first arguments require none": [wireOf(["CLUSTER SLOTS", "CLUSTER MEET! h 1"])],
  "no more arguments than there are": [
    wireOf(["MIGRATE", "MIGRATE h", "CLUSTER", "CLUSTER MEET"]),
    "<MIGRATE of 1><MIGRATE h of 2><CLUSTER of 1><CLUSTER MEET of 2>",
  ],
  "arguments exact to the byte": [
    arrays("miGraTe", "H\xff\r\n\0", "", "k"),
    "<miGraTe H\xff\r\n\0  of 4>$1\r\nk\r\n",
  ],
  "long arguments": [
    wireOf([`MIGRATE ${"h".repeat(300)} 1 k`]),
    `<MIGRATE ${"h".repeat(300)} 1 of 4>$1\r\nk\r\n`,
  ],
  "arguments with unchecked ends": [
    "*4\r\n$7\r\nMIGRATExx$1\ry" + "h$$$1\r\n1**$1\r\nk\r\n",
    "<MIGRATE h 1 of 4>$1\r\nk\r\n",
  ],
  "nothing of other commands": [wireOf(["GET MIGRATE", "MIGRATED h 1", "AUTH p", ""])],
  "nothing of a name that is too long": [wireOf(["MIGRATE".repeat(3)])],
  "some requests among others": [
    wireOf([
      "GET a",
      "FAILOVER",
      "\r\n*0\r\n",
      "ROLE",
      "MIGRATE h 1 MIGRATE",
      "MIGRATE g 2",
      "GET b",
    ]),
    arrays("GET", "a") + "<FAILOVER of 1>\r\n*0\r\n" + arrays("ROLE") +
    "<MIGRATE h 1 of 4>$7\r\nMIGRATE\r\n<MIGRATE g 2 of 3>" + arrays("GET", "b"),
  ],
  "all arguments of an inline request": [
    "MIGRATE h 1 k 0\r\n failover\tTO 'h' \"1\\x41\"\n",
    "<MIGRATE h 1 k 0 of 5><failover TO h 1A of 4>",
  ],
  "inline names in quotes": [
    `"\\x4dIGRATE" h 1\r\nC"LUSTE"R MEET h\nCLUSTER\n`,
    "<MIGRATE h 1 of 3><CLUSTER MEET h of 3><CLUSTER of 1>",
  ],
  "nothing of other inline requests": [
    'GET MIGRATE\r\nMIGRATED h 1\r\nCLUSTER SLOTS\r\nAUTH p\r\n\r\n \n""\n',
  ],
  "nothing of a broken request": [
    "*3\r\n$7\r\nMIGRATE\r\n$-1\r\n" + arrays("MIGRATE", "h", "1"),
  ],
  "nothing of a name that is not a bulk": ["*3\r\n+MIGRATE\r\n"],
  "nothing of an inline request with a NUL": ["MIGRATE h \0\r\n"],
  "nothing of an inline request with open quotes": ["MIGRATE 'h 1\r\n"],
  "nothing of a request with more arguments than servers accept": ["*2147483648\r\n"],
  "a request whose name is incomplete": ["*5\r\n$7\r\nMIGR", ""],
  "an inline request whose name is incomplete": [`${arrays("GET", "a")}MIGR`, arrays("GET", "a")],
  "a request that lacks an argument": ["*5\r\n$7\r\nMIGRATE\r\n$1\r\nh\r\n$4\r\n700", ""],
  "a request that lacks the end of its last argument": ["*2\r\n$8\r\nFAILOVER\r\n$2\r\nTO\r", ""],
  "an inline request that lacks its end": ["FAILOVER TO h 1\r", ""],
};

for (const [name, [wire, passed = wire]] of Object.entries(HELD)) {
  Deno.test(`the scanner holds ${name}, however it is cut`, () => {
    for (const pieces of everyCut(wire)) assertEquals(passedOf(pieces), passed, show(pieces));
  });
}

Deno.test("a complete request is not held unless its command buffers arguments", () => {
  const scanner = new RequestScanner(BUFFERING, recordTo([]));
  for (const wire of [arrays("GET", "a"), arrays("ROLE"), arrays("CLUSTER", "NODES"), "GET a\n"]) {
    const bytes = fromLatin1(wire.repeat(3));
    assertEquals(scanner.advance(bytes, 0, bytes.length), bytes.length);
    assertEquals([scanner.heldBytes, scanner.prefix], [0, undefined], wire);
  }
});

Deno.test("a name byte by byte is held until it is known that its command buffers nothing", () => {
  const cases = {
    [arrays("GET", "a")]: "*2\r\n$3\r\nGET\r",
    [arrays("x".repeat(17))]: "*1\r\n$17\r",
    "GET a\r\n": "GET",
    "*0\r\n": "*0\r",
    [" ".repeat(300)]: " ".repeat(256),
  };
  for (const [wire, held] of Object.entries(cases)) {
    const scanner = new RequestScanner(BUFFERING, recordTo([]));
    let longest = 0;
    for (const byte of fromLatin1(wire)) {
      scanner.advance(new Uint8Array([byte]), 0, 1);
      longest = Math.max(longest, scanner.heldBytes);
    }
    assertEquals(longest, held.length, JSON.stringify(wire));
  }
});

Deno.test("a request is reported before its prefix is available", () => {
  const events: string[] = [];
  const scanner = new RequestScanner(BUFFERING, recordTo(events));
  const command = BUFFERING.findByName("failover")!;
  const bytes = fromLatin1(arrays("FAILOVER", "ABORT") + "FAILOVER\r\n");
  const first = scanner.advance(bytes, 0, bytes.length);
  assertEquals(scanner.prefix, { command, args: ["FAILOVER", "ABORT"], argc: 2, hasHeader: true });
  assertEquals(events, ["failover 2: failover"]);
  assertEquals(scanner.advance(bytes, first, bytes.length), bytes.length);
  assertEquals(scanner.prefix, { command, args: ["FAILOVER"], argc: 1, hasHeader: true });
  assertEquals(events.length, 2);
});

/** The most that is held of a request. */
const PREFIX_LIMIT_BYTES = 4 * 1024;

Deno.test("requests above the limit are not held", () => {
  const long = "x".repeat(PREFIX_LIMIT_BYTES);
  const many = Array.from({ length: PREFIX_LIMIT_BYTES / 32 }, () => "");
  const argLists = [[long], ["x".repeat(40_000), "x".repeat(40_000), "x"], [...many, "x"]];
  const wires = argLists.map((args) => arrays("FAILOVER", ...args));
  for (const wire of [...wires, `FAILOVER ${long}\n`]) {
    for (const step of [1000, 30_000, wire.length]) {
      const cuts = Array.from({ length: Math.ceil(wire.length / step) - 1 }, (_, at) => at + 1);
      const pieces = piecesOf(wire, cuts.map((cut) => cut * step));
      assertEquals(passedOf(pieces), wire, `in pieces of ${step}`);
    }
  }
});

Deno.test("a header without an end is not held", () => {
  for (const start of ["*", "*2\r\n$", "*4\r\n$8\r\nFAILOVER\r\n$"]) {
    const scanner = new RequestScanner(BUFFERING, recordTo([]));
    const bytes = fromLatin1(start + "1".repeat(1000));
    for (let at = 0; at < bytes.length;) {
      at = scanner.advance(bytes, at, Math.min(bytes.length, at + 7));
      assert(scanner.heldBytes < 64, `${scanner.heldBytes} bytes are held behind ${start}`);
    }
  }
});

Deno.test("requests at the limit are held", () => {
  const long = "x".repeat(PREFIX_LIMIT_BYTES - 32);
  const wire = arrays("FAILOVER", long) + `FAILOVER ${long}\n`;
  for (const cuts of [[], [5, 20, 2_000, 4_100, 5_000]]) {
    assertEquals(
      passedOf(piecesOf(wire, cuts)),
      `<FAILOVER ${long} of 2><FAILOVER ${long} of 2>`,
    );
  }
});

function arrays(...args: string[]): string {
  return array(...args.map(bulk));
}

function recordTo(events: string[]): RequestSink<NamedCommand> {
  return {
    plain: (count) => events.push(...Array<string>(count).fill("plain")),
    known({ name }, argv, argc) {
      events.push(`${name} ${argc}: ${argv.join(" ")}`);
      return false;
    },
    empty: () => events.push("empty"),
    protocolError: () => events.push("broken"),
  };
}

/** What the sink receives, with commas between. */
function eventsOf(pieces: readonly Piece[]): string {
  const events: string[] = [];
  const scanner = new RequestScanner(COMMANDS, recordTo(events));
  for (const piece of pieces) {
    // A copy that is overwritten afterwards, because a scanner may not keep references to its input.
    const bytes = piece.bytes.slice();
    scanner.advance(bytes, piece.from, piece.to);
    bytes.fill(0x2a);
  }
  return events.join(", ");
}

/** The bytes that are not held, with each prefix in angle brackets. */
function passedOf(pieces: readonly Piece[]): string {
  const scanner = new RequestScanner(BUFFERING, recordTo([]));
  let passed = "";
  let held = "";
  for (const { bytes, from, to } of pieces) {
    for (let at = from; at < to;) {
      const start = at;
      at = scanner.advance(bytes, at, to);
      held += String.fromCharCode(...bytes.subarray(start, at));
      const heldFrom = held.length - scanner.heldBytes;
      assert(at > start && heldFrom >= 0);
      assert(scanner.heldBytes <= PREFIX_LIMIT_BYTES + 100, `${scanner.heldBytes} bytes are held`);
      passed += held.slice(0, heldFrom);
      held = held.slice(heldFrom);
      const { prefix } = scanner;
      if (prefix === undefined) continue;
      passed += `<${prefix.args.join(" ")} of ${prefix.argc}>`;
      held = "";
    }
  }
  return passed;
}

/** The wire text with a `#` for each byte of a secret. */
function visibleOf(pieces: readonly Piece[]): string {
  const scanner = new RequestScanner(COMMANDS, recordTo([]));
  let visible = "";
  for (const { bytes, from, to } of pieces) {
    scanner.advance(bytes, from, to);
    const { secrets } = scanner;
    assertEquals(secrets.length % 2, 0);
    const shown = bytes.slice();
    for (let pair = 0; pair < secrets.length; pair += 2) {
      const [start, end] = [secrets[pair]!, secrets[pair + 1]!];
      assert(from <= start && start < end && end <= to, `[${start}, ${end}) of [${from}, ${to})`);
      shown.fill("#".charCodeAt(0), start, end);
    }
    visible += toLatin1(shown.subarray(from, to));
  }
  return visible;
}
