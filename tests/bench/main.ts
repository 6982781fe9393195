/**
 * `deno task bench`: the same work straight to a node of a real cluster, through HAProxy and
 * through the proxy, in turn, for several rounds. What it tells are ratios; the times behind them
 * are those of one machine at one hour.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../support/cluster.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { CONTENDERS, Contenders, type Way } from "./contenders.ts";
import { type BenchOptions, readOptions, usage, UsageError } from "./options.ts";
import { resultOf, type RowFigures, type RowResult } from "./results.ts";
import { type Scenario, SCENARIOS, type Stage } from "./scenarios.ts";
import { formatTable } from "./table.ts";

const NAMES = SCENARIOS.map(({ name }) => name);

async function main(): Promise<number> {
  try {
    const directory = fileURLToPath(new URL(".", import.meta.url));
    const options = readOptions(Deno.args, { scenarios: NAMES, directory });
    if (options === undefined) {
      console.log(usage(NAMES));
      return 0;
    }
    await requirePrograms();
    const results = await measure(options);
    console.log(formatTable(results));
    const json = JSON.stringify({ rounds: options.rounds, results }, undefined, 2);
    await Deno.writeTextFile(join(options.directory, "results.json"), `${json}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
}

/** Programs that are needed, and the Debian packages that have them. */
const PROGRAMS = { "haproxy": "haproxy", "redis-benchmark": "redis-tools" };

async function requirePrograms(): Promise<void> {
  for (const [program, debian] of Object.entries(PROGRAMS)) {
    try {
      await new Deno.Command(program, { args: ["--help"], stdout: "null", stderr: "null" })
        .output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new UsageError(`The benchmark needs ${program}: apt-get install -y ${debian}`);
    }
  }
}

async function measure(options: BenchOptions): Promise<RowResult[]> {
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const contenders = new Contenders({ ...options, nodes: cluster.nodes, directory });
  await using stack = new AsyncDisposableStack();
  const ways: Record<string, Way> = {};
  for (const name of CONTENDERS) ways[name] = stack.use(await contenders.start(name));
  const stage = { contenders, ways } as Stage;
  const scenarios = SCENARIOS.filter(({ name }) => options.scenarios.includes(name));
  for (const scenario of scenarios) await scenario.prepare?.(stage);
  const figures = scenarios.map(({ rows }) => rows.map((): RowFigures => ({})));
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, scenario] of scenarios.entries()) {
      progress(`round ${round + 1} of ${options.rounds}: ${scenario.name}`);
      await measureRound(scenario, { stage, round, figures: figures[index]! });
    }
  }
  progress("");
  return scenarios.flatMap(({ rows }, index) =>
    rows.map((row, at) => resultOf(row, figures[index]![at]!))
  );
}

/** Measures all contenders, in an order that changes from round to round. */
async function measureRound(
  scenario: Scenario,
  { stage, round, figures }: { stage: Stage; round: number; figures: RowFigures[] },
): Promise<void> {
  for (let turn = 0; turn < CONTENDERS.length; turn++) {
    const name = CONTENDERS[(round + turn) % CONTENDERS.length]!;
    const measured = await scenario.measure(name, stage);
    for (const [at, figure] of measured.entries()) {
      if (figure !== undefined) (figures[at]![name] ??= []).push(figure);
    }
  }
}

/** Says what is done, on a line that the next one replaces; a log gets none of that. */
function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

if (import.meta.main) Deno.exit(await main());
