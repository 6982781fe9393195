import type { HostPort } from "../../src/platform/address.ts";
import { run } from "../support/program.ts";

/** Requests of one kind that redis-benchmark sends. */
export interface Load {
  readonly connections: number;
  readonly pipeline: number;
  /** Whether each request has a new connection. */
  readonly reconnects?: boolean;
  /** Further options of redis-benchmark. */
  readonly options?: readonly string[];
  readonly words: readonly string[];
  /** The last word of the command, if it is too long for a command line. */
  readonly lastWord?: string;
}

/** The figures of a load. */
export interface LoadFigures {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A load takes seconds, several times that on a slow machine. */
const DEADLINE_MS = 120_000;

/**
 * Sends this number of requests to a port, and waits until all are answered.
 *
 * @throws {Error} if a reply is an error or is missing
 */
export async function runLoad(
  { host, port }: HostPort,
  load: Load,
  requests: number,
): Promise<LoadFigures> {
  const args = ["-h", host, "-p", `${port}`, "--csv", "-n", `${requests}`];
  args.push("-c", `${load.connections}`, "-P", `${load.pipeline}`);
  if (load.reconnects) args.push("-k", "0");
  if (load.lastWord !== undefined) args.push("-x");
  const command = ["redis-benchmark", ...args, ...load.options ?? [], ...load.words];
  const { output } = await run(command, load.lastWord, { deadlineMs: DEADLINE_MS });
  return parseLoadFigures(output);
}

/**
 * Parses the output of `redis-benchmark --csv` for a single command.
 *
 * @throws {Error} with the output, if that has no figures
 */
export function parseLoadFigures(output: string): LoadFigures {
  const rows = output.split("\n").filter((line) => line.startsWith('"'))
    .map((line) => line.slice(1, -1).split('","'));
  const [names, ...figures] = rows;
  const last = figures.at(-1);
  const figure = (name: string) => {
    // The first field is the command, which may contain the separator.
    const fromEnd = names === undefined ? 0 : names.length - names.indexOf(name);
    const text = names?.includes(name) ? last?.at(-fromEnd) : undefined;
    // A load that took no measurable time; the first one of a warm-up may.
    if (text === "inf") return Infinity;
    if (text === undefined || !(Number(text) >= 0)) {
      throw new Error(`redis-benchmark printed no ${name}: ${output.trim()}`);
    }
    return Number(text);
  };
  return {
    requestsPerSecond: figure("rps"),
    p50Ms: figure("p50_latency_ms"),
    p99Ms: figure("p99_latency_ms"),
  };
}
