import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  configureLog,
  forwardLog,
  log,
  Logger,
  type LogOptions,
  traffic,
} from "../../../src/platform/log.ts";

const TEXT: LogOptions = { level: "info", format: "text", echo: false };
const JSON_LINES: LogOptions = { ...TEXT, format: "json" };

/** The text that `body` writes to stderr. A write takes at most `writeBytes`. */
function written(options: LogOptions, body: () => void, writeBytes = Infinity): string {
  const chunks: number[] = [];
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = (bytes) => {
    const taken = bytes.subarray(0, writeBytes);
    chunks.push(...taken);
    return taken.length;
  };
  try {
    configureLog(options);
    body();
  } finally {
    Deno.stderr.writeSync = writeSync;
    forwardLog(() => {});
  }
  return new TextDecoder().decode(new Uint8Array(chunks));
}

/** The lines without their timestamps. */
function textLines(options: LogOptions, body: () => void): string[] {
  const lines = written(options, body).split("\n");
  assertEquals(lines.pop(), "", "the last line is complete");
  return lines.map((line) => {
    assertMatch(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
    return line.slice("2026-11-22T17:00:00.000Z ".length);
  });
}

function jsonLine(body: () => void): Record<string, unknown> {
  const [line, rest, ...more] = written(JSON_LINES, body).split("\n");
  assertEquals([rest, more.length], ["", 0], "one complete line");
  return JSON.parse(line!);
}

const LEVELS: [level: LogOptions["level"], lines: string[]][] = [
  ["debug", ["DEBUG d", "INFO  i", "WARN  w", "ERROR e"]],
  ["info", ["INFO  i", "WARN  w", "ERROR e"]],
  ["warning", ["WARN  w", "ERROR e"]],
  ["error", ["ERROR e"]],
];

for (const [level, lines] of LEVELS) {
  Deno.test(`at level ${level} the log has ${lines.length} of four levels`, () => {
    const logged = textLines({ ...TEXT, level }, () => {
      log.debug("d");
      log.info("i");
      log.warning("w");
      log.error("e");
    });
    assertEquals(logged, lines);
  });
}

for (const level of ["debug", "info", "warning", "error"] as const) {
  Deno.test(`at level ${level} traffic is logged only with echo`, () => {
    for (const echo of [true, false]) {
      const lines = textLines({ ...TEXT, level, echo }, () => traffic.debug("GET a"));
      assertEquals(lines, echo ? ["DEBUG GET a"] : []);
    }
  });
}

/** A value in a message, and its text. */
const VALUES: [name: string, value: unknown, text: string][] = [
  ["a string", "it's", "it's"],
  ["a number", 7000, "7000"],
  ["undefined", undefined, "undefined"],
  ["an error", new TypeError("Cannot\ndo"), "Cannot\\ndo"],
  ["an object", { host: "a", port: 1 }, '{ host: "a", port: 1 }'],
  ["a forged line", "x\n2026-01-01T00:00:00.000Z ERROR y", "x\\n2026-01-01T00:00:00.000Z ERROR y"],
  ["a carriage return and a tab", "x\r\ty", "x\\r\\ty"],
  ["a colour", "\x1b[31mred", "\\u001b[31mred"],
  ["the one-byte form of an escape", "\x9b31mred", "\\u009b31mred"],
  ["the line ends of Unicode", "x\x85y\u2028z\u2029", "x\\u0085y\\u2028z\\u2029"],
  ["letters of all kinds", "häß 漢字 🚀", "häß 漢字 🚀"],
];

for (const [name, value, text] of VALUES) {
  Deno.test(`${name} in a message is one line of text`, () => {
    const lines = textLines(TEXT, () => log.info("got {value} from {value}", { value }));
    assertEquals(lines, [`INFO  got ${text} from ${text}`]);
  });
  Deno.test(`${name} in a message is one line of JSON`, () => {
    const { message } = jsonLine(() => log.info("got {value}", { value }));
    // JSON escapes the characters, and a parser restores them.
    const plain = value instanceof Error ? value.message : value;
    assertEquals(message, `got ${typeof plain === "string" ? plain : text}`);
  });
}

Deno.test("a line break in the message template is escaped", () => {
  assertEquals(textLines(TEXT, () => log.info("a\nb")), ["INFO  a\\nb"]);
  assertEquals(jsonLine(() => log.info("a\nb")).message, "a\nb");
});

Deno.test("a line of JSON has the time, the level, the message and the fields", () => {
  const from = Date.now();
  const line = jsonLine(() =>
    log.warning("lost {node}", {
      node: "a",
      count: 10n,
      limit: Infinity,
      cause: new Error("gone"),
      level: "forged",
    })
  );
  const { timestamp, ...rest } = line;
  assertEquals(Object.keys(line)[0], "timestamp");
  const atMs = Date.parse(String(timestamp));
  assert(atMs >= from && atMs <= Date.now(), String(timestamp));
  assertEquals(rest, {
    level: "warning",
    message: "lost a",
    node: "a",
    count: "10",
    limit: "Infinity",
    cause: "gone",
  });
});

Deno.test("a value that JSON cannot express is text", () => {
  const loop: { self?: unknown } = {};
  loop.self = loop;
  const { message, ...fields } = jsonLine(() => log.info("a {loop}", { loop }));
  assertMatch(String(message), /^a <ref \*1> \{ self: \[Circular \*1\] \}$/);
  assertEquals(`a ${fields.loop}`, message);
});

Deno.test("a placeholder without a field stays", () => {
  assertEquals(textLines(TEXT, () => log.info("{a} {b}", { a: "{b}" })), ["INFO  {b} {b}"]);
});

Deno.test("a short write is continued", () => {
  const logIt = () => log.info("{name}", { name: "häß 漢字" });
  assertMatch(written(TEXT, logIt, 1), /^\S+Z INFO {2}häß 漢字\n$/);
});

Deno.test("a logger without a sink discards what is logged", () => {
  assertEquals(written(TEXT, () => new Logger("nat").error("lost")), "");
});
