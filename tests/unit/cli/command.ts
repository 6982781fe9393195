import { type Command, type Config, parseCommand } from "../../../src/cli/config.ts";

/** A variable that sets the one required option. */
export const SEED = "CLUSTER_ADDR=10.0.0.1:7000";

/** A node id. */
export const NODE_ID = "07c37dfeb235213a872192d90877d0cd55635b91";

/** The words of a command line: each begins with a flag or, as `NAME=value`, sets a variable. */
export function wordsOf(line: string): string[] {
  return line === "" ? [] : line.split(/ (?=-|[A-Z_]+=)/);
}

/** Parses a command line in which words of the form `NAME=value` are environment variables. */
export function command(words: readonly string[]): Command {
  const env = new Map<string, string>();
  const args: string[] = [];
  for (const word of words) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/s.exec(word) ?? [];
    if (name === undefined) args.push(word);
    else env.set(name, value!);
  }
  return parseCommand(args, (name) => env.get(name));
}

/** The configuration of a command line. The seed comes first, so that the words override it. */
export function config(words: readonly string[]): Config {
  const read = command([SEED, ...words]);
  if (read.kind !== "serve") throw new TypeError(`Read ${read.kind}, expected a configuration`);
  return read.config;
}
