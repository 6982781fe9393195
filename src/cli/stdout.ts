import { log } from "../platform/log.ts";
import { OutputError, writeLine } from "../platform/output.ts";

/**
 * Prints a text and a line break to stdout.
 *
 * @throws {OutputError} when stdout cannot be written
 */
export function print(text: string): void {
  try {
    writeLine(Deno.stdout, text);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new OutputError(`Cannot write to stdout: ${error.message}`, { cause: error });
  }
}

/** Returns a function that prints a line. A closed stdout is logged once and ends nothing. */
export function stdoutAnnouncer(): (line: string) => void {
  let isOpen = true;
  return (line) => {
    try {
      print(line);
    } catch (error) {
      if (!(error instanceof OutputError)) throw error;
      if (isOpen) log.warning("{reason}", { reason: error.message });
      isOpen = false;
    }
  };
}
