/** Requests of one kind that redis-benchmark sends. */
export interface Load {
  readonly connections: number;
  /** How many requests a connection sends before it waits for their replies. */
  readonly pipeline: number;
  /** A new connection for each request. */
  readonly reconnects?: boolean;
  readonly words: readonly string[];
  /** One more word, too long for a command line. */
  readonly lastWord?: string;
}

/** What a load met. */
export interface LoadFigures {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Loads are made to last seconds; a slow machine may need some times that. */
const DEADLINE_MS = 120_000;

/**
 * Sends so many requests to a port, and waits until all are answered.
 *
 * @throws {Error} when one of them is answered by an error, or none comes
 */
export async function runLoad(
  { host, port }: { readonly host: string; readonly port: number },
  load: Load,
  requests: number,
): Promise<LoadFigures> {
  const args = ["-h", host, "-p", `${port}`, "--csv", "-n", `${requests}`];
  args.push("-c", `${load.connections}`, "-P", `${load.pipeline}`);
  if (load.reconnects) args.push("-k", "0");
  if (load.lastWord !== undefined) args.push("-x");
  const process = new Deno.Command("redis-benchmark", {
    args: [...args, ...load.words],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = Promise.all([
    process.output(),
    // One that fails may do so before it has read all.
    new Blob([load.lastWord ?? ""]).stream().pipeTo(process.stdin).catch(() => {}),
  ]);
  const timer = setTimeout(() => process.kill("SIGKILL"), DEADLINE_MS);
  try {
    const [{ stdout, stderr }] = await end;
    const decoder = new TextDecoder();
    return parseLoadFigures(decoder.decode(stdout) + decoder.decode(stderr));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads what `redis-benchmark --csv` of a single command prints.
 *
 * @throws {Error} with all that it printed, when that holds no figures
 */
export function parseLoadFigures(output: string): LoadFigures {
  const rows = output.split("\n").filter((line) => line.startsWith('"'))
    .map((line) => line.slice(1, -1).split('","'));
  const [names, ...figures] = rows;
  const last = figures.at(-1);
  const figure = (name: string) => {
    // The name of the test is the command, which may hold what stands between two fields.
    const fromEnd = names === undefined ? 0 : names.length - names.indexOf(name);
    const text = names?.includes(name) ? last?.at(-fromEnd) : undefined;
    if (text === undefined || !(Number(text) >= 0)) {
      throw new Error(`redis-benchmark told no ${name}: ${output.trim()}`);
    }
    return Number(text);
  };
  return {
    requestsPerSecond: figure("rps"),
    p50Ms: figure("p50_latency_ms"),
    p99Ms: figure("p99_latency_ms"),
  };
}
