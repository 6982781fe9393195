import { log } from "./log.ts";

/**
 * Logs uncaught errors instead of exiting. An unexpected error in a session ends that session; any
 * other, such as one in a timer, is a fault of the program and no reason to disconnect all clients.
 */
export function logUncaughtErrors(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logError(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    logError(event.error);
  });
}

function logError(error: unknown): void {
  log.error("Uncaught error: {reason}", {
    reason: error instanceof Error ? error.stack ?? error.message : String(error),
  });
}
