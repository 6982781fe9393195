import { CONTENDERS } from "./contenders.ts";
import type { RowFigures } from "./results.ts";
import type { Scenario, Stage } from "./scenario.ts";

/**
 * Runs all scenarios, round by round, and returns the figures of their rows in order.
 *
 * @throws the reason of the stage's signal, if that is aborted
 */
export async function playRounds(
  scenarios: readonly Scenario[],
  stage: Stage,
  rounds: number,
): Promise<RowFigures[]> {
  for (const scenario of scenarios) {
    progress(`before the first round: ${scenario.name}`);
    stage.signal.throwIfAborted();
    await scenario.prepare?.(stage);
  }
  const figures = scenarios.map(({ rows }) => rows.map((): RowFigures => ({})));
  for (let round = 0; round < rounds; round++) {
    for (const [index, scenario] of scenarios.entries()) {
      if (round >= (scenario.mostRounds ?? Infinity)) continue;
      progress(`round ${round + 1} of ${rounds}: ${scenario.name}`);
      await playRound(scenario, { stage, round, figures: figures[index]! });
    }
  }
  progress("");
  return figures.flat();
}

/** Measures all contenders, in an order that rotates by round. */
async function playRound(
  scenario: Scenario,
  { stage, round, figures }: { stage: Stage; round: number; figures: RowFigures[] },
): Promise<void> {
  for (let turn = 0; turn < CONTENDERS.length; turn++) {
    stage.signal.throwIfAborted();
    const name = CONTENDERS[(round + turn) % CONTENDERS.length]!;
    const measured = await scenario.measure(name, stage);
    for (const [at, figure] of measured.entries()) {
      if (figure !== undefined) (figures[at]![name] ??= []).push(figure);
    }
  }
}

/** Prints progress on one line of a terminal. */
function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}
