import { EXIT } from "./exit.ts";

/** Launchers forward a Ctrl-C that the terminal also sends to the program: one request to stop. */
const SAME_SIGNAL_MS = 200;

/** Resolves at the first SIGINT or SIGTERM. The second one exits at once. */
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
