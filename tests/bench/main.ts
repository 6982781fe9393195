/**
 * `deno task bench`: the same work directly to a node of a real cluster, through HAProxy, through a
 * relay that parses nothing and through the proxy, in turn, for several rounds. The results are
 * ratios; absolute times depend on the machine and its other load.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { statusLine } from "../../src/platform/status_line.ts";
import { run } from "../support/program.ts";
import { runTask, UsageError } from "../support/task.ts";
import { drawChart } from "./chart.ts";
import { CONTENDERS } from "./contenders.ts";
import { listPrograms, lookAround } from "./environment.ts";
import { type BenchOptions, readOptions, usage } from "./options.ts";
import { formatHead, formatTable, type Report } from "./report.ts";
import { resultOf, type RowFigures } from "./results.ts";
import type { Scenario, Stage } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { Stages } from "./stages.ts";

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
  await using stages = new Stages(options, signal);
  const scenarios = SCENARIOS.filter(({ name }) => options.scenarios.includes(name));
  const plays: Play[] = [];
  for (const scenario of scenarios) {
    plays.push({ scenario, stage: await stages.of(scenario) });
  }
  const figures = await playRounds(plays, options.rounds, signal);
  const compiled = options.program !== undefined;
  return {
    environment: { ...machine, programs: await listPrograms(stages.node) },
    proxy: { compiled, flags: options.proxyFlags },
    rounds: options.rounds,
    results: scenarios.flatMap(({ rows }) => rows)
      .map((row, index) => resultOf(row, figures[index]!, compiled)),
  };
}

/** A scenario and what it works with. */
interface Play {
  readonly scenario: Scenario;
  readonly stage: Stage;
}

/**
 * Runs all scenarios, round by round, and returns the figures of their rows in order.
 *
 * @throws the reason of the signal, if that is aborted
 */
async function playRounds(
  plays: readonly Play[],
  rounds: number,
  signal: AbortSignal,
): Promise<RowFigures[]> {
  using progress = new Progress(plays, rounds);
  for (const { scenario, stage } of plays) {
    progress.show("before the first round", scenario);
    signal.throwIfAborted();
    await scenario.prepare?.(stage);
  }
  const figures = plays.map(({ scenario: { rows } }) => rows.map((): RowFigures => ({})));
  for (let round = 0; round < rounds; round++) {
    progress.beginRound(round);
    for (const [index, { scenario, stage }] of plays.entries()) {
      if (round >= (scenario.mostRounds ?? Infinity)) continue;
      for (let turn = 0; turn < CONTENDERS.length; turn++) {
        progress.show(`round ${round + 1} of ${rounds}`, scenario);
        signal.throwIfAborted();
        // The order rotates by round.
        const name = CONTENDERS[(round + turn) % CONTENDERS.length]!;
        for (const [at, figure] of (await scenario.measure(name, stage)).entries()) {
          if (figure !== undefined) (figures[index]![at]![name] ??= []).push(figure);
        }
        progress.done++;
      }
    }
  }
  return figures.flat();
}

/** Says on stderr how far the benchmark is: at a terminal all the time, else once a round. */
class Progress implements Disposable {
  /** How many measurements are done. */
  done = 0;
  readonly #rounds: number;
  readonly #total: number;

  constructor(plays: readonly Play[], rounds: number) {
    this.#rounds = rounds;
    const played = plays.map(({ scenario: { mostRounds = Infinity } }) =>
      Math.min(rounds, mostRounds)
    );
    this.#total = CONTENDERS.length * played.reduce((sum, rounds) => sum + rounds, 0);
  }

  get #percent(): number {
    return Math.floor(100 * this.done / this.#total);
  }

  show(what: string, { name }: Scenario): void {
    statusLine.show(`${what}, ${this.#percent} % done: ${name}`);
  }

  beginRound(round: number): void {
    if (statusLine.isVisible) return;
    console.error(`round ${round + 1} of ${this.#rounds}, ${this.#percent} % done`);
  }

  [Symbol.dispose](): void {
    statusLine.show("");
  }
}

if (import.meta.main) await runTask(usage(NAMES), main);
