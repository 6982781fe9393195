import { assertEquals } from "@std/assert";
import { splitInline } from "../../../src/resp/inline_request.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const LINES: Record<string, [line: string, args: string[] | undefined][]> = {
  "arguments end at spaces": [
    ["PING", ["PING"]],
    ["SET a b", ["SET", "a", "b"]],
    [" \t SET\ta  b \r", ["SET", "a", "b"]],
    ["a\rb\nc", ["a", "b", "c"]],
    ["", []],
    ["\r", []],
    [" \t\n\v\f\r", []],
  ],
  "vertical tabs and form feeds separate arguments, but do not end one": [
    ["\va\f b", ["a\f", "b"]],
    ["a\vb", ["a\vb"]],
  ],
  "a no-break space is part of an argument": [["a\xa0b \x85", ["a\xa0b", "\x85"]]],
  "double quotes keep spaces": [
    ['SET a "b c"', ["SET", "a", "b c"]],
    ['""', [""]],
    ['"" ""', ["", ""]],
    ['"a\'b"', ["a'b"]],
  ],
  "double quotes have escapes": [
    ['"\\n\\r\\t\\b\\a"', ["\n\r\t\b\x07"]],
    ['"\\x41\\xfF"', ["A\xff"]],
    ['"\\x4"', ["x4"]],
    ['"\\xg1"', ["xg1"]],
    ['"\\X41"', ["X41"]],
    ['"\\"\\\\\\q"', ['"\\q']],
  ],
  "single quotes have one escape": [
    ["'a \"b'", ['a "b']],
    ["'a\\'b'", ["a'b"]],
    ["'\\n\\x41\\ '", ["\\n\\x41\\ "]],
    ["''", [""]],
  ],
  "quotes open inside an argument": [
    ['a"b c"', ["ab c"]],
    ["a'b c' d", ["ab c", "d"]],
  ],
  "a backslash outside quotes is literal": [["\\n \\", ["\\n", "\\"]]],
  "quotes close inside an argument, as in Valkey 9.1": [
    ['"a"b', ["ab"]],
    ["'a'b c", ["ab", "c"]],
    ['"a""b c"\'d\'', ["ab cd"]],
    ["''''", [""]],
    ['"a"\vb', ["a\vb"]],
  ],
  "a backslash before the last quote is literal, as in Valkey 9.1": [
    ['"a\\"', ["a\\"]],
    ["'a\\'", ["a\\"]],
  ],
  "quotes that do not close are refused": [
    ['"', undefined],
    ["'", undefined],
    ['a "b', undefined],
    ["a 'b", undefined],
    ['"\\', undefined],
    ['"\\n', undefined],
    ['"\\x4', undefined],
    ['"\\x41', undefined],
    ["'''", undefined],
  ],
};

for (const [name, cases] of Object.entries(LINES)) {
  Deno.test(`in an inline request ${name}`, () => {
    for (const [line, args] of cases) assertEquals(splitInline(line), args, JSON.stringify(line));
  });
}

Deno.test("random lines are split as by Valkey 9.1, and as by Redis unless it refuses them", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let round = 0; round < 20_000; round++) {
    const length = random.int(14);
    const line = Array.from({ length }, () => random.pick([..."ab  \"\"''\\\\x4f\t\v\rn\xa0"]));
    const text = line.join("");
    const message = `TEST_SEED=${seed}, round ${round}, ${JSON.stringify(text)}`;
    const args = splitInline(text);
    assertEquals(args, valkeySplit(text), message);
    const redisArgs = redisSplit(text);
    if (redisArgs !== undefined && !JOINED_BY_SPACES.test(text)) {
      assertEquals(args, redisArgs, message);
    }
  }
});

/** After a closing quote, Redis ends an argument at two more kinds of space than Valkey 9.1. */
const JOINED_BY_SPACES = /["'][\v\f]/;

/** `sdsnsplitargs` of Valkey 9.1 (sds.c), translated line by line. */
function valkeySplit(line: string): string[] | undefined {
  const args: string[] = [];
  let p = 0;
  for (;;) {
    while (p < line.length && isspace(line[p]!)) p++;
    if (p >= line.length) return args;
    let inq = false, insq = false, done = false;
    let current = "";
    while (!done) {
      const char = line[p]!;
      const next = line[p + 1]!;
      if (inq) {
        if (p + 4 < line.length && HEX.test(line.slice(p, p + 4))) {
          current += String.fromCharCode(parseInt(line.slice(p + 2, p + 4), 16));
          p += 4;
        } else if (p + 2 < line.length && char === "\\") {
          const index = "nrtba".indexOf(next);
          current += index < 0 ? next : "\n\r\t\b\x07"[index];
          p += 2;
        } else if (char === '"') {
          inq = false;
          p++;
        } else {
          current += char;
          p++;
        }
      } else if (insq) {
        if (p + 2 < line.length && char === "\\" && next === "'") {
          current += "'";
          p += 2;
        } else if (char === "'") {
          insq = false;
          p++;
        } else {
          current += char;
          p++;
        }
      } else {
        if (" \n\r\t".includes(char)) done = true;
        else if (char === '"') inq = true;
        else if (char === "'") insq = true;
        else current += char;
        p++;
      }
      if (p >= line.length) {
        if (inq || insq) return undefined;
        done = true;
      }
    }
    args.push(current);
  }
}

const HEX = /^\\x[0-9a-fA-F]{2}$/;

/** `sdssplitargs` of Redis and of Valkey up to 8.1 (sds.c), translated line by line. */
function redisSplit(text: string): string[] | undefined {
  const line = `${text}\0`;
  const args: string[] = [];
  let p = 0;
  for (;;) {
    while (isspace(line[p]!)) p++;
    if (line[p] === "\0") return args;
    let inq = false, insq = false, done = false;
    let current = "";
    while (!done) {
      const char = line[p]!;
      const next = line[p + 1]!;
      if (inq) {
        if (char === "\\" && next === "x" && isHex(line[p + 2]) && isHex(line[p + 3])) {
          current += String.fromCharCode(parseInt(line.slice(p + 2, p + 4), 16));
          p += 3;
        } else if (char === "\\" && next !== "\0") {
          p++;
          const index = "nrtba".indexOf(next);
          current += index < 0 ? next : "\n\r\t\b\x07"[index];
        } else if (char === '"') {
          if (next !== "\0" && !isspace(next)) return undefined;
          done = true;
        } else if (char === "\0") return undefined;
        else current += char;
      } else if (insq) {
        if (char === "\\" && next === "'") {
          p++;
          current += "'";
        } else if (char === "'") {
          if (next !== "\0" && !isspace(next)) return undefined;
          done = true;
        } else if (char === "\0") return undefined;
        else current += char;
      } else {
        switch (char) {
          case " ":
          case "\n":
          case "\r":
          case "\t":
          case "\0":
            done = true;
            break;
          case '"':
            inq = true;
            break;
          case "'":
            insq = true;
            break;
          default:
            current += char;
        }
      }
      if (line[p] !== "\0") p++;
    }
    args.push(current);
  }
}

function isspace(char: string): boolean {
  return " \t\n\v\f\r".includes(char);
}

function isHex(char: string | undefined): boolean {
  return char !== undefined && "0123456789abcdefABCDEF".includes(char);
}
