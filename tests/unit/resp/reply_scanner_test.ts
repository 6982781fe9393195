import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Byte, byteSet } from "../../../src/resp/bytes.ts";
import { RespError } from "../../../src/resp/framing.ts";
import { NO_STOPS, ReplyScanner } from "../../../src/resp/reply_scanner.ts";
import { everyCut, type Piece, piecesOf, show } from "../../support/pieces.ts";

const LONG = "x".repeat(300);

/** Each case is the frames of one connection. */
const FRAMES: Record<string, string[]> = {
  "a status": ["+OK\r\n"],
  "an empty status": ["+\r\n"],
  "a long status": [`+${LONG}\r\n`],
  "an error": ["-MOVED 3999 127.0.0.1:6379\r\n"],
  "an integer": [":1000\r\n"],
  "a negative integer": [":-1\r\n"],
  "an integer with a plus": [":+1\r\n"],
  "an integer beyond 2^53": [":9223372036854775807\r\n", ":-9223372036854775808\r\n"],
  "integers of many digits, and minus zero": [
    ":12345678\r\n",
    ":123456789\r\n",
    ":1234567890\r\n",
    ":-12345678\r\n",
    ":-123456789\r\n",
    ":-0\r\n",
  ],
  "headers with leading zeros": ["$0000000003\r\nabc\r\n", "*02\r\n:01\r\n$-01\r\n"],
  "a bulk": ["$3\r\nabc\r\n"],
  "a bulk that looks like frames": ["$13\r\n*2\r\n+OK\r\n$9\r\n\r\n"],
  "an empty bulk": ["$0\r\n\r\n"],
  "a long bulk": [`$300\r\n${LONG}\r\n`],
  "a null bulk": ["$-1\r\n"],
  "an array": ["*2\r\n:1\r\n+two\r\n"],
  "an empty array": ["*0\r\n"],
  "a null array": ["*-1\r\n"],
  "nulls in an array": ["*3\r\n$-1\r\n*-1\r\n_\r\n"],
  "empty arrays in an array": ["*2\r\n*0\r\n*0\r\n"],
  "arrays in arrays": ["*2\r\n*1\r\n*2\r\n:1\r\n:2\r\n*1\r\n$1\r\na\r\n"],
  "deep nesting": [`${"*1\r\n".repeat(200)}:1\r\n`],
  "a null": ["_\r\n"],
  "booleans": ["#t\r\n", "#f\r\n"],
  "doubles": [",3.14\r\n", ",-1e-7\r\n", ",inf\r\n", ",-inf\r\n", ",nan\r\n"],
  "a big number": ["(-3492890328409238509324850943850943825024385\r\n"],
  "a verbatim": ["=15\r\ntxt:Some string\r\n"],
  "a bulk error": ["!21\r\nSYNTAX invalid syntax\r\n"],
  "a map": ["%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n"],
  "an empty map": ["%0\r\n"],
  "a map of maps": ["%1\r\n%1\r\n+a\r\n+b\r\n%0\r\n"],
  "a set": ["~2\r\n+a\r\n+b\r\n"],
  "an empty set": ["~0\r\n"],
  "a push": [">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"],
  "an empty push": [">0\r\n"],
  "pushes around a reply": [">1\r\n+a\r\n", "+OK\r\n", ">1\r\n+b\r\n"],
  "a push inside an array is not counted": ["*2\r\n>2\r\n+a\r\n+b\r\n:1\r\n+PONG\r\n"],
  "a push inside a map is not counted": ["%1\r\n+a\r\n>1\r\n*1\r\n+b\r\n+c\r\n"],
  "pushes deep inside are not counted": ["*1\r\n*1\r\n>1\r\n+a\r\n>0\r\n:1\r\n"],
  "an attribute": ["|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n"],
  "an empty attribute": ["|0\r\n+OK\r\n"],
  "attributes inside": ["*2\r\n|1\r\n+a\r\n:1\r\n+b\r\n|1\r\n+c\r\n*0\r\n+d\r\n"],
  "an attribute of an aggregate": ["|1\r\n+a\r\n:1\r\n*2\r\n:1\r\n:2\r\n"],
  "an attribute of a push": ["|1\r\n+a\r\n:1\r\n>1\r\n+b\r\n", "+OK\r\n"],
  "an attribute in an attribute": ["|1\r\n+a\r\n|1\r\n+b\r\n:1\r\n:2\r\n:3\r\n"],
  "two attributes of one value": ["|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n+c\r\n"],
  "a streamed string": ["$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n"],
  "an empty streamed string": ["$?\r\n;0\r\n"],
  "a streamed string inside": ["*2\r\n$?\r\n;1\r\na\r\n;0\r\n$1\r\nb\r\n"],
  "a streamed array": ["*?\r\n:1\r\n*2\r\n:1\r\n:2\r\n+a\r\n.\r\n"],
  "an empty streamed array": ["*?\r\n.\r\n"],
  "a streamed set": ["~?\r\n+a\r\n.\r\n"],
  "a streamed map": ["%?\r\n+a\r\n:1\r\n+b\r\n:2\r\n.\r\n"],
  "streams in streams": ["*?\r\n*?\r\n:1\r\n.\r\n%?\r\n+a\r\n$?\r\n;1\r\nb\r\n;0\r\n.\r\n.\r\n"],
  "streams as deep as allowed": [`${"*?\r\n".repeat(128)}:1\r\n${".\r\n".repeat(128)}`],
  "a streamed array inside": ["*2\r\n*?\r\n:1\r\n.\r\n:2\r\n", "+OK\r\n"],
  "RESP2 and RESP3 on one connection": [
    "$-1\r\n",
    "_\r\n",
    "%1\r\n+a\r\n*-1\r\n",
    "*2\r\n:1\r\n$0\r\n\r\n",
    ">1\r\n+a\r\n",
    "-ERR no\r\n",
  ],
};

for (const [name, frames] of Object.entries(FRAMES)) {
  Deno.test(`the scanner finds the end of ${name}, however it is cut`, () => {
    // The frames that follow show whether the state was reset.
    for (const all of [frames, [...frames, "*1\r\n$1\r\na\r\n", "+OK\r\n"]]) {
      for (const pieces of everyCut(all.join(""))) {
        assertEquals(endsFound(pieces), endsOf(all), show(pieces));
        assertEquals(countFound(pieces), all.length, show(pieces));
      }
    }
  });
}

const MALFORMED: Record<string, [wire: string, message: string]> = {
  "a byte that begins no value": ["x\r\n", "Expected a RESP value, got 'x'"],
  "a byte that is no character": ["\x00", "Expected a RESP value, got byte 0x00"],
  "a bare line end": ["\r\n", "Expected a RESP value, got byte 0x0d"],
  "an inline answer": ["HTTP/1.1 400 Bad Request\r\n", "Expected a RESP value, got 'H'"],
  "a byte that begins no value, inside an array": [
    "*2\r\n:1\r\nx\r\n",
    "Expected a RESP value, got 'x'",
  ],
  "text for a length": ["$abc\r\n", "Unexpected 'a' in the header of a '$' value"],
  "text behind a length": ["*1x\r\n", "Unexpected 'x' in the header of a '*' value"],
  "a space before a length": [
    "$ 3\r\nabc\r\n",
    "Unexpected byte 0x20 in the header of a '$' value",
  ],
  "a plus before a length": ["$+3\r\nabc\r\n", "Unexpected '+' in the header of a '$' value"],
  "a minus behind a length": ["$3-\r\n", "Unexpected '-' in the header of a '$' value"],
  "a fraction for an integer": [":1.5\r\n", "Unexpected '.' in the header of a ':' value"],
  "a stream mark behind a length": ["*1?\r\n", "Unexpected '?' in the header of a '*' value"],
  "no length of a bulk": ["$\r\nabc\r\n", "A '$' value has no length"],
  "no length of an array": ["*\r\n", "A '*' value has no length"],
  "a length that is only a minus": ["*-\r\n", "A '*' value has no length"],
  "a length above 2^53": ["$9007199254740993\r\n", "'$' value has a length above 2^53"],
  "a chunk without a stream": [";1\r\na\r\n", "Unexpected chunk outside a streamed string"],
  "an end without a stream": [".\r\n", "Unexpected end of stream"],
  "an end inside an array": ["*1\r\n.\r\n", "Unexpected end of stream"],
  "streams nested too deep": ["*?\r\n".repeat(129), "Streams are nested deeper than 128"],
  "replication": ["$EOF:0123456789\r\n", "Unexpected 'E' in the header of a '$' value"],
};

for (const [name, [wire, message]] of Object.entries(MALFORMED)) {
  Deno.test(`the scanner refuses ${name}, however it is cut`, () => {
    for (const before of ["", "+OK\r\n"]) {
      for (const pieces of everyCut(before + wire)) {
        const error = assertThrows(() => endsFound(pieces), RespError);
        assertStringIncludes(error.message, message, show(pieces));
      }
    }
  });
}

Deno.test("values inside a streamed string are refused", () => {
  for (const wire of ["$?\r\n+OK\r\n", "$?\r\n$1\r\na\r\n", "$?\r\n*0\r\n", "$?\r\n.\r\n"]) {
    for (const pieces of everyCut(wire)) assertThrows(() => endsFound(pieces), RespError);
  }
});

Deno.test("a chunk with a negative length is refused", () => {
  for (const pieces of everyCut("$?\r\n;-1\r\na\r\n")) {
    assertThrows(() => endsFound(pieces), RespError);
  }
});

Deno.test("a payload of up to 2^53 bytes is passed without waiting for its end", () => {
  const scanner = new ReplyScanner();
  const [header] = piecesOf(`*2\r\n$${Number.MAX_SAFE_INTEGER - 2}\r\n`, []);
  scanner.advance(header!.bytes, header!.from, header!.to, 1, NO_STOPS);
  const payload = new Uint8Array(64 * 1024).fill(Byte.array);
  for (let times = 0; times < 100; times++) {
    assertEquals(scanner.advance(payload, 0, payload.length, 1, NO_STOPS), payload.length);
    assertEquals(scanner.frames, 0);
    assert(!scanner.atBoundary);
  }
});

Deno.test("an array ends after as many values as its header says", () => {
  const count = 100_000;
  const wire = `*${count}\r\n${":1\r\n".repeat(count)}`;
  const pieces = piecesOf(wire + "+OK\r\n", [wire.length - 1]);
  assertEquals(endsFound(pieces), [wire.length, wire.length + 5]);
});

Deno.test("the scanner stops after its limit of frames", () => {
  const frames = ["+a\r\n", "*1\r\n:1\r\n", ">1\r\n+b\r\n", "$1\r\nc\r\n", "_\r\n"];
  const ends = endsOf(frames);
  const [piece] = piecesOf(frames.join(""), []);
  const { bytes, from, to } = piece!;
  for (let limit = 1; limit <= frames.length + 1; limit++) {
    const scanner = new ReplyScanner();
    let passed = 0;
    for (let at = from; at < to;) {
      at = scanner.advance(bytes, at, to, limit, NO_STOPS);
      passed = Math.min(passed + limit, frames.length);
      assertEquals(at - from, ends[passed - 1]);
    }
    assertEquals(passed, frames.length);
  }
});

Deno.test("each call counts its own frames, also when none ends", () => {
  const scanner = new ReplyScanner();
  const [piece] = piecesOf("+a\r\n+b\r\n+", []);
  const { bytes, from, to } = piece!;
  scanner.advance(bytes, from, to, Infinity, NO_STOPS);
  assertEquals([scanner.frames, scanner.atBoundary], [2, false]);
  scanner.advance(bytes, to, to, Infinity, NO_STOPS);
  assertEquals([scanner.frames, scanner.atBoundary], [0, false]);
});

Deno.test("the scanner stops before a frame of a given type, however it is cut", () => {
  const frames = ["+a\r\n", "-b\r\n", "*2\r\n-c\r\n>1\r\n+d\r\n:1\r\n", ">1\r\n-e\r\n", "+f\r\n"];
  const stops = byteSet(Byte.error, Byte.push);
  const ends = endsOf(frames);
  const wanted = [ends[0], ends[2]];
  for (const pieces of everyCut(frames.join(""))) {
    const scanner = new ReplyScanner();
    const stopped: number[] = [];
    let frameCount = 0;
    for (const { bytes, from, to, offset } of pieces) {
      let at = from;
      while (at < to) {
        at = scanner.advance(bytes, at, to, Infinity, stops);
        frameCount += scanner.frames;
        if (at === to) break;
        assert(scanner.atBoundary, show(pieces));
        stopped.push(offset + at - from);
        // A stop makes no progress: the frame is still complete.
        assertEquals(scanner.advance(bytes, at, to, Infinity, stops), at, show(pieces));
        at = scanner.advance(bytes, at, to, 1, NO_STOPS);
        frameCount += scanner.frames;
      }
    }
    assertEquals(stopped, wanted, show(pieces));
    assertEquals(frameCount, frames.length, show(pieces));
  }
});

Deno.test("the last integer is known, however it is cut", () => {
  const cases: [string, number][] = [
    [":0\r\n", 0],
    [":42\r\n", 42],
    [":-42\r\n", -42],
    [":+7\r\n", 7],
    [":9007199254740991\r\n", Number.MAX_SAFE_INTEGER],
    [":-9007199254740991\r\n", Number.MIN_SAFE_INTEGER],
    ["*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:12\r\n", 12],
    [">3\r\n+a\r\n:5\r\n:-6\r\n", -6],
    [":8\r\n$3\r\n:99\r\n*-1\r\n", 8],
  ];
  for (const [wire, integer] of cases) {
    for (const pieces of everyCut(wire)) {
      const scanner = new ReplyScanner();
      for (const piece of pieces) advanceOver(scanner, piece);
      assertEquals(scanner.integer, integer, show(pieces));
    }
  }
});

/** The ends of frames; the scanner stops after each frame. */
function endsFound(pieces: readonly Piece[]): number[] {
  const ends: number[] = [];
  const scanner = new ReplyScanner();
  for (const piece of pieces) advanceOver(scanner, piece, ends);
  return ends;
}

function advanceOver(scanner: ReplyScanner, piece: Piece, ends: number[] = []): void {
  const { from, to, offset } = piece;
  // A copy that is overwritten afterwards, because a scanner may not keep references to its input.
  const bytes = piece.bytes.slice();
  let at = from;
  while (at < to) {
    at = scanner.advance(bytes, at, to, 1, NO_STOPS);
    if (scanner.frames === 1) ends.push(offset + at - from);
    else assertEquals(at, to, "The scanner stopped early");
    assertEquals(scanner.atBoundary, scanner.frames === 1);
  }
  bytes.fill(Byte.lf);
}

/** How many frames end when the scanner has no limit. */
function countFound(pieces: readonly Piece[]): number {
  const scanner = new ReplyScanner();
  let count = 0;
  for (const { bytes, from, to } of pieces) {
    assertEquals(scanner.advance(bytes, from, to, Infinity, NO_STOPS), to);
    count += scanner.frames;
  }
  return count;
}

function endsOf(frames: readonly string[]): number[] {
  let end = 0;
  return frames.map((frame) => end += frame.length);
}
