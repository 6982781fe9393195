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
      for (let turn = 0; turn < CONTENDERS.length; turn++) {
        stage.signal.throwIfAborted();
        // The order rotates by round.
        const name = CONTENDERS[(round + turn) % CONTENDERS.length]!;
        for (const [at, figure] of (await scenario.measure(name, stage)).entries()) {
          if (figure !== undefined) (figures[index]![at]![name] ??= []).push(figure);
        }
      }
    }
  }
  progress("");
  return figures.flat();
}

/** Prints progress on one line of a terminal. */
function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}
