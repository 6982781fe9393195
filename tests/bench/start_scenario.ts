import type { ContenderName } from "./contenders.ts";
import type { Row, Scenario, Stage } from "./scenario.ts";
import { spreadOf } from "./statistics.ts";

/** A start is short, so the median of several counts. */
const STARTS = 5;

/** The time from the start of a program to the first reply through it. */
export class StartScenario implements Scenario {
  readonly name = "start";
  readonly rows: readonly Row[] = [{
    title: "start to first answer",
    unit: "ms",
    goal: { of: "figure", at: "most", bound: 150, compiled: true },
  }];

  async measure(contender: ContenderName, { contenders }: Stage): Promise<(number | undefined)[]> {
    // The node itself is not started.
    if (contender === "node") return [undefined];
    const starts: number[] = [];
    while (starts.length < STARTS) {
      await using way = await contenders.start(contender);
      starts.push(way.startMs);
    }
    return [spreadOf(starts).median];
  }
}
