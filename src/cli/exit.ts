import { log, logOptions } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { writeStderr } from "../platform/output.ts";
import { subcommand } from "./command_line.ts";
import { ConfigError } from "./config_error.ts";

/** Exit statuses: success, a failure at run time, a usage error. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

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
  return error instanceof ConfigError ? EXIT.usage : EXIT.failed;
}
