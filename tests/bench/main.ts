/**
 * `deno task bench`: the same work directly to a node of a real cluster, through HAProxy, through a
 * relay that parses nothing and through the proxy, in turn, for several rounds. The results are
 * ratios; absolute times depend on the machine and its other load.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../support/cluster.ts";
import { run } from "../support/program.ts";
import { runTask, UsageError } from "../support/task.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { drawChart } from "./chart.ts";
import { type ContenderName, CONTENDERS, startContender } from "./contenders.ts";
import { listPrograms, lookAround } from "./environment.ts";
import { countIdleClients, OTHER_DESCRIPTORS } from "./idle_scenario.ts";
import { type BenchOptions, readOptions, usage } from "./options.ts";
import { formatHead, formatTable, type Report } from "./report.ts";
import { resultOf, type RowFigures } from "./results.ts";
import type { Scenario, Stage } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

const NAMES = SCENARIOS.map(({ name }) => name);

async function main(): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // Stops the programs first; a terminal's Ctrl-C reaches some of them, too.
    Deno.addSignalListener(signal, () => stopping.abort());
  }
  try {
    const directory = fileURLToPath(new URL(".", import.meta.url));
    const options = readOptions(Deno.args, { scenarios: NAMES, directory });
    await requirePrograms();
    const report = await measure(options, stopping.signal);
    console.log(`${formatHead(report).join("\n")}\n\n${formatTable(report.results)}`);
    if (options.directory !== undefined) await write(report, options.directory);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    throw error;
  }
}

async function write(report: Report, directory: string): Promise<void> {
  const json = JSON.stringify(report, undefined, 2);
  await Deno.writeTextFile(join(directory, "results.json"), `${json}\n`);
  const chart = drawChart(report.results, formatHead(report)[0]!);
  await Deno.writeTextFile(join(directory, "results.svg"), chart);
}

/** Required programs and their Debian packages. */
const PROGRAMS = { "haproxy": "haproxy", "redis-benchmark": "redis-tools" };

async function requirePrograms(): Promise<void> {
  for (const [program, debian] of Object.entries(PROGRAMS)) {
    try {
      await run([program, "--help"]);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new UsageError(`The benchmark needs ${program}: apt-get install -y ${debian}`);
    }
  }
}

async function measure(options: BenchOptions, signal: AbortSignal): Promise<Report> {
  const machine = await lookAround();
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({
    replicasEach: 0,
    directives: { "maxclients": `${countIdleClients() + OTHER_DESCRIPTORS}` },
  });
  const start = (name: ContenderName) =>
    startContender(name, { ...options, nodes: cluster.nodes, directory });
  await using stack = new AsyncDisposableStack();
  const started = async (name: ContenderName) => stack.use(await start(name));
  const ways = {
    node: await started("node"),
    haproxy: await started("haproxy"),
    relay: await started("relay"),
    proxy: await started("proxy"),
  };
  const scenarios = SCENARIOS.filter(({ name }) => options.scenarios.includes(name));
  const figures = await playRounds(scenarios, { start, ways, signal }, options.rounds);
  const compiled = options.program !== undefined;
  return {
    environment: { ...machine, programs: await listPrograms(cluster.nodes[0]!) },
    proxy: { compiled, flags: options.proxyFlags },
    rounds: options.rounds,
    results: scenarios.flatMap(({ rows }) => rows)
      .map((row, index) => resultOf(row, figures[index]!, compiled)),
  };
}

/**
 * Runs all scenarios, round by round, and returns the figures of their rows in order.
 *
 * @throws the reason of the stage's signal, if that is aborted
 */
async function playRounds(
  scenarios: readonly Scenario[],
  stage: Stage,
  rounds: number,
): Promise<RowFigures[]> {
  for (const scenario of scenarios) {
    progress(`before the first round: ${scenario.name}`);
    stage.signal.throwIfAborted();
    await scenario.prepare?.(stage);
  }
  const figures = scenarios.map(({ rows }) => rows.map((): RowFigures => ({})));
  for (let round = 0; round < rounds; round++) {
    for (const [index, scenario] of scenarios.entries()) {
      if (round >= (scenario.mostRounds ?? Infinity)) continue;
      progress(`round ${round + 1} of ${rounds}: ${scenario.name}`);
      for (let turn = 0; turn < CONTENDERS.length; turn++) {
        stage.signal.throwIfAborted();
        // The order rotates by round.
        const name = CONTENDERS[(round + turn) % CONTENDERS.length]!;
        for (const [at, figure] of (await scenario.measure(name, stage)).entries()) {
          if (figure !== undefined) (figures[index]![at]![name] ??= []).push(figure);
        }
      }
    }
  }
  progress("");
  return figures.flat();
}

/** Prints progress on one line of a terminal. */
function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

if (import.meta.main) await runTask(usage(NAMES), main);
