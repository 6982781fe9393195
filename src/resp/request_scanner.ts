import { Byte, fromLatin1, toLatin1 } from "./bytes.ts";
import { splitInline } from "./inline_request.ts";

/** What a command asks of the scanner that meets it. */
export interface Command {
  /** How many words of the request are kept for the sink, the name included. */
  readonly keepArgs: number;
  /**
   * How many words of such a request are wanted together before any of its bytes goes on, given
   * the first of them as they came; asked anew with each word that follows. 0 is none after all,
   * Infinity all that there are.
   */
  bufferArgs?(words: readonly string[]): number;
  /** Whether the word at `index` is a secret, given the kept words before it. */
  isSecretArg?(argv: readonly string[], index: number): boolean;
}

/** Told of every request, in order, when its last byte was scanned. */
export interface RequestSink<C extends Command> {
  /** So many requests whose commands are not in the vocabulary. */
  plain(count: number): void;
  /**
   * A request of `argc` words; `argv` holds the kept ones, in lower case, 32 bytes of each. If this
   * returns true, `advance` stops behind the request.
   */
  known(command: C, argv: readonly string[], argc: number): boolean;
  /** A request without words. A server does not answer it. */
  empty(): void;
  /** Bytes that a server answers with a protocol error; it ignores all that follow. */
  broken(): void;
}

/** The words that a command holds, as they came, one character a byte. */
export interface RequestPrefix {
  /** The first words of the request; of an inline one all. */
  readonly words: readonly string[];
  /** How many words the request has. */
  readonly argc: number;
  /** Whether the header that says so is held, too. */
  readonly hasHeader: boolean;
}

/** The commands that a scanner tells apart: given by names in lower case, found in any case. */
export class CommandTable<C extends Command> {
  /** By length of the name and by its first letter, of which the last five bits are enough. */
  readonly #entries: (Entry<C>[] | undefined)[] = Array(32 * (LONGEST_NAME + 1)).fill(undefined);

  constructor(commands: Record<string, C>) {
    for (const [name, command] of Object.entries(commands)) {
      if (name.length > LONGEST_NAME) throw new RangeError(`Command name '${name}' is too long`);
      const place = 32 * name.length + (name.charCodeAt(0) & 31);
      (this.#entries[place] ??= []).push({ name: fromLatin1(name), command });
    }
  }

  /** The command whose name stands at `from`, `length` bytes long. */
  find(bytes: Uint8Array, from: number, length: number): C | undefined {
    if (length === 0 || length > LONGEST_NAME) return undefined;
    const entries = this.#entries[32 * length + (bytes[from]! & 31)];
    if (entries === undefined) return undefined;
    for (const { name, command } of entries) if (isNamed(bytes, from, name)) return command;
    return undefined;
  }
}

/** A command and its name, in lower case. */
interface Entry<C> {
  readonly name: Uint8Array;
  readonly command: C;
}

/** Whether a name stands at `from`, in letters of any case. */
function isNamed(bytes: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[from + at]!;
    const isUpper = byte >= Byte.upperA && byte <= Byte.upperZ;
    if ((isUpper ? byte | 0x20 : byte) !== name[at]) return false;
  }
  return true;
}

/** As long as the longest name that a vocabulary may hold, in bytes. */
const LONGEST_NAME = 16;

/** Words are told apart by their first bytes; the longest that matters is far shorter. */
const KEPT_BYTES = 32;

/** Requests that name nodes are far shorter; of a longer one nothing is held. */
export const HOLD_LIMIT_BYTES = 4 * 1024;

/**
 * An unauthenticated client may announce so many words (networking.c `processMultibulkBuffer`). No
 * request of more changes their number by being translated.
 */
const MOST_HELD_HEADER = 10;

/** What a word takes of that besides its own bytes: more than the longest header has. */
const WORD_COST_BYTES = 32;

/** `string2ll` (util.c) reads no longer number, sign included; servers then refuse to go on. */
const MOST_DIGITS = 20;

/** Servers refuse more words than an `int` counts as soon as they have read how many there are. */
const MOST_WORDS = 2 ** 31 - 1;

const NO_BYTES = new Uint8Array(0);

const State = {
  start: 0,
  count: 1,
  countEnd: 2,
  bulk: 3,
  length: 4,
  lengthEnd: 5,
  payload: 6,
  inline: 7,
  broken: 8,
} as const;

/**
 * Servers refuse an inline request when 64 KiB of it came without a LF (PROTO_INLINE_MAX_SIZE),
 * but may have read somewhat more at once by then.
 */
const LONGEST_INLINE_BYTES = 128 * 1024;

/** The name of an inline request, in quotes or not, with the spaces before it. */
const INLINE_NAME = /^\s*\S+/;

/** Nobody writes a name in more; beyond, a line is not searched for one again at each piece. */
const LONGEST_INLINE_NAME = 256;

/**
 * Finds the requests in what a client sends, in pieces of any size, the way the servers do
 * (networking.c `processMultibulkBuffer` and `processInlineBuffer`): the two bytes that end a
 * header or a payload are not looked at, and a request is inline unless it begins with `*`.
 * Where servers of different versions disagree it is as lenient as the most lenient one: the
 * stricter one closes the connection. Payloads are passed by their length and never copied,
 * but for the few words that the command asks for.
 *
 * The start of a request is *held* while it is not known whether its command `holds` words, and
 * then until these are complete. A request of another command that has come whole is never held.
 */
export class RequestScanner<C extends Command> {
  /** The secrets in the bytes of the last `advance`, as pairs of positions [from, to). */
  readonly hidden: number[] = [];

  /** How many of the last bytes seen are held, those of earlier calls included. */
  held = 0;

  /** Whether `advance` stops behind each request. */
  single = false;

  /** What the held bytes say, when `advance` has stopped for that; the next call holds them no more. */
  prefix: RequestPrefix | undefined;

  readonly #vocabulary: CommandTable<C>;
  readonly #sink: RequestSink<C>;

  #state: number = State.start;
  /** `advance` is to stop here. */
  #stops = false;
  /** Whether the request in progress is held, and if so where it begins. */
  #holds = false;
  #heldFrom = 0;
  /** The words of it that are complete, once its command is known to hold some. */
  #words: string[] | undefined;
  /** The current one of them. */
  #text = "";
  /** How much more of the request may be held. */
  #roomBytes = 0;
  /** The inline request in progress, in the first bytes of a buffer. */
  #line: Uint8Array = NO_BYTES;
  #lineLength = 0;
  /** Where its secrets begin. */
  #secretFrom = Infinity;
  /** The number of the header in progress. */
  #number = 0;
  #digits = 0;
  #negative = false;
  /** Words of the request in progress: how many it has, and the index of the current one. */
  #argc = 0;
  #index = 0;
  /** Bytes of the current word still to pass, with the two behind it. */
  #payload = 0;

  #command: C | undefined;
  #argv: string[] = [];
  /** The current word is worth keeping, as far as it fits. */
  #keeps = false;
  #hides = false;
  #word = "";

  constructor(vocabulary: CommandTable<C>, sink: RequestSink<C>) {
    this.#vocabulary = vocabulary;
    this.#sink = sink;
  }

  /**
   * Scans `bytes` in [from, to), which follow those of the last call, and returns where it
   * stopped: at `to`, behind a request where the sink wants that, or behind the words of an
   * `opening`.
   */
  advance(bytes: Uint8Array, from: number, to: number): number {
    if (this.hidden.length > 0) this.hidden.length = 0;
    if (this.prefix !== undefined) {
      this.prefix = undefined;
      this.#holds = false;
    }
    this.#stops = false;
    this.#heldFrom = from - this.held;
    const end = this.#scan(bytes, from, to);
    this.held = this.#holds ? end - this.#heldFrom : 0;
    return end;
  }

  /** Whether the last byte seen was the last of a request, or there was none yet. */
  get isBetween(): boolean {
    return this.#state === State.start;
  }

  #scan(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && !this.#stops) {
      switch (this.#state) {
        case State.start:
          if (!this.single) at = this.#passPlain(bytes, at, to);
          if (at === to) break;
          this.#holds = true;
          this.#heldFrom = at;
          if (bytes[at] === Byte.array) {
            this.#state = State.count;
            at++;
          } else this.#state = State.inline;
          break;
        case State.count:
          at = this.#readNumber(bytes, at, to, State.countEnd);
          break;
        case State.countEnd:
          at++;
          this.#beginRequest(at);
          break;
        case State.bulk:
          this.#state = bytes[at] === Byte.bulk ? State.length : this.#break();
          at++;
          break;
        case State.length:
          at = this.#readNumber(bytes, at, to, State.lengthEnd);
          break;
        case State.lengthEnd:
          at++;
          if (this.#negative) this.#state = this.#break();
          else {
            this.#payload = this.#number + 2;
            this.#number = this.#digits = 0;
            this.#beginWord();
            this.#state = State.payload;
          }
          break;
        case State.payload:
          at = this.#passPayload(bytes, at, to);
          break;
        case State.inline:
          at = this.#readInline(bytes, at, to);
          break;
        default:
          // Where requests begin is not known any more, and so neither is what is a secret.
          this.hidden.push(at, to);
          return to;
      }
    }
    return at;
  }

  /**
   * Passes requests that have come whole, are of the usual form, and whose commands nobody asks
   * for, and returns where they end. It is what most traffic consists of, so it is done without
   * a thought for anything else: the first request that is not so is read again from its start.
   */
  #passPlain(bytes: Uint8Array, from: number, to: number): number {
    const vocabulary = this.#vocabulary;
    let requests = 0;
    let end = from;
    // Nothing looks beyond `to`: engines are slow with a look beyond the array, even at nothing.
    scan: while (to - end >= SHORT_HEADER_BYTES && bytes[end] === Byte.array) {
      let argc = bytes[end + 1]! - Byte.zero;
      let at = end + SHORT_HEADER_BYTES;
      if (bytes[end + 2] !== Byte.cr) {
        argc = longNumber(bytes, end + 1, to);
        at = end + longHeaderBytes(argc);
      } else if (argc > 9) break;
      // No words, or a number in another form, are for others to judge.
      if (argc <= 0) break;
      for (let index = 0; index < argc; index++) {
        if (to - at < SHORT_HEADER_BYTES || bytes[at] !== Byte.bulk) break scan;
        let length = bytes[at + 1]! - Byte.zero;
        if (bytes[at + 2] !== Byte.cr) {
          length = longNumber(bytes, at + 1, to);
          at += longHeaderBytes(length);
        } else {
          if (length > 9) break scan;
          at += SHORT_HEADER_BYTES;
        }
        if (length < 0) break scan;
        const next = at + length + 2;
        if (next > to) break scan;
        if (index === 0 && vocabulary.find(bytes, at, length) !== undefined) break scan;
        at = next;
      }
      requests++;
      end = at;
    }
    if (requests > 0) this.#sink.plain(requests);
    return end;
  }

  /** Reads a header up to its CR, then goes to the state `next`. */
  #readNumber(bytes: Uint8Array, from: number, to: number, next: number): number {
    let at = from;
    let number = this.#number;
    let digits = this.#digits;
    while (at < to) {
      const byte = bytes[at++]!;
      // As `string2ll` (util.c): no sign but a minus, no leading zero, no minus zero.
      if (byte >= Byte.zero && byte <= Byte.nine && (number > 0 || digits === 0)) {
        number = number * 10 + (byte - Byte.zero);
        digits++;
      } else if (
        byte === Byte.cr && digits > 0 && number <= Number.MAX_SAFE_INTEGER &&
        !(this.#negative && number === 0)
      ) {
        this.#state = next;
        break;
      } else if (byte === Byte.minus && digits === 0 && !this.#negative) this.#negative = true;
      else {
        this.#state = this.#break();
        break;
      }
    }
    this.#number = number;
    this.#digits = digits;
    if (digits > MOST_DIGITS) this.#release();
    return at;
  }

  /** @param at where its words begin */
  #beginRequest(at: number): void {
    const count = this.#negative ? 0 : this.#number;
    this.#number = this.#digits = 0;
    this.#negative = false;
    if (count === 0) {
      this.#release();
      this.#state = State.start;
      if (this.single) this.#stops = true;
      this.#sink.empty();
    } else {
      if (count > MOST_WORDS) this.#holds = false;
      // The header goes on by itself: what it announces may be refused before a word comes.
      if (count > MOST_HELD_HEADER) this.#heldFrom = at;
      this.#argc = count;
      this.#index = 0;
      this.#state = State.bulk;
    }
  }

  #passPayload(bytes: Uint8Array, from: number, to: number): number {
    const passed = Math.min(to - from, this.#payload);
    // The two bytes that end a payload are no part of the word.
    const text = Math.max(0, Math.min(passed, this.#payload - 2));
    if (this.#hides && text > 0) this.hidden.push(from, from + text);
    if (this.#words !== undefined) this.#text += toLatin1(bytes.subarray(from, from + text));
    const whole = this.#payload === passed;
    if (this.#index === 0 && this.#word === "" && whole) {
      // The usual case, a name in one piece, is looked up where it stands.
      this.#command = this.#vocabulary.find(bytes, from, text);
      if (this.#command === undefined) this.#holds = false;
      else this.#keep(bytes, from, text);
    } else if (this.#keeps) {
      this.#keep(bytes, from, text);
      if (this.#index === 0 && whole) this.#command = this.#named(this.#word);
    }
    this.#payload -= passed;
    if (this.#payload === 0) this.#endWord();
    return from + passed;
  }

  #beginWord(): void {
    const command = this.#command;
    if (this.#index === 0) {
      this.#keeps = true;
      if (this.#payload - 2 > LONGEST_NAME) this.#holds = false;
    } else if (command !== undefined) {
      if (this.#holds) this.#holdWord(this.#payload - 2);
      this.#keeps = this.#index < command.keepArgs;
      this.#hides = command.isSecretArg !== undefined &&
        command.isSecretArg(this.#argv, this.#index);
    }
  }

  #keep(bytes: Uint8Array, from: number, length: number): void {
    const room = Math.min(length, KEPT_BYTES - this.#word.length);
    if (room > 0) this.#word += toLatin1(bytes.subarray(from, from + room));
  }

  /** Goes on holding a request if its next word, of so many bytes, is short enough for that. */
  #holdWord(length: number): void {
    this.#roomBytes -= length + WORD_COST_BYTES;
    if (this.#roomBytes < 0) this.#release();
  }

  /** Finds out whether the words of a held request up to the current one are all it is held for. */
  #endHeldWord(): void {
    const command = this.#command;
    if (command?.bufferArgs === undefined) {
      this.#release();
      return;
    }
    const words = this.#words ??= [];
    if (this.#index === 0) {
      this.#roomBytes = HOLD_LIMIT_BYTES;
      words.push(this.#word);
    } else words.push(this.#text);
    this.#text = "";
    const argc = this.#argc;
    this.#open(command.bufferArgs(words), { words, argc, hasHeader: argc <= MOST_HELD_HEADER });
  }

  /** Ends the hold if no words are `wanted`, and shows those there are if they are enough. */
  #open(wanted: number, opening: RequestPrefix): void {
    if (wanted === 0) this.#release();
    else if (opening.words.length >= Math.min(wanted, opening.argc)) {
      this.prefix = opening;
      this.#words = undefined;
      this.#stops = true;
    }
  }

  #release(): void {
    this.#holds = false;
    this.#words = undefined;
    this.#text = "";
  }

  #endWord(): void {
    if (this.#holds) this.#endHeldWord();
    if (this.#command !== undefined && this.#keeps) {
      this.#argv.push(this.#word.toLowerCase());
    }
    this.#word = "";
    this.#keeps = false;
    this.#hides = false;
    this.#index++;
    if (this.#index === this.#argc) this.#endRequest();
    else this.#state = State.bulk;
  }

  #endRequest(): void {
    this.#state = State.start;
    if (this.single) this.#stops = true;
    const command = this.#command;
    if (command === undefined) {
      this.#sink.plain(1);
      return;
    }
    this.#command = undefined;
    const argv = this.#argv;
    this.#argv = [];
    this.#tell(command, argv, this.#index);
  }

  #tell(command: C, argv: readonly string[], argc: number): void {
    if (this.#sink.known(command, argv, argc)) this.#stops = true;
  }

  #break(): number {
    this.#release();
    this.#sink.broken();
    return State.broken;
  }

  /** Keeps the line of an inline request until its LF has come, then splits it. */
  #readInline(bytes: Uint8Array, from: number, to: number): number {
    const lf = bytes.subarray(from, to).indexOf(Byte.lf);
    const end = lf < 0 ? to : from + lf;
    const piece = bytes.subarray(from, end);
    if (piece.includes(0)) {
      // Servers look for the LF with `strchr`, and never find one behind a NUL.
      this.hidden.push(from, to);
      this.#release();
      this.#forgetLine();
      this.#state = State.broken;
      return to;
    }
    const before = this.#lineLength;
    this.#keepLine(piece);
    if (before <= LONGEST_INLINE_NAME) this.#readInlineName();
    const secret = from + Math.max(0, this.#secretFrom - before);
    if (secret < end) this.hidden.push(secret, end);
    if (this.#lineLength > HOLD_LIMIT_BYTES) this.#release();
    if (lf >= 0) {
      this.#endInline();
      return end + 1;
    }
    if (this.#lineLength > LONGEST_INLINE_BYTES) {
      this.#forgetLine();
      this.#state = this.#break();
    }
    return to;
  }

  /** Adds a piece to the line: as bytes, for a text of pieces takes memory for each of them. */
  #keepLine(piece: Uint8Array): void {
    const length = this.#lineLength + piece.length;
    if (length > this.#line.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#line.length));
      grown.set(this.#line.subarray(0, this.#lineLength));
      this.#line = grown;
    }
    this.#line.set(piece, this.#lineLength);
    this.#lineLength = length;
  }

  #forgetLine(): void {
    this.#line = NO_BYTES;
    this.#lineLength = 0;
  }

  /** Hides, of a line that may hold a secret, all behind the name, and holds one that names nodes. */
  #readInlineName(): void {
    const line = toLatin1(this.#line.subarray(0, this.#lineLength));
    const name = INLINE_NAME.exec(line)?.[0] ?? "";
    const word = splitInline(name)?.[0];
    const command = word === undefined ? undefined : this.#named(word);
    // A line that is no more than a name, or blanks, may still get another one.
    const open = name === "" || name.length === line.length;
    const undecided = open && line.length <= LONGEST_INLINE_NAME;
    const far = name.length > LONGEST_INLINE_NAME;
    // One that ends its quotes behind the first blank, or is never looked for, may be any.
    const unknown = (name !== "" && word === undefined) || (open && !undecided);
    const hides = command?.isSecretArg !== undefined || unknown;
    this.#secretFrom = hides ? name.length || line.length : Infinity;
    if (far || (!undecided && command?.bufferArgs === undefined)) this.#release();
  }

  #endInline(): void {
    const hasCr = this.#line[this.#lineLength - 1] === Byte.cr;
    const line = this.#line.subarray(0, hasCr ? this.#lineLength - 1 : this.#lineLength);
    const words = splitInline(toLatin1(line));
    this.#forgetLine();
    this.#state = State.start;
    if (this.single) this.#stops = true;
    if (words === undefined) {
      this.#state = this.#break();
      return;
    }
    const command = words.length === 0 ? undefined : this.#named(words[0]!);
    if (this.#holds) {
      const opening = { words, argc: words.length, hasHeader: true };
      this.#open(inlineHold(command, words), opening);
    }
    if (words.length === 0) this.#sink.empty();
    else if (command === undefined) this.#sink.plain(1);
    else {
      const argv = words.slice(0, command.keepArgs)
        .map((word) => word.slice(0, KEPT_BYTES).toLowerCase());
      this.#tell(command, argv, words.length);
    }
  }

  #named(name: string): C | undefined {
    return this.#vocabulary.find(fromLatin1(name), 0, name.length);
  }
}

/** Of an inline request all words are held or none, for they go on in another form. */
function inlineHold(command: Command | undefined, words: readonly string[]): number {
  let seen = 0;
  for (let wanted = 1; wanted > seen && seen < words.length;) {
    seen = Math.min(wanted, words.length);
    wanted = command?.bufferArgs?.(words.slice(0, seen)) ?? 0;
    if (wanted === 0) return 0;
  }
  return words.length;
}

/** Of a header with one digit: the type, the digit, CR and LF. */
const SHORT_HEADER_BYTES = 4;

/** More are not needed to count what is in a buffer, and would be no small number to an engine. */
const LONG_DIGITS = 9;

/**
 * The number of several digits that stands at `from`, a CR behind it; -1 if none does, or one of
 * more than LONG_DIGITS, or with a zero in front.
 */
function longNumber(bytes: Uint8Array, from: number, to: number): number {
  let number = bytes[from]! - Byte.zero;
  if (number < 1 || number > 9) return -1;
  const end = Math.min(to, from + LONG_DIGITS + 1);
  for (let at = from + 1; at < end; at++) {
    const digit = bytes[at]! - Byte.zero;
    if (digit < 0 || digit > 9) return bytes[at] === Byte.cr ? number : -1;
    number = 10 * number + digit;
  }
  return -1;
}

/** The length of the header that holds such a number. */
function longHeaderBytes(number: number): number {
  let length = SHORT_HEADER_BYTES;
  for (let bound = 10; bound <= number; bound *= 10) length++;
  return length;
}
