import type { Command } from "./command_table.ts";

/** Receives the requests of commands that are not in the table. */
export interface PlainRequestSink {
  /** This many requests ended whose commands are not in the table. */
  plain(count: number): void;
}

/** Receives every request, in order, when its last byte was scanned. */
export interface RequestSink<C extends Command> extends PlainRequestSink {
  /**
   * A request of a command in the table, with `argc` arguments; `argv` holds the kept ones, in
   * lower case, 32 bytes of each. If this returns true, `advance` stops after the request.
   */
  known(command: C, argv: readonly string[], argc: number): boolean;
  /** A request without arguments. A server does not answer it. */
  empty(): void;
  /** Bytes that a server answers with a protocol error; it ignores everything that follows. */
  protocolError(): void;
}
