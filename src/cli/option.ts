import type { OptionType } from "./option_types.ts";

/** A setting of the program: a flag, an environment variable, or both. */
export interface Option<Name extends string = string, T = unknown> {
  /** The name in kebab-case, and the flag without its dashes. */
  readonly name: Name;
  /** A second flag for the option, in kebab-case: that of redisClusterProxy. */
  readonly alias?: string;
  /** The environment variable. */
  readonly env?: string;
  /** Whether the option has no flag. */
  readonly envOnly?: true;
  /** Whether the flag may be repeated: its values are joined by semicolons. */
  readonly isRepeated?: true;
  readonly type: OptionType<T>;
  /** The text that is parsed if the option is not set. */
  readonly default?: string;
  /** One sentence for `--help`. */
  readonly help: string;
}

/** The flags of an option, without dashes. */
export function flagsOf({ name, alias, envOnly }: Option): string[] {
  if (envOnly) return [];
  return alias === undefined ? [name] : [name, alias];
}
