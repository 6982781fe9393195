import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { until } from "./until.ts";

/**
 * Collects what the program logs in the test's own process until the block ends:
 *
 *     using logged = new Logged();
 */
export class Logged implements Disposable {
  /** All lines so far, each with its level, such as `warning Client 1 is …`. */
  readonly lines: string[] = [];

  constructor() {
    configureSync({
      reset: true,
      sinks: { lines: (record) => this.lines.push(lineOf(record)) },
      loggers: [
        { category: ["nat"], sinks: ["lines"], lowestLevel: "info" },
        { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "warning" },
      ],
    });
  }

  /**
   * Waits for a number of lines, and returns all: lines of other threads come later than what
   * their clients get.
   */
  untilLines(count: number): Promise<readonly string[]> {
    return until(`${count} lines are logged`, (saw) => {
      saw(this.lines.join("\n"));
      return this.lines.length >= count && this.lines;
    });
  }

  [Symbol.dispose](): void {
    resetSync();
  }
}

function lineOf({ level, message }: LogRecord): string {
  return `${level} ${message.map(String).join("")}`;
}
