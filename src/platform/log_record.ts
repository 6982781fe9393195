/** The levels of messages, the least important first. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** What fills the placeholders of a message, and becomes fields of a JSON line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A message that was logged. A structured clone of it can be logged by another thread. */
export interface LogRecord {
  readonly category: "nat" | "traffic";
  readonly level: LogLevel;
  /** In milliseconds since 1970. */
  readonly timestamp: number;
  /** The message, with placeholders such as `{node_addr}`. */
  readonly template: string;
  readonly fields: LogFields;
}
