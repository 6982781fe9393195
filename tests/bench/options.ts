import { integerOf, readArguments, splitArguments, UsageError } from "../support/task.ts";

/** Options of the benchmark. */
export interface BenchOptions {
  readonly rounds: number;
  /** The names of the scenarios, in the order of the table. */
  readonly scenarios: readonly string[];
  /** A compiled proxy; undefined runs the sources. */
  readonly program: string | undefined;
  readonly proxyFlags: readonly string[];
  /** The directory for figures and chart; undefined writes none. */
  readonly directory: string | undefined;
}

/** Takes minutes; an odd number, so that the median is a measured round. */
const DEFAULT_ROUNDS = 15;

const FLAGS = ["rounds", "rows", "program", "out"] as const;

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
 * Reads the command line.
 *
 * @param defaults the names of all scenarios, and the directory for complete results
 * @throws {UsageError} for an invalid command line
 */
export function readOptions(
  args: readonly string[],
  { scenarios, directory }: { scenarios: readonly string[]; directory: string },
): BenchOptions {
  const [own, proxyFlags] = splitArguments(args);
  const given = readArguments(own, FLAGS, "flags for the proxy come behind --");
  const rows = given.rows?.split(",") ?? scenarios;
  const unknown = rows.find((name) => !scenarios.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--rows knows no '${unknown}'; there are ${scenarios.join(", ")}`);
  }
  return {
    rounds: integerOf("rounds", given.rounds ?? DEFAULT_ROUNDS, 1),
    scenarios: scenarios.filter((name) => rows.includes(name)),
    program: given.program,
    proxyFlags,
    // A selection of rows does not replace the published figures.
    directory: given.out ?? (given.rows === undefined ? directory : undefined),
  };
}
