import { renderJson, renderText } from "./log_format.ts";
import type { LogFields, LogLevel, LogRecord } from "./log_record.ts";
import { writeStderr } from "./output.ts";

/** The level and the format of the log. */
export interface LogOptions {
  /** The lowest level of messages that are logged. */
  readonly level: LogLevel;
  /** Text, or one JSON object a line. */
  readonly format: "text" | "json";
  /** Whether traffic is logged, independently of the level. */
  readonly echo: boolean;
}

/** Logs messages of one category; discards them until it has a sink. */
export class Logger {
  readonly #category: LogRecord["category"];
  /** Takes the records from a level on; undefined while they are discarded. */
  #sink: Sink | undefined;

  constructor(category: LogRecord["category"]) {
    this.#category = category;
  }

  debug(template: string, fields?: LogFields): void {
    this.#log("debug", template, fields);
  }

  info(template: string, fields?: LogFields): void {
    this.#log("info", template, fields);
  }

  warning(template: string, fields?: LogFields): void {
    this.#log("warning", template, fields);
  }

  error(template: string, fields?: LogFields): void {
    this.#log("error", template, fields);
  }

  /** Logs a record of this category. */
  emit(record: LogRecord): void {
    this.#sinkFor(record.level)?.take(record);
  }

  /** Sends the records to a sink from now on; undefined discards them. */
  sendTo(sink: Sink | undefined): void {
    this.#sink = sink;
  }

  #log(level: LogLevel, template: string, fields: LogFields = {}): void {
    // Each client logs at level debug, so what is discarded gets no record.
    this.#sinkFor(level)?.take({
      category: this.#category,
      level,
      timestamp: Date.now(),
      template,
      fields,
    });
  }

  /** What takes records of a level; undefined if they are discarded. */
  #sinkFor(level: LogLevel): Sink | undefined {
    const sink = this.#sink;
    return sink !== undefined && LEVELS[level] >= LEVELS[sink.lowest] ? sink : undefined;
  }
}

/** What takes records, and the lowest level of those that it gets. */
interface Sink {
  readonly lowest: LogLevel;
  take(record: LogRecord): void;
}

const LEVELS: Record<LogLevel, number> = { debug: 0, info: 1, warning: 2, error: 3 };

/** The messages of the program to its operator. Discarded until `configureLog`. */
export const log = new Logger("nat");

/** The log of all traffic, to which `level` does not apply. Discarded until `configureLog`. */
export const traffic = new Logger("traffic");

/** The options of the last call of `configureLog`. */
let configured: LogOptions | undefined;

/**
 * Sends the log to stderr, one line a message. A line is written before the call that logs it
 * returns, so that an exit loses none. A closed stderr is ignored.
 */
export function configureLog(options: LogOptions): void {
  configured = options;
  const { level, format, echo } = options;
  const render = format === "json" ? renderJson : renderText;
  const take = (record: LogRecord) => writeStderr(render(record, thread));
  log.sendTo({ lowest: level, take });
  traffic.sendTo(echo ? { lowest: "debug", take } : undefined);
}

/** How the program logs; undefined before `configureLog`. */
export function logOptions(): LogOptions | undefined {
  return configured;
}

/** Passes records of all levels to `take` instead of stderr. */
export function forwardLog(take: (record: LogRecord) => void): void {
  for (const logger of [log, traffic]) logger.sendTo({ lowest: "debug", take });
}

/** Logs a record that another thread has forwarded. */
export function logForwarded(record: LogRecord): void {
  (record.category === "nat" ? log : traffic).emit(record);
}

/** The number of this thread; undefined if it is the only one. */
let thread: number | undefined;

/** Sets the number of this thread, a field of JSON records; undefined if it is the only one. */
export function setThreadNumber(number: number | undefined): void {
  thread = number;
}
