import { configureSync, getLogger, type LogRecord } from "@logtape/logtape";
import { writeStderr } from "./output.ts";

/** The level and the format of the log. */
export interface LogOptions {
  /** The lowest level of messages that are logged. */
  readonly level: "debug" | "info" | "warning" | "error";
  /** Text, or one JSON object a line. */
  readonly format: "text" | "json";
  /** Whether traffic is logged, independently of the level. */
  readonly echo: boolean;
}

/** The messages of the program to its operator. Discarded until `configureLog`. */
export const log = getLogger(["nat"]);

/** The log of all traffic, to which `level` does not apply. Discarded until `configureLog`. */
export const traffic = getLogger(["traffic"]);

/**
 * Sends the log to stderr, one line a message. A line is written before the call that logs it
 * returns, so that an exit loses none. A closed stderr is ignored.
 */
export function configureLog(options: LogOptions): void {
  const { level, format, echo } = options;
  configured = options;
  const render = format === "json" ? renderJson : renderText;
  configureSync({
    reset: true,
    sinks: {
      stderr(record: LogRecord) {
        writeStderr(render(record));
      },
      // For messages about a failure of the sink above, such as a value that JSON cannot express.
      // The properties contain the record that failed, and would make this message fail as well.
      failures(record: LogRecord) {
        writeStderr(render({ ...record, properties: {} }));
      },
    },
    loggers: [
      { category: ["nat"], sinks: ["stderr"], lowestLevel: level },
      { category: ["traffic"], sinks: ["stderr"], lowestLevel: echo ? "trace" : null },
      { category: ["logtape", "meta"], sinks: ["failures"], lowestLevel: "error" },
    ],
  });
}

/** The options of the last call of `configureLog`. */
let configured: LogOptions | undefined;

/** How the program logs; undefined before `configureLog`. */
export function logOptions(): LogOptions | undefined {
  return configured;
}

/** Passes records of all levels to `take` instead of stderr. */
export function forwardLog(take: (record: LogRecord) => void): void {
  configureSync({
    reset: true,
    sinks: { take },
    loggers: [
      { category: ["nat"], sinks: ["take"], lowestLevel: "debug" },
      { category: ["traffic"], sinks: ["take"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
    ],
  });
}

/** Logs a record that another thread has forwarded. */
export function logForwarded(record: LogRecord): void {
  getLogger(record.category).emit(record);
}

/** The number of this thread; undefined if it is the only one. */
let thread: number | undefined;

/** Sets the number of this thread, a field of JSON records; undefined if it is the only one. */
export function setThreadNumber(number: number | undefined): void {
  thread = number;
}

/** Padded to the same width. */
const LEVEL_NAMES: Record<LogRecord["level"], string> = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
  fatal: "FATAL",
};

function renderText(record: LogRecord): string {
  const timestamp = new Date(record.timestamp).toISOString();
  return `${timestamp} ${LEVEL_NAMES[record.level]} ${renderMessage(record)}`;
}

function renderJson(record: LogRecord): string {
  const fields = {
    timestamp: new Date(record.timestamp).toISOString(),
    level: record.level,
    message: renderMessage(record),
    ...(thread === undefined ? {} : { thread }),
  };
  // The first spread puts the fields first, the second overrides properties of the same name.
  return JSON.stringify({ ...fields, ...record.properties, ...fields }, replaceForJson);
}

/** Formats a message: text at even indices, values at odd ones. */
function renderMessage(record: LogRecord): string {
  return record.message.map((part, at) => at % 2 === 0 ? part : renderValue(part)).join("");
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return value;
  // Callers log the stack separately, at level debug.
  if (value instanceof Error) return value.message;
  return Deno.inspect(value, { colors: false, breakLength: Infinity });
}

/** Replaces values that JSON has no form for, or would turn into an empty object or null. */
function replaceForJson(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.message;
  if (typeof value === "bigint") return String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
