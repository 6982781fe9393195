import { assertEquals } from "@std/assert";
import { testSeed } from "../support/random.ts";
import { type Fault, shownScenario } from "./pipelines/compared.ts";
import { KERNEL_TELLS } from "./pipelines/kernel.ts";
import { movePipelines } from "./pipelines/moving.ts";
import { Report } from "./pipelines/report.ts";
import { shownRequest } from "./pipelines/requests.ts";
import { comparePipelines } from "./pipelines/rounds.ts";
import { Stage } from "./pipelines/stage.ts";

/** Enough for some failovers; `deno task pipelines` compares thousands. */
const COMPARED = 300;

const MOVED = 2_000;

Deno.test({
  name: "random pipelines are answered as straight while slots and primaries change",
  ignore: !KERNEL_TELLS,
  async fn(t) {
    const seed = testSeed();
    console.log(`TEST_SEED=${seed}`);
    await using stage = await Stage.start();

    await t.step("with a node that answers nothing until all is asked", async () => {
      const faults: string[] = [];
      const report = new Report();
      await comparePipelines(stage, {
        count: COMPARED,
        seed,
        report,
        wantsShrunk: () => true,
        onFault: (_, scenario, fault) => faults.push(shown(shownScenario(scenario), fault)),
      });
      console.log(`${report}`);
      assertEquals(faults, []);
    });

    await t.step("with slots that come and go all the time", async () => {
      const faults: string[] = [];
      const report = new Report();
      await movePipelines(stage, {
        count: MOVED,
        seed,
        report,
        onFault(requests, fault) {
          faults.push(shown(requests.map(shownRequest).join(" | "), fault));
        },
      });
      console.log(`${report}`);
      assertEquals(faults, []);
    });
  },
});

function shown(asked: string, { kind, what, straight, proxied }: Fault): string {
  return `${asked}\n${kind}: ${what}\nstraight: ${straight}\nproxied: ${proxied}`;
}
