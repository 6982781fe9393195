import { assertEquals } from "@std/assert";
import { Logged } from "../../support/logged.ts";
import { idOf, line, seenBy, TableScene, viewOf } from "../../support/views.ts";

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";
const B = line("b", "10.0.0.2:7000");
const C = line("c", "10.0.0.3:7000", "slave");

/** As after `ms` more milliseconds of the clock that views are dated by. */
function later(ms: number): { takenAtMs: number } {
  return { takenAtMs: performance.now() + ms };
}

Deno.test("a new node gets the next port, whatever its address", () => {
  const scene = new TableScene();
  scene.applyView(viewOf([A, C]));
  scene.applyView(viewOf([A, B, C]));
  assertEquals(scene.mapping, {
    a: "8000 10.0.0.1:7000",
    c: "8001 10.0.0.3:7000",
    b: "8002 10.0.0.2:7000",
  });
});

Deno.test("a node that a view places elsewhere stays until it is known to have moved", () => {
  const scene = new TableScene();
  const { natTable } = scene;
  scene.applyView(viewOf([A, B]));
  for (let times = 0; times < 3; times++) {
    scene.applyView(viewOf([A, line("b", "10.9.9.9:7000")]));
  }
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000");
  assertEquals(scene.done, ["open 8000", "open 8001", "conflict"], "news is told once");
  const [{ node, reportedAddress: address }] = natTable.addressConflicts as [
    typeof natTable.addressConflicts[0],
  ];
  assertEquals([node.id, address], [idOf("b"), { host: "10.9.9.9", port: 7000 }]);

  scene.apply(natTable.move(node, address));
  assertEquals(scene.mapping["b"], "8001 10.9.9.9:7000");
  assertEquals(scene.done.at(-1), "moved 8001");
  assertEquals(natTable.addressConflicts, []);
  // Other nodes may still tell of the old one.
  for (const host of ["10.0.0.2", "10.9.9.9"]) {
    assertEquals(natTable.portOf({ host, port: 7000 }), 8001);
  }
});

Deno.test("a node is found by its public port, with the bus port that it has now", () => {
  const scene = new TableScene().knowing([A]);
  const { natTable } = scene;
  assertEquals(natTable.atPort(8000)?.busPort, 17000);
  scene.applyView(viewOf([A.replace("@17000", "@7501,name.internal")]));
  const { id, busPort } = natTable.atPort(8000)!;
  assertEquals([id, busPort], [idOf("a"), 7501]);
  assertEquals(natTable.atPort(8001), undefined);
  for (const host of ["10.0.0.1", "NAME.internal"]) {
    assertEquals(natTable.isKnown({ host, port: 7000 }), true);
  }
  for (const [host, port] of [["10.0.0.1", 8000], ["10.0.0.1", 7501], ["", 7000]] as const) {
    assertEquals(natTable.isKnown({ host, port }), false);
  }
});

Deno.test("a view that agrees settles a dispute, and one of a failed node begins none", () => {
  const scene = new TableScene().knowing([A, B]);
  const { natTable } = scene;
  scene.applyView(viewOf([A, line("b", "10.9.9.9:7000")]));
  scene.applyView(viewOf([A, B]));
  assertEquals(natTable.addressConflicts, []);
  scene.applyView(viewOf([A, line("b", "10.9.9.9:7000", "master,fail")]));
  assertEquals(natTable.addressConflicts, []);
});

Deno.test("a role changes with the view", () => {
  const scene = new TableScene().knowing([A, B, C]);
  const { natTable } = scene;
  assertEquals(natTable.nodes.map(({ role }) => role), ["primary", "primary", "replica"]);
  scene.applyView(viewOf([A, line("b", "10.0.0.2:7000", "slave"), line("c", "10.0.0.3:7000")]));
  assertEquals(natTable.nodes.map(({ role }) => role), ["primary", "replica", "primary"]);
});

Deno.test("a forgotten node keeps its port for the grace time, which it must be gone for", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B]);
  const { natTable } = scene;
  const forgotten = (...at: number[]) => {
    for (const ms of at) scene.applyView(viewOf([A], later(ms)));
    return scene.mapping["b"] === undefined;
  };
  assertEquals(forgotten(5000, 5999), false);
  scene.applyView(viewOf([A, B], later(6000)));
  assertEquals(forgotten(7000, 7999), false, "its time begins anew");
  assertEquals(forgotten(8000), true);
  assertEquals(scene.done.at(-1), "close 8001");
  assertEquals(natTable.portOf({ host: "10.0.0.2", port: 7000 }), undefined);
  assertEquals(natTable.portOf({ id: idOf("b"), host: "", port: 0 }), undefined);
});

Deno.test("a single node cannot have another forgotten", () => {
  const scene = new TableScene().knowing([A, B, C]);
  for (let times = 0; times < 3; times++) scene.applyView(viewOf([A, C]));
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000");
  scene.applyView(seenBy("c", viewOf([A, C])));
  assertEquals(scene.mapping["b"], undefined);
});

Deno.test("a node that all others have forgotten does not speak for itself", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  scene.applyView(viewOf([A, C], later(0)));
  scene.applyView(seenBy("b", viewOf([A, B, C], later(500))));
  scene.applyView(seenBy("c", viewOf([A, C], later(1500))));
  assertEquals(scene.mapping["b"], undefined);
});

Deno.test("a node that is missing for long is forgotten when it is known to be gone", () => {
  const scene = new TableScene({ verifies: true }).knowing([A, B, C]);
  const { natTable } = scene;
  const address = { host: "10.0.0.2", port: 7000 };
  scene.applyView(viewOf([A, C]));
  assertEquals(natTable.suspects, [], "one node alone says so");
  scene.applyView(seenBy("c", viewOf([A, C])));
  assertEquals(natTable.suspects, [{ id: idOf("b"), address }]);
  natTable.keep(natTable.suspects[0]!);
  assertEquals([natTable.suspects, scene.mapping["b"]], [[], "8001 10.0.0.2:7000"]);

  for (const digit of ["a", "c"]) scene.applyView(seenBy(digit, viewOf([A, C])));
  const [suspect] = natTable.suspects;
  scene.applyView(viewOf([A, B, C]));
  scene.apply(natTable.forget(suspect!));
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000", "a view has listed it meanwhile");

  for (const digit of ["a", "c"]) scene.applyView(seenBy(digit, viewOf([A, C])));
  scene.apply(natTable.forget(natTable.suspects[0]!));
  assertEquals([natTable.suspects, scene.mapping["b"]], [[], undefined]);
});

Deno.test("a view that is late adds nodes, and changes nothing", () => {
  const scene = new TableScene().knowing([A, B]);
  const { natTable } = scene;
  const late = viewOf([A, line("b", "10.9.9.9:7000", "slave"), line("d", "10.0.0.4:7000")]);
  scene.applyView(viewOf([A, B, C], later(1000)));
  scene.applyView(late);
  assertEquals(scene.mapping, {
    a: "8000 10.0.0.1:7000",
    b: "8001 10.0.0.2:7000",
    c: "8002 10.0.0.3:7000",
    d: "8003 10.0.0.4:7000",
  });
  assertEquals(natTable.nodes[1]!.role, "primary");
  assertEquals(natTable.addressConflicts, []);
});

Deno.test("a node of a cluster that is down says nothing of who is forgotten", () => {
  const scene = new TableScene().knowing([A, B]);
  scene.applyView(viewOf([A], { ...later(1000), state: "fail" }));
  assertEquals(scene.done, ["open 8000", "open 8001"]);
});

Deno.test("the port of a forgotten node is the last to be given out again", () => {
  const scene = new TableScene({ count: 4 }).knowing([A, B, C]);
  scene.applyView(viewOf([A, C]));
  scene.applyView(viewOf([A]));
  scene.applyView(viewOf([A, ...["d", "e", "f"].map((id) => line(id, `10.0.1.${id}:1`))]));
  assertEquals(scene.done.slice(3), [
    "close 8001",
    "close 8002",
    "open 8003",
    "open 8001",
    "open 8002",
  ]);
});

Deno.test("a node that is set up anew where one was takes over its port", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  const anew = [line("d", "10.0.0.2:7000"), "c 10.0.0.3:7000@17000 slave - 0 0 1 connected"];
  scene.applyView(viewOf([A, ...anew]));
  assertEquals(scene.mapping["d"], "8001 10.0.0.2:7000");
  assertEquals(scene.mapping["b"], undefined);
  assertEquals(scene.done.length, 3, "nothing was closed or opened");
  // Listed still, although it is another that has its address now: it is somewhere else.
  scene.applyView(
    viewOf([A, anew[0]!, line("e", "10.0.0.3:7000"), "c :0@0 slave,noaddr -"]),
  );
  assertEquals(scene.mapping["e"], "8003 10.0.0.3:7000");
  assertEquals(scene.mapping["c"], "8002 10.0.0.3:7000");
});

Deno.test("a node that is still there does not lose its port to one at the same address", () => {
  const scene = new TableScene().knowing([A, B]);
  scene.applyView(viewOf([A, B, line("d", "10.0.0.2:7000")]));
  assertEquals(scene.done, ["open 8000", "open 8001", "open 8002"]);
});

const D = line("d", "10.0.0.4:7000");
const E = line("e", "10.0.0.5:7000");

const VIEWS: [whose: string, lines: string[], ours: boolean][] = [
  ["a node", [A, B, C], true],
  ["a node that has met many new ones", [A, B, C, D, E], true],
  ["a node that misses some", [A, B], true],
  ["a node that has just joined", [D, A, B, C], true],
  ["one that has met a single node yet", [D, B], false],
  ["one that was left alone", ["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected"], false],
  ["the last node of a cluster that has shrunk", [A], true],
  ["one that has changed sides", [A, D], false],
  ["whoever has one on its side now", [D, A, E], false],
  ["strangers", [D, E], false],
];

for (const [whose, lines, ours] of VIEWS) {
  Deno.test(`a view of ${whose} is ${ours ? "" : "not "}one of the cluster`, () => {
    const { natTable } = new TableScene().knowing([A, B, C]);
    assertEquals(natTable.belongsToCluster(viewOf(lines)), ours);
  });
}

Deno.test("another cluster takes the place of one at its addresses, or of one long silent", () => {
  const { natTable } = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  const elsewhere = [line("d", "10.0.1.4:7000"), line("e", "10.0.1.5:7000")];
  assertEquals(natTable.looksReplaced(viewOf(elsewhere)), false);
  assertEquals(natTable.looksReplaced(viewOf(elsewhere, later(2000))), true);
  assertEquals(natTable.looksReplaced(viewOf([line("d", "10.0.0.2:7000")])), true);
});

Deno.test("the first view is of the cluster, and a lone node's own", () => {
  assertEquals(new TableScene().natTable.belongsToCluster(viewOf([A])), true);
  const { natTable } = new TableScene().knowing([A]);
  assertEquals([[A], [A, B, C], [D, E]].map((lines) => natTable.belongsToCluster(viewOf(lines))), [
    true,
    true,
    false,
  ]);
});

Deno.test("what is said of a node without a port is said until it has one", () => {
  const scene = new TableScene({ count: 2 }).knowing([A, B, C]);
  const { natTable } = scene;
  const reason = "No port is left for node 10.0.0.3:7000: raise --max-nodes above 2";
  assertEquals(natTable.noPortError?.message, reason);
  for (const id of [{ id: idOf("c") }, {}]) {
    assertEquals(natTable.whyNoPort({ ...id, host: "10.0.0.3", port: 7000 })?.message, reason);
  }
  scene.applyView(viewOf([A, C]));
  scene.applyView(seenBy("c", viewOf([A, C])));
  scene.applyView(viewOf([A, C]));
  assertEquals([scene.mapping["c"], natTable.noPortError], ["8001 10.0.0.3:7000", undefined]);
});

Deno.test("a node without a port that views list by turns is told of once", () => {
  using logged = new Logged();
  const TLS_ONLY = line("d", "10.0.0.4:0");
  const scene = new TableScene({ count: 2 }).knowing([A, B]);
  for (let times = 0; times < 3; times++) {
    scene.applyView(viewOf([A, B, C, TLS_ONLY]));
    scene.applyView(viewOf([A, B]));
  }
  assertEquals(logged.lines, [
    "error No port is left for node 10.0.0.3:7000: raise --max-nodes above 2",
    `warning Node ${idOf("d")} at 10.0.0.4 has no plain-text port, so clients get port 0 ` +
    "for it; set `port` in its configuration",
  ]);
});

Deno.test("a port that is taken by another program is passed over", () => {
  const scene = new TableScene({ taken: [8001] }).knowing([A, B]);
  assertEquals(scene.mapping["b"], "8002 10.0.0.2:7000");
});

Deno.test("a pinned node has its port, and nobody else has that", () => {
  const staticMappings = [{ node: idOf("c"), port: 8000 }, { node: idOf("b"), port: 9000 }];
  const scene = new TableScene({ staticMappings, count: 2 }).knowing([A, B, C]);
  assertEquals(scene.mapping, {
    a: "8001 10.0.0.1:7000",
    b: "9000 10.0.0.2:7000",
    c: "8000 10.0.0.3:7000",
  });
});

Deno.test("a port that is pinned to an address is open before its node is there", () => {
  const staticMappings = [{ node: { host: "10.0.0.9", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  const { natTable } = scene;
  scene.apply(natTable.openStaticMappings());
  scene.applyView(viewOf([A]));
  assertEquals(scene.done, ["open 8005", "open 8000"]);
  assertEquals(natTable.unidentified.map(({ publicPort }) => publicPort), [8005]);

  scene.applyView(viewOf([A, line("d", "10.0.0.9:7000")]));
  assertEquals(scene.done.length, 2);
  assertEquals(scene.mapping["d"], "8005 10.0.0.9:7000");
  assertEquals(natTable.unidentified, []);
  // It stays open when the node is gone, for the next one.
  scene.applyView(viewOf([A]));
  assertEquals(scene.mapping[""], "8005 10.0.0.9:7000");
  scene.applyView(viewOf([A, line("e", "10.0.0.9:7000")]));
  assertEquals(scene.mapping["e"], "8005 10.0.0.9:7000");
  assertEquals(scene.done.length, 2);
});

Deno.test("a node with a pinned address may tell its id before the cluster does", () => {
  const staticMappings = [{ node: { host: "node-d", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  const { natTable } = scene;
  scene.apply(natTable.openStaticMappings());
  scene.apply(natTable.assignId(natTable.unidentified[0]!, idOf("d")));
  scene.applyView(viewOf([A, line("d", "10.0.0.9:7000")]));
  assertEquals(scene.mapping, { d: "8005 node-d:7000", a: "8000 10.0.0.1:7000" });
  assertEquals(natTable.addressConflicts.map(({ reportedAddress }) => reportedAddress.host), [
    "10.0.0.9",
  ]);
});

const SAVED = {
  nodes: [
    { id: idOf("a"), address: { host: "10.0.0.1", port: 7000 }, port: 8003 },
    { id: idOf("b"), address: { host: "10.0.0.2", port: 7000 }, port: 8001 },
  ],
  retired: [8000],
};

Deno.test("ports that were saved are those of their nodes", () => {
  const scene = new TableScene({ saved: SAVED, count: 4, forgetAfterMs: 60_000 });
  scene.applyView(viewOf([A, C]));
  assertEquals(scene.mapping, { a: "8003 10.0.0.1:7000", c: "8002 10.0.0.3:7000" });
  // 8001 is kept for b, which may be on its way, and 8000 is the last resort.
  scene.applyView(viewOf([A, C, line("d", "10.0.0.4:7000"), B]));
  assertEquals([scene.mapping["b"], scene.mapping["d"]], [
    "8001 10.0.0.2:7000",
    "8000 10.0.0.4:7000",
  ]);
  assertEquals(scene.natTable.savedPorts.nodes.map(({ id, port }) => [id[0], port]), [
    ["d", 8000],
    ["b", 8001],
    ["c", 8002],
    ["a", 8003],
  ]);
});

Deno.test("a saved node that does not come back loses its port as any other", () => {
  const scene = new TableScene({ saved: SAVED, forgetAfterMs: 1000 });
  scene.applyView(viewOf([A]));
  scene.applyView(viewOf([A], later(1000)));
  assertEquals(scene.natTable.savedPorts.nodes.map(({ id }) => id), [idOf("a")]);
  assertEquals(scene.natTable.savedPorts.retired, [8000, 8001]);
});

Deno.test("a saved port of a node that is not there is for one that is, in a full range", () => {
  const scene = new TableScene({ saved: SAVED, count: 2, forgetAfterMs: 60_000 });
  scene.applyView(
    viewOf([C.replace("slave", "myself,slave"), line("d", "10.0.0.4:7000")]),
  );
  assertEquals(scene.natTable.noPortError, undefined);
  assertEquals(Object.keys(scene.mapping), ["c", "d"]);
});

Deno.test("a node with a pin of its own takes over no port, and a pinned port is no heirloom", () => {
  const staticMappings = [{ node: idOf("d"), port: 9000 }, { node: idOf("c"), port: 9001 }];
  const scene = new TableScene({ staticMappings, forgetAfterMs: 1000 }).knowing([A, B, C]);
  scene.applyView(viewOf([A, line("d", "10.0.0.2:7000"), line("e", "10.0.0.3:7000")]));
  assertEquals(scene.mapping["d"], "9000 10.0.0.2:7000");
  assertEquals(scene.mapping["e"], "8002 10.0.0.3:7000");
});

Deno.test("a saved port goes to the node that was set up anew meanwhile", () => {
  const scene = new TableScene({ saved: SAVED });
  scene.applyView(viewOf([A, line("d", "10.0.0.2:7000")]));
  assertEquals(scene.mapping["d"], "8001 10.0.0.2:7000");
});

Deno.test("a pin is newer than what was saved", () => {
  const staticMappings = [{ node: idOf("b"), port: 8003 }];
  const scene = new TableScene({ saved: SAVED, staticMappings }).knowing([A, B]);
  assertEquals(scene.mapping, { a: "8001 10.0.0.1:7000", b: "8003 10.0.0.2:7000" });
});

Deno.test("with free ports a saved one is taken if it is free", () => {
  const scene = new TableScene({ first: 0, saved: SAVED, taken: [8001] });
  scene.applyView(viewOf([A, B]), true);
  assertEquals(scene.done, ["open 8003", "open 0"]);
});
