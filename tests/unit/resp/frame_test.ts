import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import {
  type Aggregate,
  type Bulk,
  bulk,
  decodeFrame,
  encodeFrame,
  encodeRequest,
  fieldOf,
  itemsOf,
  type Simple,
  textOf,
  type Value,
} from "../../../src/resp/frame.ts";
import { RespError } from "../../../src/resp/framing.ts";
import { NO_STOPS, ReplyScanner } from "../../../src/resp/reply_scanner.ts";
import { eachRound } from "../../fuzz/rounds.ts";
import { randomValue } from "../../fuzz/values.ts";
import { seededRandom } from "../../support/random.ts";

const [A, B] = [text("+", "a"), text("+", "b")];

function text(type: (Simple | Bulk)["type"], text: string | null): Value {
  return { type, text } as Simple | Bulk;
}

function items(type: Aggregate["type"], ...items: Value[]): Value {
  return { type, items };
}

const FRAMES: Record<string, [wire: string, value: Value]> = {
  "a status": ["+OK\r\n", text("+", "OK")],
  "an empty status": ["+\r\n", text("+", "")],
  "an error": ["-MOVED 1 h:1\r\n", text("-", "MOVED 1 h:1")],
  "an integer": [":-12\r\n", text(":", "-12")],
  "an integer beyond 2^53": [":9223372036854775807\r\n", text(":", "9223372036854775807")],
  "a null": ["_\r\n", text("_", "")],
  "a boolean": ["#t\r\n", text("#", "t")],
  "a double": [",-inf\r\n", text(",", "-inf")],
  "a big number": ["(-34928903284092385093\r\n", text("(", "-34928903284092385093")],
  "a bulk": ["$5\r\na\r\n\xffb\r\n", text("$", "a\r\n\xffb")],
  "an empty bulk": ["$0\r\n\r\n", text("$", "")],
  "a null bulk": ["$-1\r\n", text("$", null)],
  "a null verbatim": ["=-1\r\n", text("=", null)],
  "a verbatim": ["=5\r\ntxt:a\r\n", text("=", "txt:a")],
  "a bulk error": ["!5\r\nERR a\r\n", text("!", "ERR a")],
  "an array": ["*2\r\n:1\r\n*1\r\n_\r\n", items("*", text(":", "1"), items("*", text("_", "")))],
  "an empty array": ["*0\r\n", items("*")],
  "a null array": ["*-1\r\n", { type: "*", items: null }],
  "a null map": ["%-1\r\n", { type: "%", items: null }],
  "a map": ["%1\r\n+a\r\n%0\r\n", items("%", A, items("%"))],
  "a set": ["~1\r\n+a\r\n", items("~", A)],
  "a push": [">1\r\n+a\r\n", items(">", A)],
  "an attribute": ["|1\r\n+a\r\n:1\r\n+b\r\n", { ...B, attributes: [[A, text(":", "1")]] }],
  "an empty attribute": ["|0\r\n*0\r\n", { ...items("*"), attributes: [[]] }],
  "attributes inside": [
    "*1\r\n|1\r\n|0\r\n+a\r\n+b\r\n$1\r\nc\r\n",
    items("*", { ...text("$", "c"), attributes: [[{ ...A, attributes: [[]] }, B]] }),
  ],
};

for (const [name, [wire, value]] of Object.entries(FRAMES)) {
  Deno.test(`${name} is decoded and encoded to the same bytes`, () => {
    assertEquals(decodeFrame(fromLatin1(wire)), value);
    assertEquals(toLatin1(encodeFrame(value)), wire);
  });

  Deno.test(`${name} is refused if bytes are missing or left over`, () => {
    for (let end = 0; end < wire.length; end++) {
      assertThrows(() => decodeFrame(fromLatin1(wire.slice(0, end))), RespError);
    }
    for (const rest of ["\r", "\n", "+OK\r\n"]) {
      assertThrows(() => decodeFrame(fromLatin1(wire + rest)), RespError, "Unexpected bytes after");
    }
  });
}

Deno.test("two attributes of one value keep all their bytes", () => {
  const wire = "|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n+c\r\n";
  assertEquals(toLatin1(encodeFrame(decodeFrame(fromLatin1(wire)))), wire);
});

const REFUSED: Record<string, [wire: string, message: string]> = {
  "no bytes": ["", "unknown type"],
  "an unknown type": ["x\r\n", "unknown type"],
  "a streamed string": ["$?\r\n;1\r\na\r\n;0\r\n", "has a value of the length '?'"],
  "a streamed array": ["*?\r\n.\r\n", "has a value of the length '?'"],
  "the end of a stream": [".\r\n", "unknown type"],
  "no length": ["*\r\n", "has a value of the length ''"],
  "a length above 2^53": ["*9007199254740993\r\n", "of the length '9007199254740993'"],
  "a length beyond the bytes": ["$9007199254740991\r\na\r\n", "ends inside a payload"],
  "a count beyond the bytes": ["*9007199254740991\r\n:1\r\n", "unknown type"],
  "an attribute of nothing": ["|1\r\n+a\r\n+b\r\n", "unknown type"],
  "a value too deep": ["*1\r\n".repeat(40) + ":1\r\n", "nested too deep"],
  "attributes too deep": ["|0\r\n".repeat(40) + ":1\r\n", "nested too deep"],
  "a push inside an array, which does not count it": [
    "*1\r\n>1\r\n+a\r\n:1\r\n",
    "Unexpected bytes after",
  ],
};

for (const [name, [wire, message]] of Object.entries(REFUSED)) {
  Deno.test(`decoding refuses ${name}`, () => {
    const error = assertThrows(() => decodeFrame(fromLatin1(wire)), RespError);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("a frame is decoded from the middle of a buffer", () => {
  const buffer = fromLatin1("+a\r\n$1\r\nb\r\n+c\r\n");
  assertEquals(decodeFrame(buffer.subarray(4, 11)), bulk("b"));
});

Deno.test("a request is an array of bulks with lengths in bytes", () => {
  assertEquals(toLatin1(encodeRequest(["PING"])), "*1\r\n$4\r\nPING\r\n");
  assertEquals(
    toLatin1(encodeRequest(["GET", "é", ""])),
    "*3\r\n$3\r\nGET\r\n$2\r\n\xc3\xa9\r\n$0\r\n\r\n",
  );
});

Deno.test("textOf returns the text of every type that has one", () => {
  const cases: [string, string | undefined][] = [
    ["+a\r\n", "a"],
    ["$1\r\na\r\n", "a"],
    ["=5\r\ntxt:a\r\n", "a"],
    [":1\r\n", "1"],
    ["$-1\r\n", undefined],
    ["*0\r\n", undefined],
  ];
  for (const [wire, text] of cases) assertEquals(textOf(decodeFrame(fromLatin1(wire))), text, wire);
  assertEquals(textOf(undefined), undefined);
});

Deno.test("itemsOf returns the items of every aggregate", () => {
  for (const wire of ["*1\r\n+a\r\n", "~1\r\n+a\r\n", ">1\r\n+a\r\n"]) {
    assertEquals(itemsOf(decodeFrame(fromLatin1(wire))), [{ type: "+", text: "a" }], wire);
  }
  for (const wire of ["*-1\r\n", "_\r\n", "$1\r\na\r\n"]) {
    assertEquals(itemsOf(decodeFrame(fromLatin1(wire))), undefined, wire);
  }
});

Deno.test("fieldOf searches the keys of a map or a flat array, not the values", () => {
  for (const type of ["%2", "*4"]) {
    const map = decodeFrame(fromLatin1(`${type}\r\n+a\r\n+b\r\n+b\r\n+c\r\n`));
    assertEquals(textOf(fieldOf(map, "a")), "b", type);
    assertEquals(textOf(fieldOf(map, "b")), "c", type);
    assertEquals(fieldOf(map, "c"), undefined, type);
  }
});

Deno.test("random values survive decoding and encoding, and the scanner agrees", () =>
  eachRound(4, (seed) => {
    const options = { depth: 4, pushes: false, streams: false };
    const wire = randomValue(seededRandom(seed), options);
    const bytes = fromLatin1(wire);
    assertEquals(toLatin1(encodeFrame(decodeFrame(bytes))), wire);
    const scanner = new ReplyScanner();
    const end = scanner.advance(bytes, 0, bytes.length, Infinity, NO_STOPS);
    assertEquals([end, scanner.frames], [bytes.length, 1], JSON.stringify(wire));
  }));
