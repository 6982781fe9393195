import { parseArgs } from "@std/cli/parse-args";

/** Options of the benchmark. */
export interface BenchOptions {
  readonly rounds: number;
  /** The names of the scenarios, in the order of the table. */
  readonly scenarios: readonly string[];
  /** A compiled proxy; undefined runs the sources. */
  readonly program: string | undefined;
  /** Further options of the proxy. */
  readonly proxyFlags: readonly string[];
  /** The directory for figures and chart; undefined writes none. */
  readonly directory: string | undefined;
}

/** A mistake in the command line, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Takes minutes; an odd number, so that the median is a measured round. */
const DEFAULT_ROUNDS = 15;

const FLAGS = ["rounds", "rows", "program", "out"];

/** The text of `--help`. */
export function usage(scenarios: readonly string[]): string {
  return `Usage: deno task bench [OPTIONS] [-- PROXY-FLAGS...]

Measures the proxy against HAProxy, against a relay that looks at nothing and against the node
itself, in turn, round by round.

  --rounds N        How many rounds, ${DEFAULT_ROUNDS} unless given; an odd number is best.
  --rows NAME,...   Only some of these:
                    ${scenarios.join(", ")}.
  --program PATH    The proxy as an executable, such as a compiled one, not from its sources.
  --out DIRECTORY   Where results.json and results.svg are written; tests/bench unless given, or
                    nowhere with --rows.
  --help            Print this text.

What stands behind -- are flags for the proxy: deno task bench -- --read-buffer-byte-size 65536`;
}

/**
 * Reads the command line; undefined if it asks for help.
 *
 * @param defaults the names of all scenarios, and the directory for complete results
 * @throws {UsageError} for an invalid command line
 */
export function readOptions(
  args: readonly string[],
  { scenarios, directory }: { scenarios: readonly string[]; directory: string },
): BenchOptions | undefined {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const given = parseArgs(args.slice(0, end), {
    string: FLAGS,
    boolean: ["help"],
    unknown(argument) {
      throw new UsageError(`Cannot use '${argument}'; flags for the proxy come behind --`);
    },
  }) as Record<string, string | undefined>;
  if (given["help"]) return undefined;
  for (const name of FLAGS) {
    if (given[name] === "") throw new UsageError(`--${name} needs a value`);
  }
  const rounds = Number(given["rounds"] ?? DEFAULT_ROUNDS);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new UsageError(`--rounds needs a number of 1 or more, not '${given["rounds"]}'`);
  }
  const rows = given["rows"]?.split(",") ?? scenarios;
  const unknown = rows.find((name) => !scenarios.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--rows knows no '${unknown}'; there are ${scenarios.join(", ")}`);
  }
  return {
    rounds,
    scenarios: scenarios.filter((name) => rows.includes(name)),
    program: given["program"],
    proxyFlags: args.slice(end + 1),
    // A selection of rows does not replace the published figures.
    directory: given["out"] ?? (given["rows"] === undefined ? directory : undefined),
  };
}
