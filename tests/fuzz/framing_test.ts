import { assert, assertEquals } from "@std/assert";
import { Byte } from "../../src/resp/bytes.ts";
import { type Command, CommandTable } from "../../src/resp/command_table.ts";
import { RequestScanner } from "../../src/resp/request_scanner.ts";
import { RespError } from "../../src/resp/framing.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { type Piece, piecesOf, show } from "../support/pieces.ts";
import { array, bulk } from "../support/frames.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { BROKEN_REPLIES, REQUEST_BYTES } from "./corpus.ts";
import { readReplies, readRequests } from "./model.ts";
import { randomRequests } from "./pipelines.ts";
import { eachRound } from "./rounds.ts";
import { corrupted, randomCuts, randomFrame, randomText, times } from "./values.ts";

for (const [name, wire] of Object.entries(BROKEN_REPLIES)) {
  Deno.test(`the reply scanner and the model agree on ${name}`, () => {
    compareReplies(wire, [[]]);
  });
}

Deno.test("the reply scanner and the model agree on random replies, also corrupted ones", async () => {
  await eachRound(1, (seed) => {
    const random = seededRandom(seed);
    const wire = corrupted(random, times(1 + random.int(6), () => randomFrame(random)));
    compareReplies(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** Compares the scanner with the model, byte by byte and for each of the given cuts. */
function compareReplies(wire: string, cutLists: readonly (readonly number[])[]): void {
  const model = readReplies(wire);
  const errors = new Set<string | undefined>();
  for (const cuts of [everyPosition(wire), ...cutLists]) {
    const pieces = piecesOf(wire, cuts);
    const wanted = pieces.find((piece) => holds(piece, model.errorAt));
    for (const limit of [1, 4, Infinity]) {
      const message = `up to ${limit} frames, ${show(pieces)}`;
      const { count, errorIn, error } = scanReplies(pieces, limit, model.ends, message);
      assertEquals(errorIn?.offset, wanted?.offset, `error at ${model.errorAt}, ${message}`);
      // A call that throws does not count the frames before the error.
      if (limit === 1 || error === undefined) assertEquals(count, model.ends.length, message);
      errors.add(error);
    }
  }
  assertEquals(errors.size, 1, `${[...errors]}: ${JSON.stringify(wire)}`);
}

function everyPosition(wire: string): number[] {
  return Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
}

function holds({ from, to, offset }: Piece, at: number | undefined): boolean {
  return at !== undefined && at >= offset && at < offset + to - from;
}

/** Checks where the scanner stops; returns how many frames it counts, and its error. */
function scanReplies(
  pieces: readonly Piece[],
  limit: number,
  ends: readonly number[],
  message: string,
): { count: number; errorIn?: Piece; error?: string } {
  const scanner = new ReplyScanner();
  let count = 0;
  for (const piece of pieces) {
    // The copy is overwritten after the scan, because a scanner must not keep a reference to it.
    const bytes = piece.bytes.slice();
    try {
      for (let at = piece.from; at < piece.to;) {
        at = scanner.advance(bytes, at, piece.to, limit, NO_STOPS);
        count += scanner.frames;
        const end = scanner.frames === limit
          ? ends[count - 1]! - piece.offset + piece.from
          : piece.to;
        assertEquals(at, end, message);
        if (limit === 1) assertEquals(scanner.atBoundary, scanner.frames === 1, message);
      }
    } catch (error) {
      if (error instanceof RespError) return { count, errorIn: piece, error: error.message };
      throw error;
    }
    bytes.fill(Byte.lf);
  }
  return { count };
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
    const requests = randomRequests(random).map((request) =>
      random.chance(0.8) ? request : odd(random)
    );
    const wire = corrupted(random, requests.join(""));
    compareRequests(wire, [[], randomCuts(random, wire.length), randomCuts(random, wire.length)]);
  });
});

/** A request with arguments of any bytes. */
function odd(random: Random): string {
  const args = Array.from({ length: random.int(5) }, () => bulk(randomText(random)));
  return array(bulk(random.pick(["client", "CLUSTER", "replconf", "x", "ROLES"])), ...args);
}

/** Compares the scanner with the model, byte by byte and for each of the given cuts. */
function compareRequests(wire: string, cutLists: readonly (readonly number[])[]): void {
  const { requests, errorAt } = readRequests(wire);
  const expected: [text: string, end: number][] = [];
  for (const { args, argc, end } of requests) {
    if (end !== undefined) expected.push([describeRequest(args, argc), end]);
  }
  if (errorAt !== undefined) expected.push(["broken", errorAt + 1]);
  for (const cuts of [everyPosition(wire), ...cutLists]) {
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
