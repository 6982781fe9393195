import { forwardLog } from "../../src/platform/log.ts";
import { renderMessage } from "../../src/platform/log_format.ts";
import type { LogRecord } from "../../src/platform/log_record.ts";
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
    forwardLog((record) => {
      if (record.category === "nat" && record.level !== "debug") this.lines.push(lineOf(record));
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
    forwardLog(() => {});
  }
}

function lineOf({ level, template, fields }: LogRecord): string {
  return `${level} ${renderMessage(template, fields)}`;
}
