import type { LogFields, LogLevel, LogRecord } from "./log_record.ts";

/** Padded to the same width. */
const LEVEL_NAMES: Record<LogLevel, string> = {
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
};

/** Renders a record as text, which may have line breaks. */
export function renderText({ timestamp, level, template, fields }: LogRecord): string {
  const time = new Date(timestamp).toISOString();
  return `${time} ${LEVEL_NAMES[level]} ${renderMessage(template, fields)}`;
}

/**
 * Renders a record as a JSON object.
 *
 * @param thread the number of the thread, if there are several
 */
export function renderJson(
  { timestamp, level, template, fields }: LogRecord,
  thread: number | undefined,
): string {
  const own = {
    timestamp: new Date(timestamp).toISOString(),
    level,
    message: renderMessage(template, fields),
    ...(thread === undefined ? {} : { thread }),
  };
  // The first spread puts these first, the second overrides other fields of the same name.
  return JSON.stringify({ ...own, ...fields, ...own }, replaceForJson);
}

/** Fills the placeholders of a message; one without a field stays. */
export function renderMessage(template: string, fields: LogFields): string {
  return template.replace(
    /\{(\w+)\}/g,
    (placeholder, name) => Object.hasOwn(fields, name) ? renderValue(fields[name]) : placeholder,
  );
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  return Deno.inspect(value, { colors: false, breakLength: Infinity });
}

/** Replaces values that JSON has no form for, or would turn into an empty object or null. */
function replaceForJson(key: string, value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return String(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      // The object with all fields has no key. The text of any other can always be written.
      return key === "" || value === null ? value : renderValue(value);
    default:
      return value;
  }
}
