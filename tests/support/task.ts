import { parseArgs } from "@std/cli/parse-args";

/** A mistake in a command line, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Runs a program for developers to its end: prints `usage` for `--help`, and one line for a mistake
 * in the command line.
 */
export async function runTask(usage: string, main: () => Promise<number>): Promise<never> {
  if (splitArguments(Deno.args)[0].includes("--help")) {
    console.log(usage);
    Deno.exit(0);
  }
  try {
    Deno.exit(await main());
  } catch (error) {
    const misused = error instanceof UsageError;
    console.error(misused ? error.message : error);
    Deno.exit(misused ? 2 : 1);
  }
}

/** The arguments before `--`, and those behind it, which belong to another program. */
export function splitArguments(args: readonly string[]): [own: string[], behind: string[]] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  return [args.slice(0, end), args.slice(end + 1)];
}

/**
 * Reads options that have a value each, by name.
 *
 * @param hint what to do about an unknown argument
 * @throws {UsageError} for an unknown argument, and for an option without a value
 */
export function readArguments<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
  hint = "--help lists the options",
): Partial<Record<Name, string>> {
  const given = parseArgs([...args], {
    string: [...names],
    unknown(argument) {
      throw new UsageError(`Unknown argument '${argument}'; ${hint}`);
    },
  });
  const empty = names.find((name) => given[name] === "");
  if (empty !== undefined) throw new UsageError(`--${empty} needs a value`);
  return given as Partial<Record<Name, string>>;
}

/**
 * Reads the value of an option as an integer.
 *
 * @throws {UsageError} unless it is one, and `least` or more
 */
export function integerOf(name: string, value: string | number, least = 0): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new UsageError(`--${name} needs an integer of ${least} or more, not '${value}'`);
}
