import { comparedPart } from "./bytes.ts";
import type { Command } from "./command_table.ts";

/** The buffered arguments of a request, as the client sent them, one character a byte. */
export interface RequestPrefix<C extends Command> {
  readonly command: C;
  /** The first arguments of the request; all of an inline one. */
  readonly args: readonly string[];
  /** How many arguments the request has. */
  readonly argc: number;
  /** Whether the header with `argc` is held, too. */
  readonly hasHeader: boolean;
}

/** The most that is held. Requests that name nodes are far shorter. */
export const PREFIX_LIMIT_BYTES = 4 * 1024;

/** Added to the bytes of each argument for its header, which is shorter. */
const ARG_OVERHEAD_BYTES = 32;

/**
 * An unauthenticated client may announce this many arguments (networking.c
 * `processMultibulkBuffer`). Rewriting never changes the number of arguments of a longer request.
 */
const MAX_HELD_HEADER = 10;

/**
 * Decides whether the request in progress is held, and collects its first arguments while it is.
 * The held bytes themselves stay in the read buffer.
 */
export class RequestHold<C extends Command> {
  /** Whether the request in progress is held. */
  isHeld = false;
  /**
   * The index of the first held byte in the scanned buffer; negative if it came in an earlier one.
   */
  from = 0;
  /** The complete arguments, once the command is known to buffer some. */
  #args: string[] | undefined;
  /** The argument in progress. */
  #arg = "";
  #budgetBytes = 0;

  /** Holds the request that begins at `from`. */
  begin(from: number): void {
    this.isHeld = true;
    this.from = from;
  }

  /** Ends the hold, and drops the arguments. */
  release(): void {
    this.isHeld = false;
    this.#args = undefined;
    this.#arg = "";
  }

  /** The header ended before `at`; a server may refuse a large one before an argument comes. */
  endHeader(argc: number, at: number): void {
    if (argc > MAX_HELD_HEADER) this.from = at;
  }

  /** Whether `add` takes the bytes of arguments. */
  get isCollecting(): boolean {
    return this.#args !== undefined;
  }

  /** An argument of `lengthBytes` begins. */
  beginArg(lengthBytes: number): void {
    this.#budgetBytes -= lengthBytes + ARG_OVERHEAD_BYTES;
    if (this.#budgetBytes < 0) this.release();
  }

  /** Adds a piece of the argument in progress. */
  add(text: string): void {
    this.#arg += text;
  }

  /**
   * An argument of the held request ended. Returns the prefix if all arguments that the command
   * buffers are complete, and releases the request if it buffers none.
   *
   * @param name the command name as the client sent it
   */
  endArg(command: C | undefined, name: string, argc: number): RequestPrefix<C> | undefined {
    if (command?.bufferArgs === undefined) {
      this.release();
      return undefined;
    }
    if (this.#args === undefined) {
      this.#budgetBytes = PREFIX_LIMIT_BYTES;
      this.#args = [name];
    } else this.#args.push(this.#arg);
    this.#arg = "";
    const args = this.#args;
    const wanted = command.bufferArgs(args.map(comparedPart));
    if (wanted === 0) this.release();
    if (wanted === 0 || args.length < Math.min(wanted, argc)) return undefined;
    this.#args = undefined;
    return { command, args, argc, hasHeader: argc <= MAX_HELD_HEADER };
  }

  /**
   * A held inline request ended. All its arguments are buffered or none, because they are forwarded
   * in another form.
   */
  endInline(command: C | undefined, args: readonly string[]): RequestPrefix<C> | undefined {
    const argc = args.length;
    let seen = 0;
    for (let wanted = 1; command !== undefined && wanted > seen && seen < argc;) {
      seen = Math.min(wanted, argc);
      wanted = command.bufferArgs?.(args.slice(0, seen).map(comparedPart)) ?? 0;
      if (wanted === 0) break;
      if (wanted <= seen || seen === argc) return { command, args, argc, hasHeader: true };
    }
    this.release();
    return undefined;
  }
}
