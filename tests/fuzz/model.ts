import { COMMAND_ROWS, type CommandRow } from "../../src/commands/table.ts";

// RESP as whole strings, read in the most simple way there is: slow, recursive, and without any
// idea of pieces. What the scanners find is held against what these find.

/** What stands in a wire text: where its parts end, and where it stops to be RESP, if it does. */
export interface Reading {
  /** The positions behind each whole frame or request. */
  readonly ends: number[];
  /** The first byte at which it is certain that this is not RESP. */
  readonly errorAt: number | undefined;
}

/** The text ends before the value does. */
class Unfinished extends Error {}

/** The text is not RESP, which shows at a certain byte. */
class Broken extends Error {
  readonly at: number;

  constructor(at: number) {
    super();
    this.at = at;
  }
}

/** Where the frames of a node end. */
export function readReplies(wire: string): Reading {
  return readAll(wire, (at) => endOfFrame(wire, at));
}

function readAll(wire: string, endOf: (at: number) => number): Reading {
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

/** A frame is a push or a value, with attributes before it or not. */
function endOfFrame(wire: string, at: number): number {
  while (wire[at] === "|") at = endOfItems(wire, at);
  return wire[at] === ">" ? endOfItems(wire, at) : endOfValue(wire, at);
}

/** A value inside a frame may have pushes before it, too, and neither they nor attributes count. */
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

/** Nobody looks at the two bytes behind a payload. */
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
 * The number behind the type at `at`, as text. A CR stands for nothing, wherever it is. A letter
 * out of place is seen at once, anything else that is wrong at the LF.
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

/** A request of a client, or so much of it as there is. */
export interface NaiveRequest {
  readonly start: number;
  /** The position behind it; undefined if it is not whole. */
  readonly end: number | undefined;
  readonly inline: boolean;
  /** How many words it has; of an inline one that is not whole 0. */
  readonly argc: number;
  /** The words that are whole. */
  readonly words: readonly string[];
  /** The position behind each of them; not known of inline ones. */
  readonly wordEnds: readonly number[];
}

/** What a client sends. */
export interface RequestReading {
  readonly requests: readonly NaiveRequest[];
  /** The byte that a server answers with a protocol error. */
  readonly errorAt: number | undefined;
  /** The NUL at which a server stops to understand anything, without saying so. */
  readonly stallsAt: number | undefined;
}

/** The requests in what a client sends, as servers find them. */
export function readRequests(wire: string): RequestReading {
  const requests: NaiveRequest[] = [];
  let errorAt: number | undefined;
  let stallsAt: number | undefined;
  for (let at = 0; at < wire.length;) {
    const reading = wire[at] === "*" ? readArray(wire, at) : readInline(wire, at);
    requests.push(reading.request);
    errorAt = reading.errorAt;
    stallsAt = reading.stallsAt;
    if (reading.request.end === undefined) break;
    at = reading.request.end;
  }
  return { requests, errorAt, stallsAt };
}

interface OneRequest {
  readonly request: NaiveRequest;
  readonly errorAt?: number | undefined;
  readonly stallsAt?: number;
}

function readArray(wire: string, start: number): OneRequest {
  const words: string[] = [];
  const wordEnds: number[] = [];
  let argc = 0;
  let end: number | undefined;
  let errorAt: number | undefined;
  try {
    const count = requestNumber(wire, start + 1);
    let at = count.end;
    argc = Math.max(0, count.value);
    while (words.length < argc) {
      if (charAt(wire, at) !== "$") throw new Broken(at);
      const length = requestNumber(wire, at + 1);
      if (length.value < 0) throw new Broken(length.end - 1);
      at = endOfPayload(wire, length.end, length.value);
      words.push(wire.slice(length.end, at - 2));
      wordEnds.push(at);
    }
    end = at;
  } catch (error) {
    if (error instanceof Broken) errorAt = error.at;
    else if (!(error instanceof Unfinished)) throw error;
  }
  return { request: { start, end, inline: false, argc, words, wordEnds }, errorAt };
}

/** As `string2ll`: up to a CR, and the byte behind that may be any. */
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

function readInline(wire: string, start: number): OneRequest {
  const none = { start, end: undefined, inline: true, argc: 0, words: [], wordEnds: [] };
  const lf = wire.indexOf("\n", start);
  const nul = wire.indexOf("\0", start);
  if (nul >= 0 && (lf < 0 || nul < lf)) return { request: none, stallsAt: nul };
  if (lf < 0) return { request: none };
  const words = splitLine(wire.slice(start, lf).replace(/\r$/, ""));
  if (words === undefined) return { request: none, errorAt: lf };
  return { request: { ...none, end: lf + 1, argc: words.length, words } };
}

/** A word of an inline request: any number of parts, in quotes or not. */
const INLINE_WORD = /(?:"(?:\\.|[^"\\])*"|'[^'\\]*'|[^ \t\r\n"'])+(?=[ \t\r\n]|$)/sy;
const INLINE_PART = /"((?:\\.|[^"\\])*)"|'([^'\\]*)'|([^"'])/gs;

/** The words of a line without a backslash in single quotes; undefined if quotes are left open. */
function splitLine(line: string): string[] | undefined {
  const words: string[] = [];
  for (let at = 0;;) {
    while (at < line.length && " \t\r\n\v\f".includes(line[at]!)) at++;
    if (at === line.length) return words;
    INLINE_WORD.lastIndex = at;
    const match = INLINE_WORD.exec(line);
    if (match === null) return undefined;
    words.push(
      match[0].replace(
        INLINE_PART,
        (_part, double, single, bare) => double === undefined ? single ?? bare : unescaped(double),
      ),
    );
    at += match[0].length;
  }
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|(.))/gis,
    (_all, hex, char) =>
      hex === undefined ? ESCAPED[char] ?? char : String.fromCharCode(parseInt(hex, 16)),
  );
}

const ESCAPED: Record<string, string> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/**
 * What a node gets of what a client sends, if `translate` puts words in the place of others: all
 * of it, byte for byte, but for the words that it changes. They go on encoded anew, together with
 * those that are read with them.
 */
export function translated(
  wire: string,
  translate: (words: readonly string[]) => readonly string[] | undefined,
  rows: readonly CommandRow[] = COMMAND_ROWS,
): string {
  let text = "";
  for (const request of readRequests(wire).requests) {
    const { start, end, words, wordEnds, argc, inline } = request;
    // Servers refuse more words than an int counts, and read no further.
    const wanted = argc < 2 ** 31 ? openingLength(words, rows) : 0;
    // An inline request goes on in another form, and so as a whole.
    const opening = words.slice(0, inline && wanted > 0 ? argc : wanted);
    const whole = opening.length > 0 && opening.length >= Math.min(wanted, argc);
    const instead = whole ? withReplyOn(opening, argc) ?? translate(opening) : undefined;
    const passed = inline ? end : wordEnds[opening.length - 1];
    if (instead === undefined) text += wire.slice(start, end);
    else {
      const length = argc - opening.length + instead.length;
      // A header that announces many words goes on before them.
      const isHeld = inline || argc <= 10;
      text += isHeld ? `*${length}\r\n` : wire.slice(start, wire.indexOf("\r", start) + 2);
      text += `${instead.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
      text += wire.slice(passed, end);
    }
    if (end === undefined) break;
  }
  return text;
}

/** CLIENT REPLY ON in the place of another mode. */
function withReplyOn(words: readonly string[], argc: number): readonly string[] | undefined {
  const isSilent = /^client reply (off|skip)$/i.test(words.join(" "));
  return isSilent && argc === 3 ? words.with(2, "on") : undefined;
}

/** How many of the first words of a request are read together, where it names nodes. */
function openingLength(words: readonly string[], rows: readonly CommandRow[]): number {
  const [name, subcommand] = words.slice(0, 2).map((word) => word.toLowerCase());
  const own = rows.filter((row) =>
    row.name === name && (row.address !== undefined || row.reply === "client reply")
  );
  if (own.length === 0) return 0;
  if (subcommand === undefined && own.every((row) => row.subcommand !== undefined)) return Infinity;
  const row = own.find((row) => [undefined, subcommand].includes(row.subcommand));
  if (row === undefined) return 0;
  return typeof row.address === "object" && "at" in row.address ? row.address.at + 2 : Infinity;
}
