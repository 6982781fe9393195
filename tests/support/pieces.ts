import { fromLatin1 } from "../../src/resp/bytes.ts";

/** A part of a wire text in its own buffer, as one read returns it. */
export interface Piece {
  /** The piece is in [from, to); a scanner must ignore the bytes around it. */
  bytes: Uint8Array;
  from: number;
  to: number;
  /** Where the piece begins in the wire text. */
  offset: number;
}

/** Up to this length, texts are also cut at every pair of positions. */
const SHORT_BYTES = 48;

/**
 * Cuts `wire` in all ways to test: whole, byte by byte, at every position, and at every pair of
 * positions if it is short.
 */
export function* everyCut(wire: string): Generator<Piece[]> {
  const positions = Array.from({ length: Math.max(0, wire.length - 1) }, (_, at) => at + 1);
  yield piecesOf(wire, []);
  yield piecesOf(wire, positions);
  for (const first of positions) {
    yield piecesOf(wire, [first]);
    if (wire.length > SHORT_BYTES) continue;
    for (const second of positions) if (second > first) yield piecesOf(wire, [first, second]);
  }
}

/** Cuts `wire` at the given positions, in ascending order. */
export function piecesOf(wire: string, positions: readonly number[]): Piece[] {
  const ends = [...positions, wire.length];
  return ends.map((end, index) => {
    const offset = ends[index - 1] ?? 0;
    // The bytes around the piece mislead a scanner that reads beyond its bounds.
    return {
      bytes: fromLatin1(`$9\r\n${wire.slice(offset, end)}\r\n*3\r\n`),
      from: 4,
      to: 4 + end - offset,
      offset,
    };
  });
}

/** Describes how a wire text was cut, for the message of a failed assertion. */
export function show(pieces: readonly Piece[]): string {
  const texts = pieces.map(({ bytes, from, to }) =>
    JSON.stringify(String.fromCharCode(...bytes.subarray(from, to)))
  );
  return `received as ${texts.join(" | ").slice(0, 2000)}`;
}
