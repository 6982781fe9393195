import { type Outcome, randomScenario, type Scenario } from "./compared.ts";
import { settle, shownScenario, shrunk, TestedNode } from "./compared.ts";
import type { Report } from "./report.ts";
import { allRequests } from "./requests.ts";
import type { Stage } from "./stage.ts";

/** Options of a run. */
export interface RunOptions {
  /** Number of pipelines, at least. */
  readonly count: number;
  readonly seed: number;
  /** The only round to play. */
  readonly only?: number | undefined;
  readonly report: Report;
}

/** Rounds on each of two nodes at the same time, before those with a failover. */
const ROUNDS_EACH = 40;

/** Rounds with a failover, which takes seconds. */
const FAILOVERS = 2;

const ROUNDS_TOGETHER = 2 * ROUNDS_EACH + FAILOVERS;

/** How often a round that differs is repeated: some differences are timing. */
const TRIES = 2;

/** Plays rounds until enough pipelines are compared. Round N of a seed is always the same. */
export async function comparePipelines(stage: Stage, options: RunOptions): Promise<void> {
  const { count, report, only } = options;
  const [first, second, third, replica] = stage.cluster.nodes;
  if (only !== undefined) {
    const place = only % ROUNDS_TOGETHER;
    if (place >= 2 * ROUNDS_EACH) return await playFailover(stage, only, options);
    await using testedNode = await TestedNode.open(stage, place < ROUNDS_EACH ? first! : second!);
    return await playRound(testedNode, only, options);
  }
  for (let base = 0; report.pipelines < count; base += ROUNDS_TOGETHER) {
    await Promise.all([first!, second!].map(async (node, index) => {
      await using testedNode = await TestedNode.open(stage, node);
      for (let round = 0; round < ROUNDS_EACH && report.pipelines < count; round++) {
        await playRound(testedNode, base + index * ROUNDS_EACH + round, options);
      }
    }));
    for (let round = 0; round < FAILOVERS && report.pipelines < count; round++) {
      await playFailover(stage, base + 2 * ROUNDS_EACH + round, options);
    }
  }
  await settle(stage, [third!, replica!]);
}

/** Plays every known request, on a connection for each kind and protocol. */
export async function compareEach(stage: Stage, options: RunOptions): Promise<void> {
  const [node, other] = stage.cluster.nodes;
  await using testedNode = await TestedNode.open(stage, node!);
  for (const requests of allRequests(testedNode.subjects, other!)) {
    for (const opening of ["authenticated", "RESP3"] as const) {
      const batch = {
        requests,
        change: undefined,
        changeFirst: false,
        proxiedFirst: false,
        cutAfter: 0,
      };
      const scenario = { seed: options.seed, opening, batches: [batch] };
      await checkRound("each", scenario, (scenario) => testedNode.play(scenario), options);
    }
  }
}

async function playRound(
  testedNode: TestedNode,
  round: number,
  options: RunOptions,
): Promise<void> {
  const scenario = randomScenario(options.seed + round, testedNode.subjects, false);
  await checkRound(round, scenario, (scenario) => testedNode.play(scenario), options);
}

async function playFailover(stage: Stage, round: number, options: RunOptions): Promise<void> {
  const [, , one, other] = stage.cluster.nodes;
  async function atPrimary<T>(use: (node: TestedNode) => T | Promise<T>): Promise<T> {
    const primary = await settle(stage, [one!, other!]);
    await using testedNode = await TestedNode.open(stage, primary, primary === one ? other! : one!);
    return await use(testedNode);
  }
  const scenario = await atPrimary(({ subjects }) => {
    return randomScenario(options.seed + round, subjects, true);
  });
  await checkRound(
    round,
    scenario,
    (scenario) => atPrimary((node) => node.play(scenario)),
    options,
  );
}

async function checkRound(
  round: number | "each",
  scenario: Scenario,
  play: (scenario: Scenario) => Promise<Outcome>,
  { report }: RunOptions,
): Promise<void> {
  let outcome = await play(scenario);
  let fault = outcome.fault;
  // A leak counts at once; any other fault must be repeatable.
  for (let tries = 1; fault !== undefined && fault.kind !== "leak" && tries <= TRIES; tries++) {
    outcome = await play(scenario);
    if (outcome.fault === undefined) {
      report.count("rounds that differed only once");
      fault = undefined;
    }
  }
  report.add(scenario.batches.length, outcome);
  if (fault === undefined || !report.wantsFaults) return;
  const least = await shrunk(scenario, fault.kind, async (candidate) => {
    const outcome = await play(candidate);
    if (outcome.fault?.kind === fault!.kind) fault = outcome.fault;
    return outcome;
  });
  report.show(`--only ${round}\n${shownScenario(least)}`, fault);
}
