import { assert, assertEquals } from "@std/assert";
import { Byte } from "../../src/resp/bytes.ts";
import { type Command, CommandTable } from "../../src/resp/command_table.ts";
import { RequestScanner } from "../../src/resp/request_scanner.ts";
import { RespError } from "../../src/resp/framing.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { type Piece, piecesOf, show } from "../support/pieces.ts";
import { seededRandom } from "../support/random.ts";
import { BROKEN_REPLIES, REQUEST_BYTES } from "./corpus.ts";
import { readReplies, readRequests } from "./model.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { damaged, randomCuts, randomFrame } from "./values.ts";

for (const [name, wire] of Object.entries(BROKEN_REPLIES)) {
  Deno.test(`the scanner and the model agree on ${name}`, () => {
    compareReplies(wire, [[]]);
  });
}

Deno.test("random replies end where the naive model finds their ends, damaged or not", async () => {
  await eachRound(1, (seed) => {
    const random = seededRandom(seed);
    let wire = "";
    for (let left = 1 + random.int(6); left > 0; left--) wire += randomFrame(random);
    for (let damages = random.pick([0, 1, 1, 2]); damages > 0 && wire !== ""; damages--) {
      wire = damaged(random, wire);
    }
    compareReplies(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** Holds the scanner against the model, byte by byte and cut in the given ways. */
function compareReplies(wire: string, ways: readonly (readonly number[])[]): void {
  const model = readReplies(wire);
  const everywhere = Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
  for (const cuts of [everywhere, ...ways]) {
    const pieces = piecesOf(wire, cuts);
    const ends: number[] = [];
    const errorIn = scanReplies(pieces, ends);
    assertEquals(ends, model.ends, `ends, ${show(pieces)}`);
    const wanted = pieces.find((piece) => holds(piece, model.errorAt));
    assertEquals(errorIn?.offset, wanted?.offset, `error at ${model.errorAt}, ${show(pieces)}`);
    if (errorIn === undefined && wire !== "") {
      assertEquals(countReplies(pieces), ends.length, show(pieces));
    }
  }
}

function holds({ from, to, offset }: Piece, at: number | undefined): boolean {
  return at !== undefined && at >= offset && at < offset + to - from;
}

/** Adds the ends of the frames in the pieces to `ends`, and returns the piece that is no RESP. */
function scanReplies(pieces: readonly Piece[], ends: number[]): Piece | undefined {
  const scanner = new ReplyScanner();
  for (const piece of pieces) {
    // A copy that is then wiped, because a scanner may keep nothing of what it was shown.
    const bytes = piece.bytes.slice();
    try {
      for (let at = piece.from; at < piece.to;) {
        at = scanner.advance(bytes, at, piece.to, 1, NO_STOPS);
        if (scanner.frames === 1) ends.push(piece.offset + at - piece.from);
        else assertEquals(at, piece.to, "The scanner stopped without a reason");
        assertEquals(scanner.atBoundary, scanner.frames === 1);
      }
    } catch (error) {
      if (error instanceof RespError) return piece;
      throw error;
    }
    bytes.fill(Byte.lf);
  }
  return undefined;
}

function countReplies(pieces: readonly Piece[]): number {
  const scanner = new ReplyScanner();
  let count = 0;
  for (const { bytes, from, to } of pieces) {
    scanner.advance(bytes, from, to, Infinity, NO_STOPS);
    count += scanner.frames;
  }
  return count;
}

const KEPT: Record<string, number> = { cluster: 2, client: 3, replconf: 64, role: 1, auth: 1 };

const VOCABULARY = new CommandTable<Command>(
  Object.fromEntries(Object.entries(KEPT).map(([name, keep]) => [name, { keepArgs: keep }])),
);

for (const [name, wire] of Object.entries(REQUEST_BYTES)) {
  Deno.test(`the request scanner and the model agree on ${name}`, () => {
    compareRequests(wire, [[]]);
  });
}

Deno.test("random requests are told as the naive model reads them, damaged or not", async () => {
  await eachRound(1, (seed) => {
    const random = seededRandom(seed);
    let wire = randomRequests(random).join("");
    for (let damages = random.pick([0, 1, 1, 2]); damages > 0 && wire !== ""; damages--) {
      wire = damaged(random, wire);
    }
    compareRequests(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** Holds the scanner against the model, byte by byte and cut in the given ways. */
function compareRequests(wire: string, ways: readonly (readonly number[])[]): void {
  const { requests, errorAt } = readRequests(wire);
  const told: [text: string, end: number][] = [];
  for (const { words, argc, end } of requests) {
    if (end !== undefined) told.push([tellRequest(words, argc), end]);
  }
  if (errorAt !== undefined) told.push(["broken", errorAt + 1]);
  const everywhere = Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
  for (const cuts of [everywhere, ...ways]) {
    const pieces = piecesOf(wire, cuts);
    for (const single of [true, false]) {
      const wanted = told.map(([text, end]) => {
        const piece = pieces.find((piece) => holds(piece, end - 1))!;
        const isExact = single && text !== "broken";
        return [text, isExact ? end : piece.offset + piece.to - piece.from];
      });
      assertEquals(scanRequests(pieces, single), wanted, `single ${single}, ${show(pieces)}`);
    }
  }
}

function tellRequest(words: readonly string[], argc: number): string {
  if (argc === 0) return "empty";
  // Servers compare with `strcasecmp`, which ends at a NUL byte.
  const compared = words.map((word) => word.replace(/\0.*/s, "").toLowerCase());
  const keep = KEPT[compared[0]!];
  if (keep === undefined) return "plain";
  const kept = compared.slice(0, keep).map((word) => word.slice(0, 32));
  return `${argc}: ${JSON.stringify(kept)}`;
}

/** What the scanner tells, and where its `advance` then stopped. */
function scanRequests(pieces: readonly Piece[], single: boolean): [string, number][] {
  const told: [string, number][] = [];
  const untold: string[] = [];
  const scanner = new RequestScanner(VOCABULARY, {
    plain: (count) => untold.push(...Array<string>(count).fill("plain")),
    known(_command, argv, argc) {
      untold.push(`${argc}: ${JSON.stringify(argv)}`);
      return false;
    },
    empty: () => untold.push("empty"),
    broken: () => untold.push("broken"),
  });
  scanner.stopAfterRequest = single;
  for (const { bytes, from, to, offset } of pieces) {
    for (let at = from; at < to;) {
      const next = scanner.advance(bytes, at, to);
      assert(next > at || untold.length > 0, "The scanner stands still");
      at = next;
      for (const text of untold.splice(0)) {
        // How far it still reads what it has given up on is of no concern.
        told.push([text, offset + (text === "broken" ? to : at) - from]);
      }
    }
  }
  return told;
}
