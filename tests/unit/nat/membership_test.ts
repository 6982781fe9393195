import { assertEquals } from "@std/assert";
import { line, TableScene, viewOf } from "../../support/views.ts";

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";
const B = line("b", "10.0.0.2:7000");
const C = line("c", "10.0.0.3:7000", "slave");
const D = line("d", "10.0.0.4:7000");
const E = line("e", "10.0.0.5:7000");

const VIEWS: [whose: string, lines: string[], ours: boolean][] = [
  ["a node", [A, B, C], true],
  ["a node that has met many new ones", [A, B, C, D, E], true],
  ["a node that misses some", [A, B], true],
  ["a node that has just joined", [D, A, B, C], true],
  ["a node that has met only one other", [D, B], false],
  ["a node that was removed", ["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected"], false],
  ["the last node of a cluster that has shrunk", [A], true],
  ["a node that has joined another cluster", [A, D], false],
  ["a cluster that one node has joined", [D, A, E], false],
  ["unknown nodes", [D, E], false],
];

for (const [whose, lines, ours] of VIEWS) {
  Deno.test(`a view of ${whose} ${ours ? "belongs" : "does not belong"} to the cluster`, () => {
    const { natTable } = new TableScene().knowing([A, B, C]);
    assertEquals(natTable.belongsToCluster(viewOf(lines)), ours);
  });
}

Deno.test("a cluster replaces another at its addresses, or after forgetAfterMs", () => {
  const { natTable } = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  const elsewhere = [line("d", "10.0.1.4:7000"), line("e", "10.0.1.5:7000")];
  assertEquals(natTable.looksReplaced(viewOf(elsewhere)), false);
  assertEquals(
    natTable.looksReplaced(viewOf(elsewhere, { takenAtMs: performance.now() + 2000 })),
    true,
  );
  assertEquals(natTable.looksReplaced(viewOf([line("d", "10.0.0.2:7000")])), true);
});

Deno.test("the first view belongs, and so does a lone node's own", () => {
  assertEquals(new TableScene().natTable.belongsToCluster(viewOf([A])), true);
  const { natTable } = new TableScene().knowing([A]);
  assertEquals([[A], [A, B, C], [D, E]].map((lines) => natTable.belongsToCluster(viewOf(lines))), [
    true,
    true,
    false,
  ]);
});
