import { processorSeconds } from "../support/processes.ts";
import { WireClient } from "../support/wire.ts";
import type { ContenderName, Way } from "./contenders.ts";
import { type Load, type LoadFigures, runLoad } from "./load.ts";
import type { Row, Scenario, Stage } from "./scenario.ts";

/** What a load met, and what that took. */
export interface Measured extends LoadFigures {
  /** Of the process in the way; undefined straight to the node. */
  readonly processorSecondsPerMillion: number | undefined;
}

/** A row, and its figure. */
export interface LoadRow extends Row {
  readonly figure: (measured: Measured) => number | undefined;
}

/** What a load is, and what of it is told. */
export interface LoadScenarioOptions {
  readonly name: string;
  readonly load: Load;
  readonly rows: readonly LoadRow[];
  /** What the node is asked first. */
  readonly first?: readonly string[];
  /** How long one measurement takes, in seconds, where the usual time is not enough. */
  readonly seconds?: number;
  /** How many requests at most are one measurement. */
  readonly mostRequests?: number;
}

/**
 * How long one measurement usually takes, in seconds: long against the start of redis-benchmark and
 * against the ticks in which processor time is counted, and short against what others do to the
 * machine. On one where three others wanted each of the cores all the time, medians of 19 rounds of
 * 0.4 s differed by 5 to 17 % from run to run, and those of 7 rounds of 1 s by 12 to 25 %.
 *
 * Nobody is tied to a core. Tried with what is in the way on one core and all else on the other, the
 * rounds of a run agree better, but runs do not: whatever else wants that one core counts in full.
 * With deep pipelines the node and the load, on one core together, are then what is measured.
 */
const MEASUREMENT_SECONDS = 0.6;

/** The last load before the first measurement takes so long; a JIT compiler is done by then. */
const WARM_UP_SECONDS = 0.5;

const WARM_UP_GROWTH = 4;

/** The same load for each contender, on connections to the one that runs all the time. */
export class LoadScenario implements Scenario {
  readonly name: string;
  readonly rows: readonly LoadRow[];
  readonly #load: Load;
  readonly #first: readonly string[] | undefined;
  readonly #seconds: number;
  readonly #mostRequests: number;
  #requests = 0;

  constructor({ name, load, rows, first, ...limits }: LoadScenarioOptions) {
    this.name = name;
    this.rows = rows;
    this.#load = load;
    this.#first = first;
    this.#seconds = limits.seconds ?? MEASUREMENT_SECONDS;
    this.#mostRequests = limits.mostRequests ?? Infinity;
  }

  /** Warms all up, and finds how many requests the slowest answers in the time of a measurement. */
  async prepare({ ways }: Stage): Promise<void> {
    if (this.#first !== undefined) {
      using client = await WireClient.connect(ways.node.host, ways.node.port);
      await client.ask(...this.#first);
    }
    let slowest = Infinity;
    for (const way of Object.values(ways)) slowest = Math.min(slowest, await this.#warmUp(way));
    this.#requests = Math.min(Math.ceil(slowest * this.#seconds), this.#mostRequests);
  }

  async measure(contender: ContenderName, { ways }: Stage): Promise<(number | undefined)[]> {
    const way = ways[contender];
    const before = way.pid && await processorSeconds(way.pid);
    const figures = await runLoad(way, this.#load, this.#requests);
    const seconds = way.pid && await processorSeconds(way.pid) - before!;
    const processorSecondsPerMillion = seconds && seconds / this.#requests * 1e6;
    return this.rows.map(({ figure }) => figure({ ...figures, processorSecondsPerMillion }));
  }

  /** Sends more and more requests until they take some time, and tells how many a second it were. */
  async #warmUp(way: Way): Promise<number> {
    const { connections, pipeline } = this.#load;
    for (let requests = connections * pipeline;; requests *= WARM_UP_GROWTH) {
      const count = Math.min(requests, this.#mostRequests);
      const { requestsPerSecond } = await runLoad(way, this.#load, count);
      const enough = count / requestsPerSecond >= WARM_UP_SECONDS;
      if (enough || count === this.#mostRequests) return requestsPerSecond;
    }
  }
}
