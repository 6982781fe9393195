import { countIdleClients, idleScenario } from "./idle_scenario.ts";
import { type LoadRow, loadScenario } from "./load_scenario.ts";
import { spreadOf } from "./results.ts";
import type { Goal, Scenario } from "./scenario.ts";

/** Keys in the first of three shards; others would be redirected. */
const KEY = "b";
const BIG_KEY = "f";

/** The default length of redis-benchmark. */
const VALUE = "xxx";

const BIG_VALUE = "x".repeat(1024 * 1024);

/** Each connection holds a value in memory. */
const BIG_VALUES = { connections: 8, pipeline: 1 };

/**
 * The maximum number of new connections, each of which leaves a port in TIME_WAIT for a minute on
 * both sides. There are 28,000 ephemeral ports for the same address, enough for two rounds, and two
 * rounds take more than a minute unless nothing else is measured. (Linux since 4.19 reuses ports
 * after a second if both ends are on the machine.)
 */
const MOST_NEW_CONNECTIONS = 3_000;

/** A start is short, so the median of several counts. */
const STARTS = 5;

/** The time from the start of a program to the first reply through it. */
const START: Scenario = {
  name: "start",
  rows: [{
    title: "start to first answer",
    unit: "ms",
    goal: { of: "figure", at: "most", bound: 150, compiled: true },
  }],
  async measure(contender, { start }) {
    const starts: number[] = [];
    for (let count = 0; count < STARTS; count++) {
      await using way = await start(contender);
      // The node itself is not started.
      if (way.startMs === undefined) return [undefined];
      starts.push(way.startMs);
    }
    return [spreadOf(starts).median];
  },
};

/** All there are, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  pipeline(1, { requests: 0.9, processor: 1.25 }),
  pipeline(16, { requests: 1, processor: 1.1 }),
  pipeline(100, { requests: 1, processor: 1.1 }),
  loadScenario({
    name: "get-1m",
    load: { ...BIG_VALUES, words: ["GET", BIG_KEY] },
    first: ["SET", BIG_KEY, BIG_VALUE],
    rows: [bytes("GET of 1 MiB")],
  }),
  loadScenario({
    name: "set-1m",
    load: { ...BIG_VALUES, words: ["SET", BIG_KEY], lastWord: BIG_VALUE },
    rows: [bytes("SET of 1 MiB")],
  }),
  loadScenario({
    name: "connections-2000",
    load: { connections: 2000, pipeline: 1, words: ["GET", KEY] },
    first: ["SET", KEY, VALUE],
    // Long enough for several requests of each connection.
    seconds: 1.5,
    rows: [
      requests("2000 connections"),
      latency("p50", "2000 connections"),
      latency("p99", "2000 connections"),
    ],
  }),
  loadScenario({
    name: "new-connections",
    load: { connections: 50, pipeline: 1, words: ["GET", KEY], reconnects: true },
    first: ["SET", KEY, VALUE],
    mostRequests: MOST_NEW_CONNECTIONS,
    rows: [{
      title: "new connections/s",
      unit: "connections/s",
      figure: ({ requestsPerSecond }) => requestsPerSecond,
    }],
  }),
  idleScenario(countIdleClients()),
  START,
];

function pipeline(depth: number, goals: { requests: number; processor: number }): Scenario {
  const what = `pipeline ${depth}`;
  return loadScenario({
    name: `pipeline-${depth}`,
    load: { connections: 50, pipeline: depth, words: ["GET", KEY] },
    first: ["SET", KEY, VALUE],
    rows: [
      requests(what, ratio("least", goals.requests)),
      latency("p50", what),
      latency("p99", what, ratio("most", 1.2)),
      {
        title: `CPU time, ${what}`,
        unit: "s/million",
        figure: ({ processorSecondsPerMillion }) => processorSecondsPerMillion,
        goal: ratio("most", goals.processor),
      },
    ],
  });
}

function ratio(at: Goal["at"], bound: number): Goal {
  return { of: "ratio", at, bound };
}

function requests(what: string, goal?: Goal): LoadRow {
  return {
    title: `requests/s, ${what}`,
    unit: "requests/s",
    figure: ({ requestsPerSecond }) => requestsPerSecond,
    ...goal && { goal },
  };
}

function latency(name: "p50" | "p99", what: string, goal?: Goal): LoadRow {
  return {
    title: `${name}, ${what}`,
    unit: "ms",
    figure: ({ p50Ms, p99Ms }) => name === "p50" ? p50Ms : p99Ms,
    ...goal && { goal },
  };
}

function bytes(what: string): LoadRow {
  return {
    title: `bytes/s, ${what}`,
    unit: "bytes/s",
    figure: ({ requestsPerSecond }) => requestsPerSecond * BIG_VALUE.length,
    goal: ratio("least", 0.95),
  };
}
