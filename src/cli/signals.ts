import { EXIT } from "./exit.ts";

/**
 * A signal counts as a repeated one after this time. Before, it is the same Ctrl-C: the terminal
 * sends it to the program, and a launcher such as `docker run` forwards it as well.
 */
const SAME_SIGNAL_MS = 200;

/** Resolves at the first SIGINT or SIGTERM. A repeated one exits at once. */
export function untilStopped(): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // Windows has no SIGTERM.
      if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
      Deno.addSignalListener(signal, () => {
        const nowMs = performance.now();
        firstAtMs ??= nowMs;
        if (nowMs - firstAtMs > SAME_SIGNAL_MS) Deno.exit(EXIT.ok);
        resolve(undefined);
      });
    }
  });
}

/**
 * Calls `reload` at each SIGHUP, which then does not end the program. Resolves when one comes
 * because the terminal of the program is gone: nobody could stop a program that ignored that.
 */
export function untilHungUp(reload: () => void): Promise<undefined> {
  return new Promise((resolve) => {
    // There, SIGHUP is only sent when the console closes, and Windows then ends the program.
    if (Deno.build.os === "windows") return;
    const isOnTerminal = Deno.stdin.isTerminal();
    Deno.addSignalListener("SIGHUP", () => {
      // Once the terminal is closed, isatty fails with EIO.
      if (isOnTerminal && !Deno.stdin.isTerminal()) resolve(undefined);
      else reload();
    });
  });
}
