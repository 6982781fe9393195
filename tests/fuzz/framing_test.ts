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
import { corrupted, randomCuts, randomFrame } from "./values.ts";

for (const [name, wire] of Object.entries(BROKEN_REPLIES)) {
  Deno.test(`the reply scanner and the model agree on ${name}`, () => {
    compareReplies(wire, [[]]);
  });
}

Deno.test("the reply scanner and the model agree on random replies, also corrupted ones", async () => {
  await eachRound(1, (seed) => {
    const random = seededRandom(seed);
    let wire = "";
    for (let left = 1 + random.int(6); left > 0; left--) wire += randomFrame(random);
    for (let faults = random.pick([0, 1, 1, 2]); faults > 0 && wire !== ""; faults--) {
      wire = corrupted(random, wire);
    }
    compareReplies(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** Compares the scanner with the model, byte by byte and for each of the given cuts. */
function compareReplies(wire: string, cutLists: readonly (readonly number[])[]): void {
  const model = readReplies(wire);
  const everywhere = Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
  for (const cuts of [everywhere, ...cutLists]) {
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

/** Adds the ends of frames to `ends`, and returns the piece at which the scanner throws. */
function scanReplies(pieces: readonly Piece[], ends: number[]): Piece | undefined {
  const scanner = new ReplyScanner();
  for (const piece of pieces) {
    // The copy is overwritten after the scan, because a scanner must not keep a reference to it.
    const bytes = piece.bytes.slice();
    try {
      for (let at = piece.from; at < piece.to;) {
        at = scanner.advance(bytes, at, piece.to, 1, NO_STOPS);
        if (scanner.frames === 1) ends.push(piece.offset + at - piece.from);
        else assertEquals(at, piece.to, "The scanner stopped inside a frame");
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

const KEPT_ARGS: Record<string, number> = { cluster: 2, client: 3, replconf: 64, role: 1, auth: 1 };

const COMMANDS = new CommandTable<Command>(
  Object.fromEntries(Object.entries(KEPT_ARGS).map(([name, keep]) => [name, { keepArgs: keep }])),
);

for (const [name, wire] of Object.entries(REQUEST_BYTES)) {
  Deno.test(`the request scanner and the model agree on ${name}`, () => {
    compareRequests(wire, [[]]);
  });
}

Deno.test("the request scanner and the model agree on random requests, also corrupted ones", async () => {
  await eachRound(1, (seed) => {
    const random = seededRandom(seed);
    let wire = randomRequests(random).join("");
    for (let faults = random.pick([0, 1, 1, 2]); faults > 0 && wire !== ""; faults--) {
      wire = corrupted(random, wire);
    }
    compareRequests(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** Compares the scanner with the model, byte by byte and for each of the given cuts. */
function compareRequests(wire: string, cutLists: readonly (readonly number[])[]): void {
  const { requests, errorAt } = readRequests(wire);
  const expected: [text: string, end: number][] = [];
  for (const { args, argc, end } of requests) {
    if (end !== undefined) expected.push([describeRequest(args, argc), end]);
  }
  if (errorAt !== undefined) expected.push(["broken", errorAt + 1]);
  const everywhere = Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
  for (const cuts of [everywhere, ...cutLists]) {
    const pieces = piecesOf(wire, cuts);
    for (const stopAfterRequest of [true, false]) {
      const wanted = expected.map(([text, end]) => {
        const piece = pieces.find((piece) => holds(piece, end - 1))!;
        const isExact = stopAfterRequest && text !== "broken";
        return [text, isExact ? end : piece.offset + piece.to - piece.from];
      });
      assertEquals(
        scanRequests(pieces, stopAfterRequest),
        wanted,
        `stopAfterRequest ${stopAfterRequest}, ${show(pieces)}`,
      );
    }
  }
}

function describeRequest(args: readonly string[], argc: number): string {
  if (argc === 0) return "empty";
  // Servers compare with `strcasecmp`, which ends at a NUL byte.
  const compared = args.map((arg) => arg.replace(/\0.*/s, "").toLowerCase());
  const keep = KEPT_ARGS[compared[0]!];
  if (keep === undefined) return "plain";
  const kept = compared.slice(0, keep).map((arg) => arg.slice(0, 32));
  return `${argc}: ${JSON.stringify(kept)}`;
}

/** Returns the reported requests, each with the position where `advance` stopped. */
function scanRequests(pieces: readonly Piece[], stopAfterRequest: boolean): [string, number][] {
  const reported: [string, number][] = [];
  const unchecked: string[] = [];
  const scanner = new RequestScanner(COMMANDS, {
    plain: (count) => unchecked.push(...Array<string>(count).fill("plain")),
    known(_command, argv, argc) {
      unchecked.push(`${argc}: ${JSON.stringify(argv)}`);
      return false;
    },
    empty: () => unchecked.push("empty"),
    protocolError: () => unchecked.push("broken"),
  });
  scanner.stopAfterRequest = stopAfterRequest;
  for (const { bytes, from, to, offset } of pieces) {
    for (let at = from; at < to;) {
      const next = scanner.advance(bytes, at, to);
      assert(next > at || unchecked.length > 0, "The scanner made no progress");
      at = next;
      for (const text of unchecked.splice(0)) {
        // After an error, the position does not matter.
        reported.push([text, offset + (text === "broken" ? to : at) - from]);
      }
    }
  }
  return reported;
}
