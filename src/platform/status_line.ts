import { oneLine } from "./one_line.ts";

/** A stream that may be a terminal. */
export type TerminalOutput = Pick<typeof Deno.stderr, "writeSync" | "isTerminal">;

/** To the beginning of the line, and erase it. */
const ERASE = "\r\x1b[K";

/** The width of a terminal that does not say its own. */
const USUAL_COLUMNS = 80;

/**
 * The last line of a terminal, which changes in place while something takes long. On a stream that
 * is no terminal nothing is written.
 */
export class StatusLine {
  readonly #output: TerminalOutput;
  readonly #columns: () => number;
  #text = "";

  /** @param columns returns the width of the terminal */
  constructor(output: TerminalOutput, columns: () => number = terminalColumns) {
    this.#output = output;
    this.#columns = columns;
  }

  /** Whether anybody sees the line. */
  get isVisible(): boolean {
    return this.#output.isTerminal();
  }

  /** Shows a text instead of the last one; "" removes the line. */
  show(text: string): void {
    if (!this.isVisible || text === this.#text) return;
    this.#text = text;
    this.#write(ERASE + this.#fitting);
  }

  /** Calls `write`, which writes lines to the same terminal, above this line. */
  above(write: () => void): void {
    if (this.#text === "") return write();
    this.#write(ERASE);
    try {
      write();
    } finally {
      this.#write(this.#fitting);
    }
  }

  /** The text in a line, because only one line is erased. */
  get #fitting(): string {
    return oneLine(this.#text).slice(0, this.#columns() - 1);
  }

  #write(text: string): void {
    try {
      this.#output.writeSync(new TextEncoder().encode(text));
    } catch {
      // The terminal is gone; nobody sees the line.
    }
  }
}

/** The status line of the program. */
export const statusLine = new StatusLine(Deno.stderr);

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || USUAL_COLUMNS;
  } catch {
    return USUAL_COLUMNS;
  }
}
