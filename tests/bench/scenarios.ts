import { WireClient } from "../support/wire.ts";
import type { ContenderName, Contenders, Way } from "./contenders.ts";
import { type Load, runLoad } from "./load.ts";
import { processorSeconds } from "./processes.ts";

/** What figures are counted in. */
export type Unit = "requests/s" | "ms" | "s/million";

/** What the proxy is to reach: a bound of its figure, or of that divided by HAProxy's. */
export interface Goal {
  readonly of: "ratio" | "figure";
  readonly at: "least" | "most";
  readonly bound: number;
}

/** A line of the table. */
export interface Row {
  readonly title: string;
  readonly unit: Unit;
  readonly goal?: Goal;
}

/** Where scenarios are played. */
export interface Stage {
  readonly contenders: Contenders;
  /** One of each contender, which runs all the time. */
  readonly ways: Readonly<Record<ContenderName, Way>>;
}

/** Some rows that are measured together. */
export interface Scenario {
  /** What `--rows` calls it. */
  readonly name: string;
  readonly rows: readonly Row[];
  /** Is called once, before the first round. */
  prepare?(stage: Stage): Promise<void>;
  /** Measures once: a figure for each row, or undefined where there is nothing to measure. */
  measure(contender: ContenderName, stage: Stage): Promise<readonly (number | undefined)[]>;
}

/** A key of the first of three shards; from another node it would be a redirect, and no figures. */
const KEY = "b";

/** As long as those that redis-benchmark itself sends unless told. */
const VALUE = "xxx";

/** How long one measurement lasts, in seconds: long against a hiccup of a shared machine. */
const MEASUREMENT_SECONDS = 2;

/** The last load before the first measurement lasts so long; a JIT compiler is done by then. */
const WARM_UP_SECONDS = 0.5;

const WARM_UP_GROWTH = 4;

/** Small requests in pipelines: how many a second, how late the answers, at what cost. */
class PipelineScenario implements Scenario {
  readonly name: string;
  readonly rows: readonly Row[];
  readonly #load: Load;
  #requests = 0;

  constructor(depth: number, goals: { requests: number; processor: number }) {
    this.name = `pipeline-${depth}`;
    this.#load = { connections: 50, pipeline: depth, words: ["GET", KEY] };
    const of = "ratio";
    this.rows = [
      {
        title: `requests/s, pipeline ${depth}`,
        unit: "requests/s",
        goal: { of, at: "least", bound: goals.requests },
      },
      { title: `p50, pipeline ${depth}`, unit: "ms" },
      { title: `p99, pipeline ${depth}`, unit: "ms", goal: { of, at: "most", bound: 1.2 } },
      {
        title: `processor time, pipeline ${depth}`,
        unit: "s/million",
        goal: { of, at: "most", bound: goals.processor },
      },
    ];
  }

  async prepare({ ways }: Stage): Promise<void> {
    using client = await WireClient.connect(ways.node.host, ways.node.port);
    await client.ask("SET", KEY, VALUE);
    this.#requests = await calibrate(this.#load, ways);
  }

  async measure(contender: ContenderName, { ways }: Stage): Promise<(number | undefined)[]> {
    const way = ways[contender];
    const before = way.pid && await processorSeconds(way.pid);
    const { requestsPerSecond, p50Ms, p99Ms } = await runLoad(way, this.#load, this.#requests);
    const seconds = way.pid && await processorSeconds(way.pid) - before!;
    return [requestsPerSecond, p50Ms, p99Ms, seconds && seconds / this.#requests * 1e6];
  }
}

/** Warms all up, and finds how many requests the slowest answers in the time of a measurement. */
async function calibrate(load: Load, ways: Stage["ways"]): Promise<number> {
  const rates: number[] = [];
  for (const way of Object.values(ways)) rates.push(await warmUp(load, way));
  return Math.ceil(Math.min(...rates) * MEASUREMENT_SECONDS);
}

/** Sends more and more requests until they take some time, and returns how many that were a second. */
async function warmUp(load: Load, way: Way): Promise<number> {
  for (let requests = load.connections * load.pipeline;; requests *= WARM_UP_GROWTH) {
    const { requestsPerSecond } = await runLoad(way, load, requests);
    if (requests / requestsPerSecond >= WARM_UP_SECONDS) return requestsPerSecond;
  }
}

/** All there are, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  new PipelineScenario(1, { requests: 0.9, processor: 1.25 }),
  new PipelineScenario(16, { requests: 1, processor: 1.1 }),
  new PipelineScenario(100, { requests: 1, processor: 1.1 }),
];
