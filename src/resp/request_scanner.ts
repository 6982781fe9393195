import { Byte, comparedPart, toLatin1 } from "./bytes.ts";
import { type Command, type CommandTable, MAX_NAME_BYTES } from "./command_table.ts";
import { InlineRequest } from "./inline_request.ts";
import { PREFIX_LIMIT_BYTES, RequestHold, type RequestPrefix } from "./request_hold.ts";
import { passPlainRequests } from "./request_fast_path.ts";
import type { RequestSink } from "./request_sink.ts";

/** Arguments are compared by their first bytes; the longest that matters is far shorter. */
const KEPT_BYTES = 32;

/**
 * The longest number that `string2ll` (util.c) reads, sign included. Servers refuse a longer one.
 */
const MAX_DIGITS = 20;

/** The highest `int`. Servers refuse more arguments as soon as they have read the header. */
const MAX_ARGS = 2 ** 31 - 1;

/**
 * Servers refuse an inline request after 64 KiB without a LF (PROTO_INLINE_MAX_SIZE), but may have
 * read somewhat more at once by then.
 */
const MAX_INLINE_BYTES = 128 * 1024;

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
 * Finds the requests in what a client sends, in pieces of any size, the way the servers do
 * (networking.c `processMultibulkBuffer` and `processInlineBuffer`): the two bytes that end a
 * header or a payload are not checked, and a request is inline unless it begins with `*`.
 * Where server versions disagree it is as lenient as the most lenient one: the stricter one closes
 * the connection. Payloads are skipped by their length and never copied, except the arguments that
 * the command keeps or buffers.
 *
 * The start of a request is *held* until its command is known, and then until the arguments that
 * the command buffers are complete. A complete request of another command is never held.
 */
export class RequestScanner<C extends Command> {
  /** The secrets among the bytes of the last `advance`, as pairs of positions [from, to). */
  readonly secrets: number[] = [];

  /** How many of the last bytes are held, including those of earlier calls. */
  heldBytes = 0;

  /** Makes `advance` stop after each request. */
  stopAfterRequest = false;

  /** The held bytes as arguments, once these are complete; the next `advance` releases them. */
  prefix: RequestPrefix<C> | undefined;

  readonly #commands: CommandTable<C>;
  readonly #sink: RequestSink<C>;

  #state: number = State.start;
  /** Whether `advance` stops after the current step. */
  #isStopping = false;
  /** Whether the request in progress is held, and its arguments. */
  readonly #hold = new RequestHold<C>();
  /** The inline request in progress. */
  #inline: InlineRequest<C> | undefined;
  /** The number of the header in progress. */
  #number = 0;
  #digits = 0;
  #negative = false;
  /** The request in progress: how many arguments it has, and the index of the current one. */
  #argc = 0;
  #index = 0;
  /** Remaining bytes of the current argument, with the CRLF after it. */
  #payload = 0;

  #command: C | undefined;
  #argv: string[] = [];
  /** Whether the current argument is kept; whether it is a secret; its first bytes. */
  #isKept = false;
  #isSecret = false;
  #arg = "";

  constructor(commands: CommandTable<C>, sink: RequestSink<C>) {
    this.#commands = commands;
    this.#sink = sink;
  }

  /**
   * Scans `bytes` in [from, to), which follow those of the last call, and returns where it
   * stopped: at `to`, after a request if the sink asks for that, or after the arguments of a
   * `prefix`.
   */
  advance(bytes: Uint8Array, from: number, to: number): number {
    if (this.secrets.length > 0) this.secrets.length = 0;
    if (this.prefix !== undefined) {
      this.prefix = undefined;
      this.#hold.release();
    }
    this.#isStopping = false;
    const hold = this.#hold;
    hold.from = from - this.heldBytes;
    const end = this.#scan(bytes, from, to);
    this.heldBytes = hold.isHeld ? end - hold.from : 0;
    return end;
  }

  /** Whether the last byte seen ended a request, or there was none yet. */
  get isBetweenRequests(): boolean {
    return this.#state === State.start;
  }

  #scan(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && !this.#isStopping) {
      switch (this.#state) {
        case State.start:
          if (!this.stopAfterRequest) {
            at = passPlainRequests(bytes, at, to, this.#commands, this.#sink);
          }
          if (at === to) break;
          this.#hold.begin(at);
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
          this.#state = bytes[at] === Byte.bulk ? State.length : this.#protocolError();
          at++;
          break;
        case State.length:
          at = this.#readNumber(bytes, at, to, State.lengthEnd);
          break;
        case State.lengthEnd:
          at++;
          if (this.#negative) this.#state = this.#protocolError();
          else {
            this.#payload = this.#number + 2;
            this.#number = this.#digits = 0;
            this.#beginArg();
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
          // Where requests begin is unknown, so any byte may be part of a secret.
          this.secrets.push(at, to);
          return to;
      }
    }
    return at;
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
        this.#state = this.#protocolError();
        break;
      }
    }
    this.#number = number;
    this.#digits = digits;
    if (digits > MAX_DIGITS) this.#hold.release();
    return at;
  }

  /** @param at where the arguments begin */
  #beginRequest(at: number): void {
    const argc = this.#negative ? 0 : this.#number;
    this.#number = this.#digits = 0;
    this.#negative = false;
    if (argc === 0) {
      this.#hold.release();
      this.#state = State.start;
      if (this.stopAfterRequest) this.#isStopping = true;
      this.#sink.empty();
    } else {
      if (argc > MAX_ARGS) this.#hold.release();
      this.#hold.endHeader(argc, at);
      this.#argc = argc;
      this.#index = 0;
      this.#state = State.bulk;
    }
  }

  #beginArg(): void {
    const command = this.#command;
    const length = this.#payload - 2;
    if (this.#index === 0) {
      this.#isKept = true;
      if (length > MAX_NAME_BYTES) this.#hold.release();
    } else if (command !== undefined) {
      if (this.#hold.isHeld) this.#hold.beginArg(length);
      this.#isKept = this.#index < command.keepArgs;
      this.#isSecret = command.isSecret === true;
    }
  }

  #passPayload(bytes: Uint8Array, from: number, to: number): number {
    const passed = Math.min(to - from, this.#payload);
    // The two bytes that end a payload are not part of the argument.
    const length = Math.max(0, Math.min(passed, this.#payload - 2));
    if (this.#isSecret && length > 0) this.secrets.push(from, from + length);
    if (this.#hold.isCollecting) this.#hold.add(toLatin1(bytes.subarray(from, from + length)));
    const isWhole = this.#payload === passed;
    if (this.#index === 0 && this.#arg === "" && isWhole) {
      // The usual case, a name in one piece, is looked up without a copy.
      this.#command = this.#commands.find(bytes, from, length);
      if (this.#command === undefined) this.#hold.release();
      else this.#keep(bytes, from, length);
    } else if (this.#isKept) {
      this.#keep(bytes, from, length);
      if (this.#index === 0 && isWhole) this.#command = this.#commands.findByName(this.#arg);
    }
    this.#payload -= passed;
    if (this.#payload === 0) this.#endArg();
    return from + passed;
  }

  #keep(bytes: Uint8Array, from: number, length: number): void {
    const kept = Math.min(length, KEPT_BYTES - this.#arg.length);
    if (kept > 0) this.#arg += toLatin1(bytes.subarray(from, from + kept));
  }

  #endArg(): void {
    if (this.#hold.isHeld) {
      this.#stopWith(this.#hold.endArg(this.#command, this.#arg, this.#argc));
    }
    if (this.#command !== undefined && this.#isKept) {
      this.#argv.push(comparedPart(this.#arg).toLowerCase());
    }
    this.#arg = "";
    this.#isKept = false;
    this.#isSecret = false;
    this.#index++;
    if (this.#index === this.#argc) this.#endRequest();
    else this.#state = State.bulk;
  }

  #endRequest(): void {
    this.#state = State.start;
    if (this.stopAfterRequest) this.#isStopping = true;
    const command = this.#command;
    if (command === undefined) {
      this.#sink.plain(1);
      return;
    }
    this.#command = undefined;
    const argv = this.#argv;
    this.#argv = [];
    this.#endKnown(command, argv, this.#index);
  }

  #endKnown(command: C, argv: readonly string[], argc: number): void {
    if (this.#sink.known(command, argv, argc)) this.#isStopping = true;
  }

  /** Reports a protocol error, and returns the state after it. */
  #protocolError(): number {
    this.#hold.release();
    this.#sink.protocolError();
    return State.broken;
  }

  /** Sets `prefix` and stops, if there is one. */
  #stopWith(prefix: RequestPrefix<C> | undefined): void {
    if (prefix === undefined) return;
    this.prefix = prefix;
    this.#isStopping = true;
  }

  /** Collects the line of an inline request until its LF. */
  #readInline(bytes: Uint8Array, from: number, to: number): number {
    const lf = bytes.subarray(from, to).indexOf(Byte.lf);
    const end = lf < 0 ? to : from + lf;
    const piece = bytes.subarray(from, end);
    if (piece.includes(0)) {
      // Servers search for the LF with `strchr`, and never find one after a NUL.
      this.secrets.push(from, to);
      this.#hold.release();
      this.#inline = undefined;
      this.#state = State.broken;
      return to;
    }
    const line = this.#inline ??= new InlineRequest(this.#commands);
    const before = line.lengthBytes;
    line.add(piece);
    const secret = from + Math.max(0, line.secretFrom - before);
    if (secret < end) this.secrets.push(secret, end);
    if (!line.mayBuffer || line.lengthBytes > PREFIX_LIMIT_BYTES) this.#hold.release();
    if (lf >= 0) {
      this.#inline = undefined;
      this.#endInline(line.args());
      return end + 1;
    }
    if (line.lengthBytes > MAX_INLINE_BYTES) {
      this.#inline = undefined;
      this.#state = this.#protocolError();
    }
    return to;
  }

  /** Ends an inline request of these arguments; undefined if they cannot be split. */
  #endInline(args: readonly string[] | undefined): void {
    this.#state = State.start;
    if (this.stopAfterRequest) this.#isStopping = true;
    if (args === undefined) {
      this.#state = this.#protocolError();
      return;
    }
    const command = args.length === 0 ? undefined : this.#commands.findByName(args[0]!);
    if (this.#hold.isHeld) this.#stopWith(this.#hold.endInline(command, args));
    if (args.length === 0) this.#sink.empty();
    else if (command === undefined) this.#sink.plain(1);
    else {
      const argv = args.slice(0, command.keepArgs)
        .map((arg) => comparedPart(arg.slice(0, KEPT_BYTES)).toLowerCase());
      this.#endKnown(command, argv, args.length);
    }
  }
}
