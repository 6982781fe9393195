import { processorSeconds } from "../support/processes.ts";
import { connectTo, loadOptions, type TlsUse, type Way } from "./contenders.ts";
import { type Load, type LoadFigures, runLoad } from "./load.ts";
import type { Row, Scenario } from "./scenario.ts";

/** The figures of a load with its CPU time. */
export interface Measured extends LoadFigures {
  /** CPU time of the process in between; undefined for the node itself. */
  readonly processorSecondsPerMillion: number | undefined;
}

/** A row with its figure. */
export interface LoadRow extends Row {
  readonly figure: (measured: Measured) => number | undefined;
}

/** A load and its rows. */
export interface LoadScenarioOptions {
  readonly name: string;
  /** Plain text by default. */
  readonly tls?: TlsUse | undefined;
  readonly load: Load;
  readonly rows: readonly LoadRow[];
  /** A request that the node gets first. */
  readonly first?: readonly string[];
  /** Seconds of one measurement; `MEASUREMENT_SECONDS` by default. */
  readonly seconds?: number;
  /** Seconds of the last load before the first round; `WARM_UP_SECONDS` by default. */
  readonly warmUpSeconds?: number;
  /** The maximum number of requests of one measurement. */
  readonly mostRequests?: number;
}

/**
 * The default length of one measurement, in seconds: long compared with the start of
 * redis-benchmark and with a tick of CPU time, short compared with other load on the machine. With
 * three other processes on each core, medians of 19 rounds of 0.4 s differed by 5 to 17 % between
 * runs, those of 7 rounds of 1 s by 12 to 25 %.
 *
 * Processes are not pinned to cores. With the measured program on a core of its own, the rounds of
 * a run agreed better, but runs did not, and deep pipelines measured the node and the load instead.
 */
const MEASUREMENT_SECONDS = 0.6;

/** The last warm-up load takes this long, enough for the JIT compiler. */
const WARM_UP_SECONDS = 0.5;

const WARM_UP_GROWTH = 4;

/** The same load for each contender, which runs all the time. */
export function loadScenario(
  { name, tls, load, rows, first, ...limits }: LoadScenarioOptions,
): Scenario {
  const { seconds = MEASUREMENT_SECONDS, mostRequests = Infinity } = limits;
  const { warmUpSeconds = WARM_UP_SECONDS } = limits;
  let requests = 0;
  return {
    name,
    tls,
    rows,
    /** Warms all up, and finds how many requests the slowest answers in one measurement. */
    async prepare({ ways }) {
      if (first !== undefined) {
        using client = await connectTo(ways.node);
        await client.ask(...first);
      }
      let slowest = Infinity;
      for (const way of Object.values(ways)) {
        slowest = Math.min(slowest, await warmUp(way, load, { mostRequests, warmUpSeconds }));
      }
      requests = Math.min(Math.ceil(slowest * seconds), mostRequests);
    },
    async measure(contender, { ways }) {
      const way = ways[contender];
      const before = way.pid && await processorSeconds(way.pid);
      const figures = await runLoad(way, { ...load, options: loadOptions(way) }, requests);
      const seconds = way.pid && await processorSeconds(way.pid) - before!;
      const processorSecondsPerMillion = seconds && seconds / requests * 1e6;
      return rows.map(({ figure }) => figure({ ...figures, processorSecondsPerMillion }));
    },
  };
}

/** Sends growing loads until one takes long enough, and returns its requests per second. */
async function warmUp(
  way: Way,
  load: Load,
  { mostRequests, warmUpSeconds }: { mostRequests: number; warmUpSeconds: number },
): Promise<number> {
  for (let requests = load.connections * load.pipeline;; requests *= WARM_UP_GROWTH) {
    const count = Math.min(requests, mostRequests);
    const { requestsPerSecond } = await runLoad(way, { ...load, options: loadOptions(way) }, count);
    const enough = count / requestsPerSecond >= warmUpSeconds;
    if (enough || count === mostRequests) return requestsPerSecond;
  }
}
