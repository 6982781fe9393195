/** Where lines are printed: stdout or stderr. */
export type Output = Pick<typeof Deno.stdout, "writeSync">;

/** Nobody takes what is to be printed: a disk is full, or a reader gone. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/**
 * Writes a line; it is written when this returns, so that the last words before an exit are not
 * lost.
 *
 * @throws {OutputError} when it cannot
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
