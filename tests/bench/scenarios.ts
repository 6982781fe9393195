import type { TlsUse } from "./contenders.ts";
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

const PLAIN: readonly Scenario[] = [
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
    rows: [newConnections("")],
  }),
  idleScenario({ name: "idle", what: "", count: countIdleClients(), limitBytes: 12 * 1024 }),
  START,
];

/** Enough to measure; each takes memory of the benchmark, too. */
const IDLE_TLS_CLIENTS = 2_000;

/** redis-benchmark counts the handshakes, of 50 connections at first, with the requests. */
const TLS_SECONDS = 2;

/** The goals of one kind of TLS, as ratios to HAProxy's figures, by pipeline. */
interface TlsGoals {
  readonly requests: Readonly<Record<1 | 16 | 100, number>>;
  readonly sides: 1 | 2;
}

const TLS: readonly Scenario[] = [
  ...tlsScenarios("clients", { clients: true, nodes: false }, {
    requests: { 1: 0.75, 16: 0.75, 100: 0.8 },
    sides: 1,
  }),
  ...tlsScenarios("nodes", { clients: false, nodes: true }, {
    requests: { 1: 0.85, 16: 0.85, 100: 0.85 },
    sides: 1,
  }),
  ...tlsScenarios("both", { clients: true, nodes: true }, {
    requests: { 1: 0.65, 16: 0.65, 100: 0.65 },
    sides: 2,
  }),
];

/** All there are, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [...PLAIN, ...TLS];

function tlsScenarios(
  to: "clients" | "nodes" | "both",
  tls: TlsUse,
  { requests: goals, sides }: TlsGoals,
): Scenario[] {
  const what = `TLS to ${to}`;
  const pipelines = ([1, 16, 100] as const).map((depth) =>
    loadScenario({
      name: `tls-${to}-${depth}`,
      tls,
      load: { connections: 50, pipeline: depth, words: ["GET", KEY] },
      first: ["SET", KEY, VALUE],
      seconds: TLS_SECONDS,
      warmUpSeconds: TLS_SECONDS,
      rows: [
        requests(`pipeline ${depth}, ${what}`, ratio("least", goals[depth])),
        processorTime(`pipeline ${depth}, ${what}`),
      ],
    })
  );
  return [
    ...pipelines,
    loadScenario({
      name: `tls-${to}-get-1m`,
      tls,
      load: { ...BIG_VALUES, words: ["GET", BIG_KEY] },
      first: ["SET", BIG_KEY, BIG_VALUE],
      rows: [bytes(`GET of 1 MiB, ${what}`, 0.4)],
    }),
    loadScenario({
      name: `tls-${to}-new-connections`,
      tls,
      load: { connections: 50, pipeline: 1, words: ["GET", KEY], reconnects: true },
      first: ["SET", KEY, VALUE],
      mostRequests: MOST_NEW_CONNECTIONS,
      rows: [newConnections(`, ${what}`)],
    }),
    idleScenario({
      name: `tls-${to}-idle`,
      what: `, ${what}`,
      count: Math.min(IDLE_TLS_CLIENTS, countIdleClients()),
      limitBytes: sides * 90 * 1024,
      tls,
    }),
  ];
}

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
      processorTime(what, ratio("most", goals.processor)),
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

function processorTime(what: string, goal?: Goal): LoadRow {
  return {
    title: `CPU time, ${what}`,
    unit: "s/million",
    figure: ({ processorSecondsPerMillion }) => processorSecondsPerMillion,
    ...goal && { goal },
  };
}

function newConnections(what: string): LoadRow {
  return {
    title: `new connections/s${what}`,
    unit: "connections/s",
    figure: ({ requestsPerSecond }) => requestsPerSecond,
  };
}

function bytes(what: string, least = 0.95): LoadRow {
  return {
    title: `bytes/s, ${what}`,
    unit: "bytes/s",
    figure: ({ requestsPerSecond }) => requestsPerSecond * BIG_VALUE.length,
    goal: ratio("least", least),
  };
}
