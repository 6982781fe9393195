import { oneLine } from "./one_line.ts";

/**
 * An error that the operator can fix. The message is one line that says what failed and what to
 * change; the program prints it without a stack trace and exits. A layer derives a class of its own
 * only where a caller catches that error.
 */
export class OperatorError extends Error {
  override readonly name: string = "OperatorError";

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}
