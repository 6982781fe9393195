import { assertEquals } from "@std/assert";
import type { NatEntry } from "../../src/nat/nat_table.ts";
import { FailureWatch, type FailureWatchOptions } from "../../src/nat/failure_watch.ts";
import { until } from "../support/until.ts";
import { idOf, line, viewOf } from "../support/views.ts";

const NODES = ["a", "b", "c"].map((digit, index): NatEntry => ({
  id: idOf(digit),
  address: { host: "10.0.0.1", port: 7000 + index },
  announced: [],
  role: "primary",
  busPort: undefined,
  peerPort: undefined,
  listenPort: 8000 + index,
}));

const OWN = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";

/** A watch of nodes with scripted answers, by port; it stops when the block ends. */
class Scene implements Disposable {
  readonly answers = new Map<number, string[]>();
  /** The ports of the nodes that were queried. */
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
      onFailed: ({ id }) => this.failed.push(id[0]!),
      ...options,
    });
    this.#watch.start();
  }

  [Symbol.dispose](): void {
    this.#watch.stop();
  }
}

Deno.test("only `fail` is a failure, and after `fail?` the next query comes soon", async () => {
  using scene = new Scene();
  const suspicious = [OWN, line("b", "10.0.0.1:7001", "master,fail?")];
  for (const { address } of NODES) scene.answers.set(address.port, suspicious);
  await until("a node was queried", () => scene.asked.length > 0);
  const suspectedAtMs = performance.now();
  assertEquals(scene.failed, []);
  const failed = [
    OWN,
    line("b", "10.0.0.1:7001", "master,fail"),
    line("d", "10.0.0.1:7009", "slave,fail"),
  ];
  for (const { address } of NODES) scene.answers.set(address.port, failed);
  await until("the failure is reported", () => scene.failed.length > 0);
  assertEquals(scene.failed, ["b"]);
  const tookMs = performance.now() - suspectedAtMs;
  assertEquals(tookMs < 900, true, `It took ${tookMs} ms`);
});

Deno.test("if a node does not answer, the next is queried, and is first from then on", async () => {
  using scene = new Scene({ isUp: ({ address }) => address.port !== 7002 });
  scene.answers.set(7001, [OWN, line("c", "10.0.0.1:7002", "master,fail")]);
  await until("the failure is reported twice", () => scene.failed.length === 2);
  assertEquals([scene.asked, scene.failed], [[7000, 7001, 7001], ["c", "c"]]);
});

Deno.test("no node is queried while no failure would matter", async () => {
  let looks = 0;
  using scene = new Scene({ isNeeded: () => ++looks === 0 });
  await until("the watch has checked twice", () => looks > 1);
  assertEquals(scene.asked, []);
});
