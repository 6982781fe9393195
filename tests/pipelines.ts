/**
 * `deno run -A tests/pipelines.ts --count 5000`: random pipelines of all kinds of requests, straight
 * and through the proxy, while slots move, nodes fail over and channels lose their slots. Prints
 * its seed and what was not as it should be, each with the least pipeline that shows it. Linux only.
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Fault, shownScenario } from "./live/pipelines/compared.ts";
import { comparePipelines } from "./live/pipelines/rounds.ts";
import { movePipelines } from "./live/pipelines/moving.ts";
import { Report } from "./live/pipelines/report.ts";
import { shownRequest } from "./live/pipelines/requests.ts";
import { Stage } from "./live/pipelines/stage.ts";

/** How often progress is printed. */
const PROGRESS_MS = 10_000;

/** So many more are answered while all moves, where nothing has to stop for them. */
const MOVING_FACTOR = 4;

const USAGE = `Usage: deno run -A tests/pipelines.ts [options]
  --count N      pipelines to compare, 1000 if not given
  --seed N       of all that is random
  --only N       play this round alone, as a fault names it
  --mode MODE    compared, with a node that stops until all is written; moving, where slots and
                 primaries change all the time; or both, if not given
  --server PATH  of redis-server or valkey-server; REDIS_SERVER, or the one on the PATH
  --proxy WORDS  another program in the place of the proxy, such as 'deno run -A src/main.ts'
  --shown N      faults that are shown, 20 if not given`;

interface Settings {
  readonly count: number;
  readonly seed: number;
  readonly only?: number;
  readonly shown: number;
  readonly mode: "compared" | "moving" | "both";
  readonly proxy: readonly string[];
}

/** Reads the command line; what is wrong with it is said in one line. */
function readSettings(): Settings {
  const names = ["count", "seed", "only", "mode", "server", "proxy", "shown"];
  const given = parseArgs(Deno.args, { string: names }) as Record<string, string | undefined>;
  const { count = "1000", shown = "20", mode = "both", only, server, proxy } = given;
  const { seed = `${Math.floor(Math.random() * 2 ** 32)}` } = given;
  const numbers = [count, seed, shown, only ?? "0"].map(Number);
  const unknown = Object.keys(given).some((name) => name !== "_" && !names.includes(name));
  const isMode = mode === "compared" || mode === "moving" || mode === "both";
  if (
    unknown || !isMode || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)
  ) {
    console.error(USAGE);
    Deno.exit(2);
  }
  if (server !== undefined) Deno.env.set("REDIS_SERVER", server);
  return {
    count: Number(count),
    seed: Number(seed),
    shown: Number(shown),
    mode,
    ...only === undefined ? {} : { only: Number(only) },
    proxy: proxy?.split(" ") ?? [],
  };
}

function shownFault({ kind, what, straight, proxied }: Fault): string {
  return `${kind}: ${what}\n  straight: ${JSON.stringify(straight)}\n  proxied:  ${
    JSON.stringify(proxied)
  }`;
}

async function main({ count, seed, only, mode, shown, proxy }: Settings): Promise<boolean> {
  console.log(`deno run -A tests/pipelines.ts --count ${count} --seed ${seed}`);
  await using stage = await Stage.start(proxy);
  const sinceMs = performance.now();
  let left = shown;
  const reports: Report[] = [];
  function reporter(name: string) {
    const report = new Report();
    reports.push(report);
    const say = () => {
      console.log(`${Math.round((performance.now() - sinceMs) / 1000)} s: ${name}: ${report}`);
    };
    let saidAtMs = performance.now();
    const progress = () => {
      if (performance.now() - saidAtMs < PROGRESS_MS) return;
      saidAtMs = performance.now();
      say();
    };
    return { report, say, progress };
  }
  if (mode !== "moving") {
    const { report, say, progress } = reporter("compared");
    await comparePipelines(stage, {
      count,
      seed,
      ...only === undefined ? {} : { only },
      wantsShrunk: () => left > 0,
      report,
      onRound: progress,
      onFault(round, scenario, fault) {
        if (left-- <= 0) return;
        console.log(`\n--only ${round}\n${shownScenario(scenario)}\n${shownFault(fault)}\n`);
      },
    });
    say();
  }
  if (mode !== "compared" && only === undefined) {
    left = shown;
    const { report, say, progress } = reporter("moving");
    const { slots, failovers } = await movePipelines(stage, {
      count: MOVING_FACTOR * count,
      seed,
      report,
      onPipeline: progress,
      onFault(requests, fault) {
        if (left-- <= 0) return;
        const asked = requests.map(shownRequest).join(" | ");
        console.log(`\n  ${asked}\n${shownFault(fault)}\n`);
      },
    });
    say();
    console.log(
      `  while ${slots} times a slot moved, and ${failovers} times a primary failed over`,
    );
  }
  return reports.every(({ isClean }) => isClean);
}

if (import.meta.main) Deno.exit(await main(readSettings()) ? 0 : 1);
