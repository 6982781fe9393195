import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PortChange, TableChange } from "../../../src/nat/table_change.ts";
import { Logged } from "../../support/logged.ts";
import { idOf, line, seenBy, TableScene, viewOf } from "../../support/views.ts";

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";
const B = line("b", "10.0.0.2:7000");
const C = line("c", "10.0.0.3:7000", "slave");

/** The time stamp of a view taken `ms` milliseconds from now. */
function later(ms: number): { takenAtMs: number } {
  return { takenAtMs: performance.now() + ms };
}

Deno.test("a new node gets the next port, whatever its address", () => {
  const scene = new TableScene().knowing([A, C]);
  scene.knowing([A, B, C]);
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 8002 10.0.0.2:7000, c 8001 10.0.0.3:7000");
});

Deno.test("a node that a view reports elsewhere keeps its address until it has moved", () => {
  const scene = new TableScene().knowing([A, B]);
  const { natTable } = scene;
  for (let times = 0; times < 3; times++) scene.knowing([A, line("b", "10.9.9.9:7000")]);
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000");
  // The same conflict is reported once.
  assertEquals(scene.done, ["open 8000", "open 8001", "conflict"]);
  const { node, reportedAddress: address } = natTable.addressConflicts[0]!;
  assertEquals([node.id, address], [idOf("b"), { host: "10.9.9.9", port: 7000 }]);

  scene.apply(natTable.move(node, address));
  assertEquals(scene.mapping["b"], "8001 10.9.9.9:7000");
  assertEquals(scene.done.at(-1), "moved 8001");
  assertEquals(natTable.addressConflicts, []);
  // Other nodes may still send the old address.
  for (const host of ["10.0.0.2", "10.9.9.9"]) {
    assertEquals(natTable.portOf({ host, port: 7000 }), 8001);
  }
});

Deno.test("a look-up by public port has the current bus port", () => {
  const scene = new TableScene().knowing([A]);
  const { natTable } = scene;
  assertEquals(natTable.atPort(8000)?.busPort, 17000);
  scene.knowing([A.replace("@17000", "@7501,name.internal")]);
  const { id, busPort } = natTable.atPort(8000)!;
  assertEquals([id, busPort], [idOf("a"), 7501]);
  assertEquals(natTable.atPort(8001), undefined);
  for (const host of ["10.0.0.1", "NAME.internal"]) {
    assertEquals(natTable.isPrivate({ host, port: 7000 }), true);
  }
  for (const [host, port] of [["10.0.0.1", 8000], ["10.0.0.1", 7501], ["", 7000]] as const) {
    assertEquals(natTable.isPrivate({ host, port }), false);
  }
});

Deno.test("a node is dialled under the host name that it announces last", () => {
  const scene = new TableScene().knowing([A]);
  const [node] = scene.natTable.nodes;
  const before = node!.address;
  scene.knowing([A]);
  assert(node!.address === before);
  for (const hostname of ["one.internal", "two.internal"]) {
    scene.knowing([A.replace("@17000", `@17000,${hostname}`)]);
    assertEquals(node!.address, { host: "10.0.0.1", port: 7000, hostname });
  }
});

Deno.test("a matching view ends a conflict, and a failed node causes none", () => {
  const scene = new TableScene().knowing([A, B]).knowing([A, line("b", "10.9.9.9:7000")]);
  const { natTable } = scene;
  scene.knowing([A, B]);
  assertEquals(natTable.addressConflicts, []);
  scene.knowing([A, line("b", "10.9.9.9:7000", "master,fail")]);
  assertEquals(natTable.addressConflicts, []);
});

Deno.test("a view changes roles", () => {
  const scene = new TableScene().knowing([A, B, C]);
  const { natTable } = scene;
  assertEquals(natTable.nodes.map(({ role }) => role), ["primary", "primary", "replica"]);
  scene.knowing([A, line("b", "10.0.0.2:7000", "slave"), line("c", "10.0.0.3:7000")]);
  assertEquals(natTable.nodes.map(({ role }) => role), ["primary", "replica", "primary"]);
});

Deno.test("a missing node keeps its port for forgetAfterMs without interruption", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B]);
  const { natTable } = scene;
  const forgotten = (...at: number[]) => {
    for (const ms of at) scene.applyView(viewOf([A], later(ms)));
    return scene.mapping["b"] === undefined;
  };
  assertEquals(forgotten(5000, 5999), false);
  scene.applyView(viewOf([A, B], later(6000)));
  assertEquals(forgotten(7000, 7999), false, "the time starts again");
  assertEquals(forgotten(8000), true);
  assertEquals(scene.done.at(-1), "close 8001");
  assertEquals(natTable.portOf({ host: "10.0.0.2", port: 7000 }), undefined);
  assertEquals(natTable.portOf({ id: idOf("b"), host: "", port: 0 }), undefined);
});

Deno.test("one node's views alone cannot remove a node", () => {
  const scene = new TableScene().knowing([A, B, C]);
  for (let times = 0; times < 3; times++) scene.knowing([A, C]);
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000");
  scene.applyView(seenBy("c", viewOf([A, C])));
  assertEquals(scene.mapping["b"], undefined);
});

Deno.test("a node's own view does not keep it in the table", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  scene.applyView(viewOf([A, C], later(0)));
  scene.applyView(seenBy("b", viewOf([A, B, C], later(500))));
  scene.applyView(seenBy("c", viewOf([A, C], later(1500))));
  assertEquals(scene.mapping["b"], undefined);
});

Deno.test("a missing node is removed only when it is verified to be gone", () => {
  const scene = new TableScene({ verifies: true }).knowing([A, B, C]);
  const { natTable } = scene;
  const address = { host: "10.0.0.2", port: 7000 };
  scene.knowing([A, C]);
  assertEquals(natTable.longMissing, [], "only one node has reported it");
  scene.applyView(seenBy("c", viewOf([A, C])));
  assertEquals(natTable.longMissing, [{ id: idOf("b"), address }]);
  natTable.keep(natTable.longMissing[0]!);
  assertEquals([natTable.longMissing, scene.mapping["b"]], [[], "8001 10.0.0.2:7000"]);

  for (const digit of ["a", "c"]) scene.applyView(seenBy(digit, viewOf([A, C])));
  const [missing] = natTable.longMissing;
  scene.knowing([A, B, C]);
  scene.apply(natTable.forget(missing!));
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000", "a view has listed it meanwhile");

  for (const digit of ["a", "c"]) scene.applyView(seenBy(digit, viewOf([A, C])));
  scene.apply(natTable.forget(natTable.longMissing[0]!));
  assertEquals([natTable.longMissing, scene.mapping["b"]], [[], undefined]);
});

Deno.test("a late view adds nodes and changes no others", () => {
  const scene = new TableScene().knowing([A, B]);
  const { natTable } = scene;
  const late = viewOf([A, line("b", "10.9.9.9:7000", "slave"), line("d", "10.0.0.4:7000")]);
  scene.applyView(viewOf([A, B, C], later(1000)));
  scene.applyView(late);
  assertEquals(
    scene.rows,
    "a 8000 10.0.0.1:7000, b 8001 10.0.0.2:7000, c 8002 10.0.0.3:7000, d 8003 10.0.0.4:7000",
  );
  assertEquals(natTable.nodes[1]!.role, "primary");
  assertEquals(natTable.addressConflicts, []);
});

Deno.test("a view of a cluster that is down makes no node missing", () => {
  const scene = new TableScene().knowing([A, B]);
  scene.applyView(viewOf([A], { ...later(1000), state: "fail" }));
  assertEquals(scene.done, ["open 8000", "open 8001"]);
});

Deno.test("a released port is reused last", () => {
  const scene = new TableScene({ count: 4 }).knowing([A, B, C]).knowing([A, C]);
  scene.knowing([A]);
  scene.knowing([A, ...["d", "e", "f"].map((id) => line(id, `10.0.1.${id}:1`))]);
  const done = scene.done.slice(3).join(", ");
  assertEquals(done, "close 8001, close 8002, open 8003, open 8001, open 8002");
});

Deno.test("a node with a new id at the same address adopts the port", () => {
  const scene = new TableScene({ forgetAfterMs: 1000 }).knowing([A, B, C]);
  const anew = [line("d", "10.0.0.2:7000"), "c 10.0.0.3:7000@17000 slave - 0 0 1 connected"];
  scene.knowing([A, ...anew]);
  assertEquals(scene.mapping["d"], "8001 10.0.0.2:7000");
  assertEquals(scene.mapping["b"], undefined);
  assertEquals(scene.done.length, 3, "nothing was closed or opened");
  // The old node is still listed, so it keeps its port although another node has its address.
  scene.knowing([A, anew[0]!, line("e", "10.0.0.3:7000"), "c :0@0 slave,noaddr -"]);
  assertEquals(scene.mapping["e"], "8003 10.0.0.3:7000");
  assertEquals(scene.mapping["c"], "8002 10.0.0.3:7000");
});

Deno.test("a node that is still listed keeps its port when another has its address", () => {
  const scene = new TableScene().knowing([A, B]).knowing([A, B, line("d", "10.0.0.2:7000")]);
  assertEquals(scene.done, ["open 8000", "open 8001", "open 8002"]);
});

Deno.test("the reason why a node has no port stays until it has one", () => {
  const scene = new TableScene({ count: 2 }).knowing([A, B, C]);
  const { natTable } = scene;
  const reason = "No port is left for node 10.0.0.3:7000: raise --max-nodes above 2";
  assertEquals(natTable.noPortError?.message, reason);
  for (const id of [{ id: idOf("c") }, {}]) {
    assertEquals(natTable.whyNoPort({ ...id, host: "10.0.0.3", port: 7000 })?.message, reason);
  }
  scene.knowing([A, C]);
  scene.applyView(seenBy("c", viewOf([A, C])));
  scene.knowing([A, C]);
  assertEquals([scene.mapping["c"], natTable.noPortError], ["8001 10.0.0.3:7000", undefined]);
});

Deno.test("a node without a port is logged once, even if views list it by turns", () => {
  using logged = new Logged();
  const TLS_ONLY = line("d", "10.0.0.4:0");
  const scene = new TableScene({ count: 2 }).knowing([A, B]);
  for (let times = 0; times < 3; times++) {
    scene.knowing([A, B, C, TLS_ONLY]);
    scene.knowing([A, B]);
  }
  assertEquals(logged.lines, [
    "error No port is left for node 10.0.0.3:7000: raise --max-nodes above 2",
    `warning Node ${idOf("d")} at 10.0.0.4 has no plain-text port, so no client can ` +
    "reach it; set `port` in its configuration, or use --cluster-tls",
  ]);
});

Deno.test("a port that another program has is passed over", () => {
  const scene = new TableScene({ taken: [8001] }).knowing([A, B]);
  assertEquals(scene.mapping["b"], "8002 10.0.0.2:7000");
});

Deno.test("a static mapping reserves its port for its node", () => {
  const staticMappings = [{ node: idOf("c"), port: 8000 }, { node: idOf("b"), port: 9000 }];
  const scene = new TableScene({ staticMappings, count: 2 }).knowing([A, B, C]);
  assertEquals(scene.rows, "a 8001 10.0.0.1:7000, b 9000 10.0.0.2:7000, c 8000 10.0.0.3:7000");
});

Deno.test("a static mapping to an address opens its port before its node is there", () => {
  const staticMappings = [{ node: { host: "10.0.0.9", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  const { natTable } = scene;
  scene.apply(natTable.openStaticMappings());
  scene.knowing([A]);
  assertEquals(scene.done, ["open 8005", "open 8000"]);
  assertEquals(natTable.unidentified.map(({ listenPort }) => listenPort), [8005]);

  scene.knowing([A, line("d", "10.0.0.9:7000")]);
  assertEquals(scene.done.length, 2);
  assertEquals(scene.mapping["d"], "8005 10.0.0.9:7000");
  assertEquals(natTable.unidentified, []);
  // The port stays open for the next node at that address.
  scene.knowing([A]);
  assertEquals(scene.mapping[""], "8005 10.0.0.9:7000");
  scene.knowing([A, line("e", "10.0.0.9:7000")]);
  assertEquals(scene.mapping["e"], "8005 10.0.0.9:7000");
  assertEquals(scene.done.length, 2);
});

Deno.test("a statically mapped node may send its id before a view lists it", () => {
  const staticMappings = [{ node: { host: "node-d", port: 7000 }, port: 8005 }];
  const scene = new TableScene({ staticMappings });
  const { natTable } = scene;
  scene.apply(natTable.openStaticMappings());
  scene.apply(natTable.assignId(natTable.unidentified[0]!, idOf("d")));
  scene.knowing([A, line("d", "10.0.0.9:7000")]);
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, d 8005 node-d:7000");
  const reported = natTable.addressConflicts.map(({ reportedAddress }) => reportedAddress.host);
  assertEquals(reported, ["10.0.0.9"]);
});

const SAVED = {
  nodes: [
    { id: idOf("a"), address: { host: "10.0.0.1", port: 7000 }, port: 8003 },
    { id: idOf("b"), address: { host: "10.0.0.2", port: 7000 }, port: 8001 },
  ],
  retired: [8000],
};

Deno.test("saved ports go to their nodes", () => {
  const scene = new TableScene({ saved: SAVED, count: 4, forgetAfterMs: 60_000 }).knowing([A, C]);
  assertEquals(scene.rows, "a 8003 10.0.0.1:7000, c 8002 10.0.0.3:7000");
  // 8001 is kept for b, which may still join; 8000 was released and is used last.
  scene.knowing([A, C, line("d", "10.0.0.4:7000"), B]);
  assertEquals(scene.mapping["b"], "8001 10.0.0.2:7000");
  assertEquals(scene.mapping["d"], "8000 10.0.0.4:7000");
  const saved = scene.natTable.savedPorts.nodes.map(({ id, port }) => `${id[0]} ${port}`);
  assertEquals(saved, ["d 8000", "b 8001", "c 8002", "a 8003"]);
});

Deno.test("a saved node that does not come back loses its port", () => {
  const scene = new TableScene({ saved: SAVED, forgetAfterMs: 1000 }).knowing([A]);
  scene.applyView(viewOf([A], later(1000)));
  assertEquals(scene.natTable.savedPorts.nodes.map(({ id }) => id), [idOf("a")]);
  assertEquals(scene.natTable.savedPorts.retired, [8000, 8001]);
});

Deno.test("in a full range, a present node gets the saved port of an absent one", () => {
  const scene = new TableScene({ saved: SAVED, count: 2, forgetAfterMs: 60_000 }).knowing([
    C.replace("slave", "myself,slave"),
    line("d", "10.0.0.4:7000"),
  ]);
  assertEquals(scene.natTable.noPortError, undefined);
  assertEquals(Object.keys(scene.mapping), ["c", "d"]);
});

Deno.test("a statically mapped node adopts no port, and its port is not adopted", () => {
  const staticMappings = [{ node: idOf("d"), port: 9000 }, { node: idOf("c"), port: 9001 }];
  const scene = new TableScene({ staticMappings, forgetAfterMs: 1000 }).knowing([A, B, C]).knowing([
    A,
    line("d", "10.0.0.2:7000"),
    line("e", "10.0.0.3:7000"),
  ]);
  assertEquals(scene.mapping["d"], "9000 10.0.0.2:7000");
  assertEquals(scene.mapping["e"], "8002 10.0.0.3:7000");
});

Deno.test("a node with a new id at the same address adopts the saved port", () => {
  const scene = new TableScene({ saved: SAVED }).knowing([A, line("d", "10.0.0.2:7000")]);
  assertEquals(scene.mapping["d"], "8001 10.0.0.2:7000");
});

Deno.test("a static mapping overrides the state file", () => {
  const staticMappings = [{ node: idOf("b"), port: 8003 }];
  const scene = new TableScene({ saved: SAVED, staticMappings }).knowing([A, B]);
  assertEquals(scene.rows, "a 8001 10.0.0.1:7000, b 8003 10.0.0.2:7000");
});

Deno.test("without a range, a saved port is used if it is free", () => {
  const scene = new TableScene({ first: 0, saved: SAVED, taken: [8001] });
  scene.applyView(viewOf([A, B]), true);
  assertEquals(scene.done, ["open 8003", "open 0"]);
});

Deno.test("an update returns its changes as values, and applies none", () => {
  const { natTable } = new TableScene({ count: 2 });
  const kinds = (changes: readonly TableChange[]) => changes.map(({ kind }) => kind);
  const changes = natTable.applyView(viewOf([A, B, "d :0@0 slave,noaddr - 0 0 1 disconnected"]));
  assertEquals(kinds(changes), ["open", "open", "unlocated", "updated"]);
  const [a, b] = changes as PortChange[];
  assertEquals([a!.port, b!.port, a!.isRequired], [8000, 8001, false]);
  natTable.portOpened(a!.node, 8000);
  natTable.portOpened(b!.node, 8001);
  const moved = natTable.applyView(viewOf([A, line("b", "10.9.9.9:7000")]));
  assertEquals(kinds(moved), ["conflict", "updated"]);
  assertEquals(kinds(natTable.serveAt(b!.node, { host: "10.9.9.9", port: 7000 })), ["moved"]);
  assertEquals(natTable.move(b!.node, { host: "10.9.9.9", port: 7000 }), []);
});

Deno.test("a refused port leads to the next one, and in the end to none", () => {
  using logged = new Logged();
  const scene = new TableScene({ count: 4, taken: [8001, 8002, 8003] }).knowing([A, B, C]);
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000");
  for (const [digit, host] of [["b", "10.0.0.2"], ["c", "10.0.0.3"]] as const) {
    const why = scene.natTable.whyNoPort({ host, port: 7000 });
    assertEquals(scene.natTable.whyNoPort({ host: "", port: 0, id: idOf(digit) }), why);
    assert(why !== undefined);
  }
  assertEquals(logged.lines.filter((line) => line.startsWith("error")), [
    "error No port is left for node 10.0.0.2:7000: raise --max-nodes above 4",
    "error No port is left for node 10.0.0.3:7000: raise --max-nodes above 4",
  ]);
  const saved = { id: idOf("a"), address: { host: "10.0.0.1", port: 7000 }, port: 8000 };
  assertEquals(scene.natTable.savedPorts, { nodes: [saved], retired: [] });
  assertEquals(scene.natTable.isPrivate({ host: "10.0.0.2", port: 7000 }), false);
});

Deno.test("a saved port that is refused stays assigned, and is tried at the next view", () => {
  const taken = [8000, 8001, 8002, 8003];
  const scene = new TableScene({ saved: SAVED, count: 4, forgetAfterMs: 60_000, taken });
  using _logged = new Logged();
  scene.knowing([A]);
  assertEquals(scene.natTable.nodes, []);
  assertEquals(scene.natTable.savedPorts, { ...SAVED, nodes: SAVED.nodes.toReversed() });
  scene.free(8003);
  scene.knowing([A]);
  assertEquals([scene.rows, scene.natTable.noPortError], ["a 8003 10.0.0.1:7000", undefined]);
});

Deno.test("at the start, a port that cannot be opened is an error", () => {
  const scene = new TableScene({ taken: [8001] });
  assertThrows(() => scene.applyView(viewOf([A, B]), true), Error, "Cannot listen on 8001");
});

Deno.test("a static port that is refused leaves its node without a port, and has no substitute", () => {
  using _logged = new Logged();
  const staticMappings = [{ node: idOf("b"), port: 9000 }];
  const scene = new TableScene({ staticMappings, taken: [9000] }).knowing([A, B]);
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000");
  assertEquals(scene.natTable.noPortError?.message, "Cannot listen on 9000");
});
