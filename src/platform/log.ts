import { configureSync, getLogger, type LogRecord } from "@logtape/logtape";
import { writeStderr } from "./output.ts";

/** What is logged, and how. */
export interface LogOptions {
  /** The least level at which the program's messages appear. */
  readonly level: "debug" | "info" | "warning" | "error";
  /** Lines to read, or one JSON object a line. */
  readonly format: "text" | "json";
  /** Whether traffic appears, whatever the level. */
  readonly echo: boolean;
}

/** What the program has to say to its operator. Silent until `configureLog`. */
export const log = getLogger(["nat"]);

/** The echo of all traffic, which `level` does not hold back. Silent until `configureLog`. */
export const traffic = getLogger(["traffic"]);

/**
 * Sends the log to stderr, one line a message. Lines are written when the call that logs them
 * returns, so the last words before an exit are not lost; a stderr that is closed is ignored.
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
      // For messages about a failure of the one above, such as JSON that cannot be: with the
      // record that failed among its properties, such a message would fail the same way.
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

/** What `configureLog` was told last. */
let configured: LogOptions | undefined;

/** How another thread of this program is to log: as this one does, or to this one. */
export function logOptions(): LogOptions | undefined {
  return configured;
}

/** Has somebody else take what is logged, whatever its level. */
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

/** Logs what another thread has forwarded. */
export function logRecord(record: LogRecord): void {
  getLogger(record.category).emit(record);
}

/** The number of this thread, if there are several. */
let thread: number | undefined;

/** Tells which of several threads this is, which the JSON form says, or that it is the only one. */
export function setThreadNumber(number: number | undefined): void {
  thread = number;
}

/** As wide as each other. */
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
  // Twice: the first gives their place at the front, the second wins over a property of the name.
  return JSON.stringify({ ...fields, ...record.properties, ...fields }, replaceForJson);
}

/** Texts of the message stand at even places, the values between them at odd ones. */
function renderMessage(record: LogRecord): string {
  return record.message.map((part, at) => at % 2 === 0 ? part : renderValue(part)).join("");
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return value;
  // The stack is for the developer, who logs it by itself.
  if (value instanceof Error) return value.message;
  return Deno.inspect(value, { colors: false, breakLength: Infinity });
}

/** JSON has no text for these, or one that says nothing. */
function replaceForJson(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.message;
  if (typeof value === "bigint") return String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
