import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { until } from "./until.ts";

/**
 * What the program says in the test's own process while a block lasts:
 *
 *     using logged = new Logged();
 */
export class Logged implements Disposable {
  readonly #lines: string[] = [];

  constructor() {
    configureSync({
      reset: true,
      sinks: { lines: (record) => this.#lines.push(lineOf(record)) },
      loggers: [
        { category: ["nat"], sinks: ["lines"], lowestLevel: "info" },
        { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "warning" },
      ],
    });
  }

  /** All lines so far, each its level and its message, as in `warning Client 1 is …`. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /**
   * Waits until there are lines, and returns all there are: those of other threads come later than
   * what their clients get.
   */
  untilLines(count: number): Promise<readonly string[]> {
    return until(`${count} lines are logged`, (saw) => {
      saw(this.#lines.join("\n"));
      return this.#lines.length >= count && this.#lines;
    });
  }

  [Symbol.dispose](): void {
    resetSync();
  }
}

function lineOf({ level, message }: LogRecord): string {
  return `${level} ${message.map(String).join("")}`;
}
