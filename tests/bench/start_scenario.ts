import type { ContenderName } from "./contenders.ts";
import type { Row, Scenario, Stage } from "./scenario.ts";
import { spreadOf } from "./statistics.ts";

/** A start is short, and whatever else the machine does may be as long. */
const STARTS = 5;

/** How long it takes from the start of a program to the first answer that comes through it. */
export class StartScenario implements Scenario {
  readonly name = "start";
  readonly rows: readonly Row[] = [{
    title: "start to first answer",
    unit: "ms",
    goal: { of: "figure", at: "most", bound: 150, compiled: true },
  }];

  async measure(contender: ContenderName, { contenders }: Stage): Promise<(number | undefined)[]> {
    // Nothing is started on the way straight to the node.
    if (contender === "node") return [undefined];
    const starts: number[] = [];
    while (starts.length < STARTS) {
      await using way = await contenders.start(contender);
      starts.push(way.startMs);
    }
    return [spreadOf(starts).median];
  }
}
