import { oneLine } from "./one_line.ts";
import { OperatorError } from "./operator_error.ts";
import { statusLine } from "./status_line.ts";

/** The stream that lines are written to: stdout or stderr. */
export type Output = Pick<typeof Deno.stdout, "writeSync">;

/** A line cannot be written: the disk is full, or the reader has closed the pipe. */
export class OutputError extends OperatorError {
  override readonly name = "OutputError";
}

/**
 * Writes a line synchronously, so that the last line before an exit is not lost.
 *
 * @throws {OutputError} when the line cannot be written
 */
export function writeLine(output: Output, line: string): void {
  let bytes = new TextEncoder().encode(`${line}\n`);
  try {
    // A write may be short.
    while (bytes.length > 0) bytes = bytes.subarray(output.writeSync(bytes));
  } catch (error) {
    throw new OutputError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/**
 * Writes a line to stderr, above the status line. A closed stderr is ignored: clients are served
 * without a log.
 */
export function writeStderr(text: string): void {
  try {
    statusLine.above(() => writeLine(Deno.stderr, oneLine(text)));
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
  }
}
