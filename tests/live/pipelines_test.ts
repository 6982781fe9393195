import { assertEquals } from "@std/assert";
import { testSeed } from "../support/random.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { CAN_READ_SOCKETS } from "./pipelines/kernel.ts";
import { movePipelines } from "./pipelines/moving.ts";
import { Report } from "./pipelines/report.ts";
import { compareEach, comparePipelines } from "./pipelines/rounds.ts";
import { Stage } from "./pipelines/stage.ts";

const PAUSED = "from a node that is stopped until all is sent";

/** Enough for some failovers; `deno task pipelines` compares thousands. */
const COMPARED = 300;

const MOVED = 2_000;

Deno.test({
  name: "random pipelines get the replies of a direct connection while slots and primaries change",
  ignore: !CAN_READ_SOCKETS,
  async fn(t) {
    const seed = testSeed();
    console.log(`TEST_SEED=${seed}`);
    await using stage = await Stage.start();
    const plays = {
      "for each kind of request": (report: Report) =>
        compareEach(stage, { count: 0, seed, report }),
      [PAUSED]: (report: Report) => comparePipelines(stage, { count: COMPARED, seed, report }),
      "from nodes whose slots move all the time": (report: Report) =>
        movePipelines(stage, { count: MOVED, seed, report }),
    };
    for (const [name, play] of Object.entries(plays)) {
      const hindrance = name === PAUSED
        ? withTls("either", "a socket does not tell how many requests it has")
        : undefined;
      await t.step(unless(hindrance, name, async () => {
        const report = new Report();
        await play(report);
        console.log(`${report}`);
        assertEquals(report.faults, []);
      }));
    }
  },
});
