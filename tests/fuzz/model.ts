import { COMMAND_ROWS, type CommandRow } from "../../src/commands/command_rows.ts";
import { valkeySplit } from "../support/inline_request.ts";

// The model of RESP: a slow, recursive parser of whole strings. The fuzz tests compare the
// scanners with it.

/** The ends of the frames of a wire text, and the position of the first protocol error. */
export interface ParsedReplies {
  /** The position after each complete frame. */
  readonly ends: number[];
  /** The first byte that proves that the text is not RESP. */
  readonly errorAt: number | undefined;
}

/** The text ends before the value does. */
class Unfinished extends Error {}

/** The byte at `at` proves that the text is not RESP. */
class Broken extends Error {
  readonly at: number;

  constructor(at: number) {
    super();
    this.at = at;
  }
}

/** Finds the ends of the frames of a node. */
export function readReplies(wire: string): ParsedReplies {
  return readAll(wire, (at) => endOfFrame(wire, at));
}

function readAll(wire: string, endOf: (at: number) => number): ParsedReplies {
  const ends: number[] = [];
  try {
    for (let at = 0; at < wire.length;) ends.push(at = endOf(at));
  } catch (error) {
    if (error instanceof Broken) return { ends, errorAt: error.at };
    if (!(error instanceof Unfinished)) throw error;
  }
  return { ends, errorAt: undefined };
}

const LINES = "+-_#,(";
const PAYLOADS = "$=!";
const STREAMED = "$*~%";

/** A frame is a push or a value, with optional attributes before it. */
function endOfFrame(wire: string, at: number): number {
  while (wire[at] === "|") at = endOfItems(wire, at);
  return wire[at] === ">" ? endOfItems(wire, at) : endOfValue(wire, at);
}

/** A nested value may also have pushes before it; neither pushes nor attributes are elements. */
function endOfElement(wire: string, at: number): number {
  while (wire[at] === "|" || wire[at] === ">") at = endOfItems(wire, at);
  return endOfValue(wire, at);
}

function endOfValue(wire: string, at: number): number {
  const type = charAt(wire, at);
  if (LINES.includes(type)) return lineEnd(wire, at);
  if (type === ".") throw new Broken(header(wire, at).end - 1);
  if (!`:${PAYLOADS}*~%`.includes(type)) throw new Broken(at);
  const { text, end } = header(wire, at);
  if (type === ":") return end;
  if (text === "?") return type === "$" ? endOfChunks(wire, end) : endOfStream(wire, end);
  if (text.startsWith("-")) return end;
  return PAYLOADS.includes(type) ? endOfPayload(wire, end, Number(text)) : endOfItems(wire, at);
}

/** An aggregate of a known number of elements. */
function endOfItems(wire: string, at: number): number {
  const { text, end } = header(wire, at);
  const elements = Number(text) * ("%|".includes(wire[at]!) ? 2 : 1);
  let next = end;
  for (let element = 0; element < elements; element++) next = endOfElement(wire, next);
  return next;
}

function endOfStream(wire: string, at: number): number {
  let next = at;
  while (charAt(wire, next) !== ".") {
    next = wire[next] === ">" ? endOfItems(wire, next) : endOfElement(wire, next);
  }
  return header(wire, next).end;
}

function endOfChunks(wire: string, at: number): number {
  if (charAt(wire, at) !== ";") throw new Broken(at);
  const { text, end } = header(wire, at);
  const length = Number(text);
  return length === 0 ? end : endOfChunks(wire, endOfPayload(wire, end, length));
}

/** Servers and clients ignore the two bytes after a payload. */
function endOfPayload(wire: string, at: number, length: number): number {
  if (at + length + 2 > wire.length) throw new Unfinished();
  return at + length + 2;
}

function charAt(wire: string, at: number): string {
  if (at >= wire.length) throw new Unfinished();
  return wire[at]!;
}

function lineEnd(wire: string, at: number): number {
  const lf = wire.indexOf("\n", at);
  if (lf < 0) throw new Unfinished();
  return lf + 1;
}

/**
 * Reads the number after the type at `at`, as text, without CRs. An invalid character is an error
 * at once, all other errors are found at the LF.
 */
function header(wire: string, at: number): { text: string; end: number } {
  const type = wire[at]!;
  let text = "";
  for (let next = at + 1;; next++) {
    const char = charAt(wire, next);
    if (char === "\n") {
      if (!isHeader(type, text)) throw new Broken(next);
      return { text, end: next + 1 };
    }
    if (char === "\r") continue;
    text += char;
    if (!mayBeginHeader(type, text)) throw new Broken(next);
  }
}

function mayBeginHeader(type: string, text: string): boolean {
  if (type === ":") return /^\+*(-?|-?\d+)$/.test(text);
  return /^-?\d*$/.test(text) || (STREAMED.includes(type) && /^\?\d*$/.test(text));
}

function isHeader(type: string, text: string): boolean {
  if (type === ":") return /^\+*-?\d+$/.test(text);
  if (type === ".") return text === "";
  if (text === "?") return STREAMED.includes(type);
  if (!/^-?\d+$/.test(text) || Math.abs(Number(text)) > Number.MAX_SAFE_INTEGER) return false;
  return !text.startsWith("-") || !";|>".includes(type);
}

/** A request of a client, which may be incomplete. */
export interface ModelRequest {
  readonly start: number;
  /** The position after it; undefined if it is incomplete. */
  readonly end: number | undefined;
  readonly inline: boolean;
  /** How many arguments it has; 0 if it is inline and incomplete. */
  readonly argc: number;
  /** The complete arguments. */
  readonly args: readonly string[];
  /** The position after each argument; empty if the request is inline. */
  readonly argEnds: readonly number[];
}

/** The parsed bytes of a client. */
export interface ParsedRequests {
  readonly requests: readonly ModelRequest[];
  /** The byte for which a server replies a protocol error. */
  readonly errorAt: number | undefined;
  /** The NUL byte at which a server stops to find requests, without an error. */
  readonly stallsAt: number | undefined;
}

/** Parses the bytes of a client as servers do. */
export function readRequests(wire: string): ParsedRequests {
  const requests: ModelRequest[] = [];
  let errorAt: number | undefined;
  let stallsAt: number | undefined;
  for (let at = 0; at < wire.length;) {
    const parsed = wire[at] === "*" ? readArray(wire, at) : readInline(wire, at);
    requests.push(parsed.request);
    errorAt = parsed.errorAt;
    stallsAt = parsed.stallsAt;
    if (parsed.request.end === undefined) break;
    at = parsed.request.end;
  }
  return { requests, errorAt, stallsAt };
}

interface ParsedRequest {
  readonly request: ModelRequest;
  readonly errorAt?: number | undefined;
  readonly stallsAt?: number;
}

function readArray(wire: string, start: number): ParsedRequest {
  const args: string[] = [];
  const argEnds: number[] = [];
  let argc = 0;
  let end: number | undefined;
  let errorAt: number | undefined;
  try {
    const count = requestNumber(wire, start + 1);
    let at = count.end;
    argc = Math.max(0, count.value);
    while (args.length < argc) {
      if (charAt(wire, at) !== "$") throw new Broken(at);
      const length = requestNumber(wire, at + 1);
      if (length.value < 0) throw new Broken(length.end - 1);
      at = endOfPayload(wire, length.end, length.value);
      args.push(wire.slice(length.end, at - 2));
      argEnds.push(at);
    }
    end = at;
  } catch (error) {
    if (error instanceof Broken) errorAt = error.at;
    else if (!(error instanceof Unfinished)) throw error;
  }
  return { request: { start, end, inline: false, argc, args, argEnds }, errorAt };
}

/** Like `string2ll` (util.c): the number ends at a CR, which any byte may follow. */
function requestNumber(wire: string, at: number): { value: number; end: number } {
  let text = "";
  for (let next = at;; next++) {
    const char = charAt(wire, next);
    if (char === "\r") {
      if (!/^(0|-?[1-9]\d*)$/.test(text)) throw new Broken(next);
      if (Math.abs(Number(text)) > Number.MAX_SAFE_INTEGER) throw new Broken(next);
      charAt(wire, next + 1);
      return { value: Number(text), end: next + 2 };
    }
    text += char;
    if (!/^-?(|0|[1-9]\d*)$/.test(text)) throw new Broken(next);
  }
}

function readInline(wire: string, start: number): ParsedRequest {
  const none = { start, end: undefined, inline: true, argc: 0, args: [], argEnds: [] };
  const lf = wire.indexOf("\n", start);
  const nul = wire.indexOf("\0", start);
  if (nul >= 0 && (lf < 0 || nul < lf)) return { request: none, stallsAt: nul };
  if (lf < 0) return { request: none };
  const args = valkeySplit(wire.slice(start, lf).replace(/\r$/, ""));
  if (args === undefined) return { request: none, errorAt: lf };
  return { request: { ...none, end: lf + 1, argc: args.length, args } };
}

/**
 * Returns the bytes that a node gets for those of a client, if `rewrite` rewrites arguments. All
 * bytes are unchanged, except for the arguments that are held with rewritten ones: they are encoded
 * again.
 */
export function rewritten(
  wire: string,
  rewrite: (args: readonly string[]) => readonly string[] | undefined,
  rows: readonly CommandRow[] = COMMAND_ROWS,
): string {
  let text = "";
  for (const request of readRequests(wire).requests) {
    const { start, end, args, argEnds, argc, inline } = request;
    // Servers refuse an argument count above an int, and stop reading.
    const wanted = argc < 2 ** 31 ? heldArgCount(args, rows) : 0;
    // A rewritten inline request becomes an array, so all its arguments are encoded again.
    const heldArgs = args.slice(0, inline && wanted > 0 ? argc : wanted);
    const isComplete = heldArgs.length > 0 && heldArgs.length >= Math.min(wanted, argc);
    const replacement = isComplete ? withReplyOn(heldArgs, argc) ?? rewrite(heldArgs) : undefined;
    const heldEnd = inline ? end : argEnds[heldArgs.length - 1];
    if (replacement === undefined) text += wire.slice(start, end);
    else {
      const length = argc - heldArgs.length + replacement.length;
      // A header with a larger argument count is forwarded before the arguments.
      const isHeld = inline || argc <= 10;
      text += isHeld ? `*${length}\r\n` : wire.slice(start, wire.indexOf("\r", start) + 2);
      text += `${replacement.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
      text += wire.slice(heldEnd, end);
    }
    if (end === undefined) break;
  }
  return text;
}

/** Returns CLIENT REPLY ON instead of OFF and SKIP. */
function withReplyOn(args: readonly string[], argc: number): readonly string[] | undefined {
  const isSilent = /^client reply (off|skip)$/i.test(args.join(" "));
  return isSilent && argc === 3 ? args.with(2, "on") : undefined;
}

/** How many of its first arguments are held if a request names nodes. */
function heldArgCount(args: readonly string[], rows: readonly CommandRow[]): number {
  const [name, subcommand] = args.slice(0, 2).map((arg) => arg.toLowerCase());
  const own = rows.filter((row) =>
    row.name === name && (row.address !== undefined || row.reply === "client reply")
  );
  if (own.length === 0) return 0;
  if (subcommand === undefined && own.every((row) => row.subcommand !== undefined)) return Infinity;
  const row = own.find((row) => [undefined, subcommand].includes(row.subcommand));
  if (row === undefined) return 0;
  return typeof row.address === "object" && "at" in row.address ? row.address.at + 2 : Infinity;
}
