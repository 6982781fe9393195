import type { TerminalOutput } from "../../src/platform/status_line.ts";

/** Keeps what is written to it. */
export class FakeTerminal implements TerminalOutput {
  written = "";
  readonly #isTerminal: boolean;

  constructor({ isTerminal = true } = {}) {
    this.#isTerminal = isTerminal;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  writeSync(bytes: Uint8Array): number {
    this.write(new TextDecoder().decode(bytes));
    return bytes.length;
  }

  write(text: string): void {
    this.written += text;
  }
}
