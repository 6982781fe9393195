import { assertEquals } from "@std/assert";
import type { NatEntry } from "../../src/nat/nat_table.ts";
import { FailureWatch, type FailureWatchOptions } from "../../src/nat/failure_watch.ts";
import { until } from "../support/until.ts";
import { idOf, line, viewOf } from "../support/views.ts";

const NODES = ["a", "b", "c"].map((digit, index): NatEntry => ({
  id: idOf(digit),
  address: { host: "10.0.0.1", port: 7000 + index },
  names: [],
  role: "primary",
  busPort: undefined,
  publicPort: 8000 + index,
}));

const OWN = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";

/** A watch whose nodes give the answers of a test, by port; it stops when the block ends. */
class Scene implements Disposable {
  readonly answers = new Map<number, string[]>();
  /** The ports of the nodes that were asked. */
  readonly asked: number[] = [];
  readonly failed: string[] = [];
  readonly #watch: FailureWatch;

  constructor(options: Partial<FailureWatchOptions> = {}) {
    this.#watch = new FailureWatch({
      natTable: { nodes: NODES },
      discovery: {
        nodesAt: ({ port }) => {
          this.asked.push(port);
          const lines = this.answers.get(port);
          return Promise.resolve(lines && [...viewOf(lines).nodes]);
        },
      },
      isNeeded: () => true,
      isUp: () => true,
      failed: ({ id }) => this.failed.push(id[0]!),
      ...options,
    });
    this.#watch.start();
  }

  [Symbol.dispose](): void {
    this.#watch.stop();
  }
}

Deno.test("only `fail` is a node's failure, and the next question comes soon after `fail?`", async () => {
  using scene = new Scene();
  const suspicious = [OWN, line("b", "10.0.0.1:7001", "master,fail?")];
  for (const { address } of NODES) scene.answers.set(address.port, suspicious);
  await until("it has asked", () => scene.asked.length > 0);
  const suspectedAtMs = performance.now();
  assertEquals(scene.failed, []);
  const failed = [
    OWN,
    line("b", "10.0.0.1:7001", "master,fail"),
    line("d", "10.0.0.1:7009", "slave,fail"),
  ];
  for (const { address } of NODES) scene.answers.set(address.port, failed);
  await until("it is told", () => scene.failed.length > 0);
  assertEquals(scene.failed, ["b"]);
  const tookMs = performance.now() - suspectedAtMs;
  assertEquals(tookMs < 900, true, `It took ${tookMs} ms`);
});

Deno.test("where a node does not answer the next is asked, and that one first from then on", async () => {
  using scene = new Scene({ isUp: ({ address }) => address.port !== 7002 });
  scene.answers.set(7001, [OWN, line("c", "10.0.0.1:7002", "master,fail")]);
  await until("it is told twice", () => scene.failed.length === 2);
  assertEquals([scene.asked, scene.failed], [[7000, 7001, 7001], ["c", "c"]]);
});

Deno.test("nobody is asked while there is nothing to find out", async () => {
  let looks = 0;
  using scene = new Scene({ isNeeded: () => ++looks === 0 });
  await until("that was asked", () => looks > 1);
  assertEquals(scene.asked, []);
});
