import { log, logOptions } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { OutputError, writeLine, writeStderr } from "../platform/output.ts";
import { subcommand } from "./command_line.ts";
import { ConfigError } from "./config_error.ts";

/** Exit statuses: success, a failure at run time, an option that cannot be used. */
export const EXIT = { ok: 0, failed: 1, misused: 2 } as const;

/**
 * Prints the error that ends the program, as a JSON object if that is the log format, and returns
 * the exit status.
 *
 * @throws the error itself, if it is no OperatorError: a fault of the program, with its stack
 */
export function reportFailure(error: unknown, args: readonly string[]): number {
  if (!(error instanceof OperatorError)) throw error;
  const { message } = error;
  if (logOptions()?.format === "json") log.error("{message}", { message });
  else writeStderr(`redis-cluster-nat: ${message}`);
  // Docker reserves every other status of a health check.
  if (subcommand(args) === "healthcheck") return EXIT.failed;
  return error instanceof ConfigError ? EXIT.misused : EXIT.failed;
}

/** @throws {OutputError} when stdout cannot be written */
export function print(text: string): void {
  try {
    writeLine(Deno.stdout, text);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new OutputError(`Cannot write to stdout: ${error.message}`, { cause: error });
  }
}

/** Prints lines that a reader may ignore: a closed stdout is logged once, and clients are served. */
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
