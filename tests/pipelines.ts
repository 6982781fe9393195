/**
 * `deno task pipelines --count 5000`: random pipelines of all kinds of requests, to a node directly
 * and through the proxy, while slots move, nodes fail over and channels lose their slots. Prints its
 * seed and each fault with the shortest pipeline that shows it. Linux only.
 */
import { movePipelines } from "./live/pipelines/moving.ts";
import { Report } from "./live/pipelines/report.ts";
import { comparePipelines } from "./live/pipelines/rounds.ts";
import { Stage } from "./live/pipelines/stage.ts";
import { integerOf, readArguments, runTask, UsageError } from "./support/task.ts";

/** The moving mode is faster, because it stops no node, so it plays more pipelines. */
const MOVING_FACTOR = 4;

const USAGE = `Usage: deno task pipelines [options]
  --count N      pipelines to compare, 1000 by default
  --seed N       seed of all that is random
  --only N       play only this round of a reported fault
  --mode MODE    compared: the node is stopped until all is sent; moving: slots and primaries change
                 all the time; both by default
  --server PATH  redis-server or valkey-server; REDIS_SERVER, or the one on the PATH by default
  --proxy CMD    another program instead of the proxy, such as 'deno run -A src/main.ts'
  --shown N      faults to print, 20 by default`;

const OPTIONS = ["count", "seed", "only", "mode", "server", "proxy", "shown"] as const;

async function main(): Promise<number> {
  const given = readArguments(Deno.args, OPTIONS);
  const { mode = "both", server, proxy } = given;
  const count = integerOf("count", given.count ?? 1000);
  const seed = integerOf("seed", given.seed ?? Math.floor(Math.random() * 2 ** 32));
  const shown = integerOf("shown", given.shown ?? 20);
  const only = given.only === undefined ? undefined : integerOf("only", given.only);
  if (!["compared", "moving", "both"].includes(mode)) {
    throw new UsageError(`--mode needs compared, moving or both, not '${mode}'`);
  }
  if (server !== undefined) Deno.env.set("REDIS_SERVER", server);
  console.log(`deno task pipelines --count ${count} --seed ${seed}`);
  await using stage = await Stage.start(proxy?.split(" "));
  const plays = {
    compared: (report: Report) => comparePipelines(stage, { count, seed, only, report }),
    moving: (report: Report) =>
      movePipelines(stage, { count: MOVING_FACTOR * count, seed, report }),
  };
  let isClean = true;
  for (const [name, play] of Object.entries(plays)) {
    // A round of its own is one of those that are compared.
    if (mode === "both" ? only !== undefined && name === "moving" : mode !== name) continue;
    const report = new Report({ shown, print: (text) => console.log(`${name}: ${text}`) });
    await play(report);
    console.log(`${name}: ${report}`);
    isClean &&= report.isClean;
  }
  return isClean ? 0 : 1;
}

if (import.meta.main) await runTask(USAGE, main);
