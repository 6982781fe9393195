/**
 * `deno task pipelines --count 5000`: random pipelines of all kinds of requests, to a node directly
 * and through the proxy, while slots move, nodes fail over and channels lose their slots. Prints its
 * seed and each fault with the shortest pipeline that shows it. Linux only.
 */
import { parseArgs } from "@std/cli/parse-args";
import { movePipelines } from "./live/pipelines/moving.ts";
import { Report } from "./live/pipelines/report.ts";
import { comparePipelines } from "./live/pipelines/rounds.ts";
import { Stage } from "./live/pipelines/stage.ts";

/** The moving mode is faster, because it stops no node, so it plays more pipelines. */
const MOVING_FACTOR = 4;

const USAGE = `Usage: deno run -A tests/pipelines.ts [options]
  --count N      pipelines to compare, 1000 by default
  --seed N       seed of all that is random
  --only N       play only this round of a reported fault
  --mode MODE    compared: the node is stopped until all is sent; moving: slots and primaries change
                 all the time; both by default
  --server PATH  redis-server or valkey-server; REDIS_SERVER, or the one on the PATH by default
  --proxy CMD    another program instead of the proxy, such as 'deno run -A src/main.ts'
  --shown N      faults to print, 20 by default`;

const OPTIONS = ["count", "seed", "only", "mode", "server", "proxy", "shown"];

async function main(): Promise<number> {
  const given = parseArgs(Deno.args, { string: OPTIONS }) as Record<string, string | undefined>;
  const { mode = "both", only, server, proxy } = given;
  const count = Number(given.count ?? 1000);
  const seed = Number(given.seed ?? Math.floor(Math.random() * 2 ** 32));
  const shown = Number(given.shown ?? 20);
  const isUnknown = Object.keys(given).some((name) => name !== "_" && !OPTIONS.includes(name));
  const isNumber = [count, seed, shown, Number(only ?? 0)]
    .every((number) => Number.isSafeInteger(number) && number >= 0);
  if (isUnknown || !isNumber || !["compared", "moving", "both"].includes(mode)) {
    console.error(USAGE);
    return 2;
  }
  if (server !== undefined) Deno.env.set("REDIS_SERVER", server);
  console.log(`deno run -A tests/pipelines.ts --count ${count} --seed ${seed}`);
  await using stage = await Stage.start(proxy?.split(" ") ?? []);
  let isClean = true;
  async function play(name: string, run: (report: Report) => Promise<void>): Promise<void> {
    const report = new Report({ shown, print: (text) => console.log(`${name}: ${text}`) });
    await run(report);
    console.log(`${name}: ${report}`);
    isClean &&= report.isClean;
  }
  if (mode !== "moving") {
    await play("compared", (report) =>
      comparePipelines(stage, {
        count,
        seed,
        report,
        ...only === undefined ? {} : { only: Number(only) },
      }));
  }
  if (mode !== "compared" && only === undefined) {
    await play(
      "moving",
      (report) => movePipelines(stage, { count: MOVING_FACTOR * count, seed, report }),
    );
  }
  return isClean ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
