/**
 * `deno task bench`: the same work straight to a node of a real cluster, through HAProxy and
 * through the proxy, in turn, for several rounds. What it tells are ratios; the times behind them
 * are those of one machine at one hour.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../support/cluster.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { drawChart } from "./chart.ts";
import { CONTENDERS, Contenders, type Way } from "./contenders.ts";
import { listPrograms, lookAround } from "./environment.ts";
import { countIdleClients, OTHER_DESCRIPTORS } from "./idle_scenario.ts";
import { type BenchOptions, readOptions, usage, UsageError } from "./options.ts";
import { formatHead, type Report } from "./report.ts";
import { resultOf, type RowFigures } from "./results.ts";
import type { Scenario, Stage } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { formatTable } from "./table.ts";

const NAMES = SCENARIOS.map(({ name }) => name);

async function main(): Promise<number> {
  try {
    const options = readOptions(Deno.args, NAMES);
    if (options === undefined) {
      console.log(usage(NAMES));
      return 0;
    }
    await requirePrograms();
    const report = await measure(options);
    console.log(`${formatHead(report).join("\n")}\n\n${formatTable(report.results)}`);
    await write(report, options.directory ?? fileURLToPath(new URL(".", import.meta.url)));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
}

async function write(report: Report, directory: string): Promise<void> {
  const json = JSON.stringify(report, undefined, 2);
  await Deno.writeTextFile(join(directory, "results.json"), `${json}\n`);
  const chart = drawChart(report.results, formatHead(report)[0]!);
  await Deno.writeTextFile(join(directory, "results.svg"), chart);
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

async function measure(options: BenchOptions): Promise<Report> {
  const machine = await lookAround();
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({
    replicasEach: 0,
    directives: { "maxclients": `${countIdleClients() + OTHER_DESCRIPTORS}` },
  });
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
  const compiled = options.program !== undefined;
  return {
    environment: { ...machine, programs: await listPrograms(cluster.nodes[0]!) },
    proxy: { compiled, flags: options.proxyFlags },
    rounds: options.rounds,
    results: scenarios.flatMap(({ rows }, index) =>
      rows.map((row, at) => resultOf(row, figures[index]![at]!, compiled))
    ),
  };
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
