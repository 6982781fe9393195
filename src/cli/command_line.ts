import { parseArgs } from "@std/cli/parse-args";
import { ConfigError, quote, type RawValue } from "./config_error.ts";
import { flagsOf, type Option } from "./option.ts";
import { type OptionName, OPTIONS, type OptionValue } from "./options.ts";

const SUBCOMMANDS = ["server", "healthcheck"] as const;

/** Returns the subcommand if the arguments begin with one. */
export function subcommand(args: readonly string[]): (typeof SUBCOMMANDS)[number] | undefined {
  return SUBCOMMANDS.find((name) => name === args[0]);
}

/** The options as they are set. A value is parsed when it is read. */
export class OptionReader {
  readonly #raw: ReadonlyMap<OptionName, RawValue>;
  readonly #set = new Set<OptionName>();

  /**
   * Takes each option from its flag, else from its environment variable unless that is empty, else
   * from its default.
   *
   * @throws {ConfigError} for an argument that is no flag, or a flag without its value
   */
  constructor(args: readonly string[], env: (name: string) => string | undefined) {
    const flags = parseArgs(normalize(args), {
      string: OPTIONS.flatMap(flagsOf),
      collect: OPTIONS.filter(({ isRepeated }) => isRepeated).flatMap(flagsOf),
    });
    const raw = new Map<OptionName, RawValue>();
    for (const option of OPTIONS) {
      const set = rawFlag(option, flags) ?? rawVariable(option, env);
      if (set !== undefined) this.#set.add(option.name);
      const value = set ?? rawDefault(option);
      if (value !== undefined) raw.set(option.name, value);
    }
    this.#raw = raw;
  }

  /** The text of an option and where it was set; undefined if it is not set and has no default. */
  raw(name: OptionName): RawValue | undefined {
    return this.#raw.get(name);
  }

  /** Whether a flag or a variable sets an option. */
  isSet(name: OptionName): boolean {
    return this.#set.has(name);
  }

  /**
   * The value of an option.
   *
   * @throws {ConfigError} when the value cannot be used
   */
  get<Name extends OptionName>(name: Name): OptionValue<Name> {
    const raw = this.#raw.get(name);
    const { type } = OPTIONS.find((option) => option.name === name)!;
    return (raw === undefined ? undefined : type.parse(raw)) as OptionValue<Name>;
  }
}

function rawFlag(option: Option, flags: Record<string, unknown>): RawValue | undefined {
  const [raw, other] = flagsOf(option).flatMap((flag) => {
    const value = flags[flag];
    const text = Array.isArray(value) && value.length > 0 ? value.join(";") : value;
    return typeof text === "string" ? { text, source: `--${flag}` } : [];
  });
  if (other === undefined) return raw;
  throw new ConfigError(`Both ${raw!.source} and ${other.source} are set; expected one`);
}

function rawVariable(
  { env: name }: Option,
  env: (name: string) => string | undefined,
): RawValue | undefined {
  const text = name === undefined ? undefined : env(name);
  return name !== undefined && text ? { text, source: name } : undefined;
}

function rawDefault({ name, default: text }: Option): RawValue | undefined {
  return text === undefined ? undefined : { text, source: `--${name}` };
}

/** A flag in kebab-case, and its option. */
interface Flag {
  readonly name: string;
  readonly option: Option;
}

/** Every spelling of every flag, without dashes. */
const FLAGS: ReadonlyMap<string, Flag> = new Map(
  OPTIONS.flatMap((option) =>
    flagsOf(option).flatMap((name) => {
      const camelCase = name.replace(/-(.)/g, (_dash, letter) => letter.toUpperCase());
      const spellings = name === "help" ? [name, "h"] : [name, camelCase];
      return spellings.map((spelling): [string, Flag] => [spelling, { name, option }]);
    })
  ),
);

/**
 * Rewrites each flag as `--kebab-case=value`. A flag that takes a value takes the next argument,
 * even one with a leading dash, as getopt and Go's flag package do. If the next argument is a known
 * flag, the value is missing.
 *
 * An argument after a flag may be part of a password, so messages do not repeat it.
 */
function normalize(args: readonly string[]): string[] {
  const rest = subcommand(args) === undefined ? [...args] : args.slice(1);
  const normalized: string[] = [];
  while (rest.length > 0) {
    const { name: spelling, value: inline } = splitFlag(rest[0]!) ?? {};
    if (spelling === undefined) {
      throw new ConfigError(unexpectedArgumentMessage(rest[0]!, normalized));
    }
    const flag = FLAGS.get(spelling);
    if (flag === undefined) throw new ConfigError(unknownFlagMessage(spelling));
    rest.shift();
    const { name, option: { type: { placeholder } } } = flag;
    const value = inline ?? (placeholder === undefined ? "true" : rest.shift());
    if (inline === undefined && value !== undefined && isFlag(value)) {
      throw new ConfigError(
        `No value for --${name} before the next flag; ` +
          `if that is the value, write --${name}=${placeholder}`,
      );
    }
    if (!value) {
      const form = `--${name}=${placeholder ?? "true or false"}`;
      throw new ConfigError(`No value for --${name}; write ${form}`);
    }
    normalized.push(`--${name}=${value}`);
  }
  return normalized;
}

function splitFlag(argument: string): { name: string; value: string | undefined } | undefined {
  const match = /^--?([^=]+)(?:=(.*))?$/s.exec(argument);
  return match === null || match[1] === "-" ? undefined : { name: match[1]!, value: match[2] };
}

function isFlag(argument: string): boolean {
  const flag = splitFlag(argument);
  return flag !== undefined && FLAGS.has(flag.name);
}

function unexpectedArgumentMessage(argument: string, normalized: readonly string[]): string {
  const [previous] = normalized.at(-1)?.split("=") ?? [];
  return previous === undefined
    ? `Unexpected argument ${quote(argument)}; expected flags, or ${
      SUBCOMMANDS.join(" or ")
    } before them`
    : `Unexpected argument after ${previous}; write ${previous}=value, with quotes around a value ` +
      "that contains spaces";
}

function unknownFlagMessage(name: string): string {
  const similar = OPTIONS.flatMap(flagsOf)
    .find((flag) => withoutSeparators(flag) === withoutSeparators(name));
  return `Unknown flag --${name}; ` +
    (similar === undefined ? "see --help" : `did you mean --${similar}?`);
}

function withoutSeparators(name: string): string {
  return name.replace(/[-_]/g, "").toLowerCase();
}
