import { assertEquals } from "@std/assert";
import { splitInline } from "../../../src/resp/inline_request.ts";
import { eachRound } from "../../fuzz/rounds.ts";
import { times } from "../../fuzz/values.ts";
import { redisSplit, valkeySplit } from "../../support/inline_request.ts";
import { seededRandom } from "../../support/random.ts";

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

Deno.test("random lines are split as by Valkey 9.1, and as by Redis unless it refuses them", () =>
  eachRound(40, (seed) => {
    const random = seededRandom(seed);
    const line = times(random.int(14), () => random.pick([..."ab  \"\"''\\\\x4f\t\v\rn\xa0"]));
    const args = splitInline(line);
    assertEquals(args, valkeySplit(line), JSON.stringify(line));
    const redisArgs = redisSplit(line);
    if (redisArgs === undefined || JOINED_BY_SPACES.test(line)) return;
    assertEquals(args, redisArgs, JSON.stringify(line));
  }));

/** After a closing quote, Redis ends an argument at two more kinds of space than Valkey 9.1. */
const JOINED_BY_SPACES = /["'][\v\f]/;
