import { type StatusLine, statusLine } from "../platform/status_line.ts";

/** How often the seconds are counted. */
const INTERVAL_MS = 1000;

/** Shows at a terminal that the program waits for the cluster, for how long, and why. */
export class WaitStatus implements Disposable {
  /** Why the cluster is not ready; "" if that is not known yet. */
  obstacle = "";
  readonly #line: StatusLine;
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** @param timeoutMs how long it waits at most; Infinity is no limit */
  constructor(timeoutMs: number, line: StatusLine = statusLine) {
    this.#line = line;
    if (!line.isVisible) return;
    const startMs = performance.now();
    const limit = timeoutMs === Infinity ? "" : ` of ${timeoutMs / 1000}`;
    this.#timer = setInterval(() => {
      const waited = Math.round((performance.now() - startMs) / 1000);
      const reason = this.obstacle && `: ${this.obstacle}`;
      line.show(`Waiting for the cluster, ${waited}${limit} s${reason}`);
    }, INTERVAL_MS);
  }

  /** Removes the line. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#line.show("");
  }
}
