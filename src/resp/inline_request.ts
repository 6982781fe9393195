import { Byte, toLatin1 } from "./bytes.ts";
import type { Command, CommandTable } from "./command_table.ts";

/** Command names are shorter. Beyond this, further pieces are not searched for the name. */
const MAX_INLINE_NAME_BYTES = 256;

/** The name of an inline request, in quotes or not, with the spaces before it. */
const INLINE_NAME = /^\s*\S+/;

const NO_BYTES = new Uint8Array(0);

/** An inline request in progress: a copy of its line, in pieces of any size. */
export class InlineRequest<C extends Command> {
  /** The offset in the line at which secrets begin; Infinity if there are none. */
  secretFrom = Infinity;
  /** Whether the command may still want its arguments buffered. */
  mayBuffer = true;
  readonly #commands: CommandTable<C>;
  /** The line is the first `#length` bytes. */
  #line: Uint8Array = NO_BYTES;
  #length = 0;

  constructor(commands: CommandTable<C>) {
    this.#commands = commands;
  }

  /** The length of the line so far. */
  get lengthBytes(): number {
    return this.#length;
  }

  /** Appends a piece of the line, as bytes: a text of many pieces takes more memory for each. */
  add(piece: Uint8Array): void {
    const before = this.#length;
    const length = before + piece.length;
    if (length > this.#line.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#line.length));
      grown.set(this.#line.subarray(0, before));
      this.#line = grown;
    }
    this.#line.set(piece, before);
    this.#length = length;
    if (before <= MAX_INLINE_NAME_BYTES) this.#readName();
  }

  /** The arguments of the whole line without its LF; undefined if its quotes are unbalanced. */
  args(): string[] | undefined {
    const hasCr = this.#line[this.#length - 1] === Byte.cr;
    return splitInline(toLatin1(this.#line.subarray(0, hasCr ? this.#length - 1 : this.#length)));
  }

  /** Finds out from the name whether the arguments may be secrets, or are to be buffered. */
  #readName(): void {
    const line = toLatin1(this.#line.subarray(0, this.#length));
    const name = INLINE_NAME.exec(line)?.[0] ?? "";
    const unquoted = splitInline(name)?.[0];
    const command = unquoted === undefined ? undefined : this.#commands.findByName(unquoted);
    // A line of only spaces or only a name may still get another name.
    const isOpen = name === "" || name.length === line.length;
    const isUndecided = isOpen && line.length <= MAX_INLINE_NAME_BYTES;
    // A name whose quotes end after its first space, or that is too long, may be that of any
    // command.
    const isUnknown = (name !== "" && unquoted === undefined) || (isOpen && !isUndecided);
    const hasSecrets = command?.isSecret === true || isUnknown;
    this.secretFrom = hasSecrets ? name.length || line.length : Infinity;
    if (
      name.length > MAX_INLINE_NAME_BYTES || (!isUndecided && command?.bufferArgs === undefined)
    ) this.mayBuffer = false;
  }
}

/**
 * Splits the line of an inline request into its arguments, or returns undefined where a server
 * answers "unbalanced quotes in request".
 *
 * The rules are those of `sdssplitargs` of Valkey 9.1 (sds.c), where `"` and `'` may open and
 * close inside an argument. All earlier servers refuse an argument that continues after its closing
 * quote, and close the connection, but agree on every line that they do not refuse.
 *
 * @param line one character a byte, without the LF or CRLF that ends it
 */
export function splitInline(line: string): string[] | undefined {
  const args: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line.charCodeAt(at))) at++;
    if (at === line.length) return args;
    let arg = "";
    let quote = "";
    for (; at < line.length; at++) {
      const char = line[at]!;
      // A backslash escapes only if a character follows, which may be the closing quote.
      const escapes = char === "\\" && at + 2 < line.length;
      if (quote === "") {
        if (ARG_ENDS.includes(char)) break;
        if (char === '"' || char === "'") quote = char;
        else arg += char;
      } else if (char === quote) {
        quote = "";
      } else if (escapes && quote === '"') {
        const hex = at + 4 < line.length ? HEX_ESCAPE.exec(line.slice(at, at + 4)) : null;
        if (hex !== null) {
          arg += String.fromCharCode(parseInt(hex[1]!, 16));
          at += 3;
        } else {
          at++;
          arg += ESCAPES[line[at]!] ?? line[at];
        }
      } else if (escapes && line[at + 1] === "'") {
        at++;
        arg += "'";
      } else arg += char;
    }
    if (quote !== "") return undefined;
    args.push(arg);
  }
}

/** The characters that end an argument outside quotes. `isSpace` has more, between arguments. */
const ARG_ENDS = " \n\r\t";

const HEX_ESCAPE = /^\\x([0-9a-fA-F]{2})/;

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** As `isspace` of C. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
