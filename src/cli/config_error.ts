import { OperatorError } from "../platform/operator_error.ts";

/** An option that cannot be used. The message names it, and the exit status is 2. */
export class ConfigError extends OperatorError {
  override readonly name = "ConfigError";
}

/** The text of an option, and where it was set. */
export interface RawValue {
  readonly text: string;
  /** The flag with its dashes, or the environment variable. */
  readonly source: string;
}

/** The error for a value that cannot be used. */
export function invalid(raw: RawValue, reason: string): ConfigError {
  return new ConfigError(`Cannot use ${raw.source} ${quote(raw.text)}: ${reason}`);
}

/** Quotes a value without what precedes an @, which may be the password of a URL. */
export function quote(text: string): string {
  return `'${text.replace(/^.*@/s, "***@")}'`;
}

/**
 * Checks that not both of two options are set.
 *
 * @throws {ConfigError} if they are
 */
export function checkExclusive(one: RawValue | undefined, other: RawValue | undefined): void {
  if (one === undefined || other === undefined) return;
  throw new ConfigError(`Both ${one.source} and ${other.source} are set; expected one`);
}
