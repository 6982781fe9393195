import { log } from "./log.ts";

/**
 * What a session does not expect ends that session; what is left over, such as an error in a
 * timer, is a fault of the program and no reason to cut off everybody.
 */
export function logUncaughtErrors(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    say(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    say(event.error);
  });
}

function say(error: unknown): void {
  log.error("An error that nobody expected: {reason}", {
    reason: error instanceof Error ? error.stack ?? error.message : String(error),
  });
}
