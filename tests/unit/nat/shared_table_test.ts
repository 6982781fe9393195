import { assertEquals } from "@std/assert";
import { claimsToWrite, type PortState, type SharedPorts } from "../../../src/nat/shared_ports.ts";
import { Logged } from "../../support/logged.ts";
import {
  idOf,
  line,
  seenBy,
  TableScene,
  type TableSceneOptions,
  viewOf,
} from "../../support/views.ts";

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";
const B = line("b", "10.0.0.2:7000");
const C = line("c", "10.0.0.3:7000");

/** A table that follows shared ports, which a test may change as other proxies do. */
class SharedScene extends TableScene {
  shared = new Map<number, PortState>();

  constructor(options: TableSceneOptions = {}) {
    super({ sharesPorts: true, ...options });
  }

  /** Sets the node of a port, by its digit and address. */
  claim(port: number, digit: string, host: string): void {
    this.shared.set(port, { kind: "claimed", id: idOf(digit), address: { host, port: 7000 } });
  }

  /** Follows the shared ports as they are. */
  follow(): void {
    this.apply(this.natTable.follow(new Map(this.shared) as SharedPorts));
  }

  /** Writes what the table wishes, and follows. */
  turn(): void {
    const writes = claimsToWrite(this.shared, this.natTable.wishes());
    for (const [port, state] of writes) this.shared.set(port, state);
    this.follow();
  }
}

Deno.test("with shared ports, a node has no port before it is claimed", () => {
  using logged = new Logged();
  const scene = new SharedScene().knowing([A, B]) as SharedScene;
  const { natTable } = scene;
  assertEquals([scene.rows, natTable.waiting], ["", [idOf("a"), idOf("b")]]);
  assertEquals(
    natTable.whyNoPort({ host: "10.0.0.2", port: 7000 })?.message,
    "Node 10.0.0.2:7000 has no port in the shared ports yet (--shared-ports)",
  );
  scene.turn();
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 8001 10.0.0.2:7000");
  assertEquals([natTable.waiting, natTable.noPortError, logged.lines], [[], undefined, []]);
});

Deno.test("with shared ports, other proxies' claims are followed", () => {
  const scene = new SharedScene();
  scene.claim(8005, "a", "10.0.0.1");
  scene.follow();
  scene.knowing([A, B]);
  assertEquals(scene.rows, "a 8005 10.0.0.1:7000");
  scene.claim(8002, "b", "10.0.0.2");
  scene.follow();
  assertEquals(scene.rows, "a 8005 10.0.0.1:7000, b 8002 10.0.0.2:7000");
  assertEquals(scene.done, ["open 8005", "open 8002"]);
});

Deno.test("with shared ports, a node whose port another node has gets its other port", () => {
  using logged = new Logged();
  const scene = new SharedScene().knowing([A, B]) as SharedScene;
  scene.turn();
  scene.claim(8000, "b", "10.0.0.2");
  scene.claim(8001, "a", "10.0.0.1");
  scene.follow();
  assertEquals(scene.rows, "a 8001 10.0.0.1:7000, b 8000 10.0.0.2:7000");
  assertEquals(scene.done.slice(2), ["close 8000", "close 8001", "open 8001", "open 8000"]);
  assertEquals(
    logged.lines[0],
    "warning Closing port 8000, which is another node's in the shared ports (--shared-ports); " +
      `node ${idOf("a")} at 10.0.0.1:7000 gets port 8001`,
  );
});

Deno.test("with shared ports, a lost claim keeps its port, and a taken one loses it", () => {
  const scene = new SharedScene().knowing([A, B]) as SharedScene;
  scene.turn();
  scene.shared.clear();
  scene.follow();
  assertEquals(scene.done, ["open 8000", "open 8001"]);
  scene.claim(8000, "b", "10.0.0.2");
  scene.follow();
  assertEquals(scene.rows, "b 8000 10.0.0.2:7000");
  scene.turn();
  assertEquals(scene.rows, "a 8001 10.0.0.1:7000, b 8000 10.0.0.2:7000");
});

Deno.test("with shared ports, a reset node keeps its port and row, whoever notices first", () => {
  for (const isFirst of [true, false]) {
    const scene = new SharedScene().knowing([A, B]) as SharedScene;
    scene.turn();
    if (isFirst) scene.knowing([A, line("d", "10.0.0.2:7000")]);
    else scene.claim(8001, "d", "10.0.0.2");
    scene.turn();
    // An old view lists the former id.
    scene.knowing([A, B]);
    scene.turn();
    assertEquals(scene.rows, "a 8000 10.0.0.1:7000, d 8001 10.0.0.2:7000");
    assertEquals([scene.done, scene.shared.size], [["open 8000", "open 8001"], 2]);
  }
});

Deno.test("with shared ports, a refused port is tried again, and no other", () => {
  using logged = new Logged();
  const scene = new SharedScene({ taken: [8001] }).knowing([A, B]) as SharedScene;
  for (let turn = 0; turn < 3; turn++) scene.turn();
  assertEquals([scene.rows, scene.natTable.lacksShared], ["a 8000 10.0.0.1:7000", true]);
  assertEquals(logged.lines, [
    "error Cannot listen on 8001; node 10.0.0.2:7000 has no port here until then, because all " +
    "proxies give it this one (--shared-ports)",
  ]);
  scene.free(8001);
  scene.turn();
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 8001 10.0.0.2:7000");
  assertEquals(scene.natTable.lacksShared, false);
});

Deno.test("with shared ports, the port of a node that has left is retired once for all", () => {
  const scene = new SharedScene().knowing([A, B, C]) as SharedScene;
  scene.turn();
  const view = viewOf([A, C]);
  scene.applyView(view);
  scene.applyView(seenBy("c", view));
  scene.turn();
  assertEquals(scene.shared.get(8001), { kind: "retired", order: 1 });
  assertEquals([...scene.natTable.wishes().released], []);
  scene.knowing([A, C, line("d", "10.0.0.4:7000")]);
  scene.turn();
  assertEquals(scene.mapping["d"], "8003 10.0.0.4:7000");
});

Deno.test("with shared ports, another proxy may retire the port of a node that has left", () => {
  const scene = new SharedScene({ verifies: true });
  scene.claim(8004, "c", "10.0.0.3");
  scene.follow();
  const view = viewOf([A, B]);
  scene.applyView(view);
  scene.applyView(seenBy("b", view));
  // Anybody may have written the address, which must not get the password of the proxy.
  assertEquals(scene.natTable.longMissing, [{ id: idOf("c"), address: undefined }]);
  assertEquals(scene.natTable.savedPorts, { nodes: [], retired: [] });
  scene.shared.set(8004, { kind: "retired", order: 1 });
  scene.follow();
  assertEquals(scene.natTable.longMissing, []);
});

Deno.test("with shared ports, saved ports are used before the store answers, and preferred", () => {
  const node = (digit: string, host: string, port: number) => ({
    id: idOf(digit),
    address: { host, port: 7000 },
    port,
  });
  const nodes = [node("a", "10.0.0.1", 8004), node("b", "10.0.0.2", 8003)];
  const scene = new SharedScene({ saved: { nodes, retired: [] } }).knowing([A, B]) as SharedScene;
  assertEquals(scene.rows, "a 8004 10.0.0.1:7000, b 8003 10.0.0.2:7000");
  scene.claim(8003, "c", "10.0.0.3");
  scene.turn();
  assertEquals(scene.rows, "a 8004 10.0.0.1:7000, b 8000 10.0.0.2:7000");
});

Deno.test("with shared ports, no port outside the range is opened", () => {
  using logged = new Logged();
  const scene = new SharedScene();
  scene.claim(22, "a", "10.0.0.1");
  scene.claim(8008, "b", "10.0.0.2");
  scene.follow();
  scene.knowing([A, B]);
  scene.turn();
  assertEquals([scene.rows, scene.natTable.waiting], ["", []]);
  assertEquals(logged.lines.length, 2);
  assertEquals(
    logged.lines[0],
    "error Node 10.0.0.1:7000 has port 22 in the shared ports (--shared-ports), and the ports of " +
      "this proxy are 8000 to 8007; set the same --max-nodes and --port-map in all proxies",
  );
  const pinned = new SharedScene({ staticMappings: [{ node: idOf("a"), port: 22 }] });
  pinned.claim(22, "a", "10.0.0.1");
  pinned.follow();
  pinned.knowing([A]);
  assertEquals(pinned.rows, "a 22 10.0.0.1:7000");
});

Deno.test("with shared ports, the port of a static mapping is claimed and stays", () => {
  const address = { host: "10.0.0.2", port: 7000 };
  const scene = new SharedScene({ staticMappings: [{ node: address, port: 9000 }] });
  scene.apply(scene.natTable.openStaticMappings());
  // Before the table has the view.
  const writes = claimsToWrite(scene.shared, scene.natTable.wishes(viewOf([A, B])));
  assertEquals([...writes.keys()], [9000, 8000]);
  scene.knowing([A, B]);
  scene.turn();
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 9000 10.0.0.2:7000");
  scene.shared.delete(9000);
  scene.claim(8005, "b", "10.0.0.2");
  scene.follow();
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 9000 10.0.0.2:7000");
});

Deno.test("with shared ports, a node without a row gets the port that the store has lost", () => {
  using _logged = new Logged();
  // Another program has the port here, but not where the other proxies run.
  const scene = new SharedScene({ taken: [8005] });
  scene.claim(8005, "b", "10.0.0.2");
  scene.claim(8004, "c", "10.0.0.3");
  scene.follow();
  scene.knowing([A, B]);
  scene.turn();
  scene.shared.clear();
  scene.turn();
  scene.knowing([A, B, C]);
  scene.turn();
  const ids = [8000, 8004, 8005].map((port) => scene.shared.get(port)).map((state) =>
    state?.kind === "claimed" ? state.id : undefined
  );
  assertEquals(ids, [idOf("a"), idOf("c"), idOf("b")]);
});

Deno.test("with shared ports, saved ports outlive a hash that is lost and cannot be written", () => {
  const b = { id: idOf("b"), address: { host: "10.0.0.2", port: 7000 }, port: 8003 };
  const scene = new SharedScene({ saved: { nodes: [b], retired: [] } });
  scene.claim(8000, "a", "10.0.0.1");
  scene.follow();
  scene.knowing([A, B]);
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, b 8003 10.0.0.2:7000");
  for (const state of ["claimed", "retired"]) {
    const other = new SharedScene({ saved: { nodes: [b], retired: [] } });
    if (state === "claimed") other.claim(8003, "a", "10.0.0.1");
    else other.shared.set(8003, { kind: "retired", order: 1 });
    other.follow();
    other.knowing([B]);
    assertEquals([other.rows, other.natTable.waiting], ["", [idOf("b")]]);
  }
});

Deno.test("with shared ports, proxies that see a node at two addresses do not write in turns", () => {
  const [one, other] = [new SharedScene(), new SharedScene()];
  for (const scene of [one, other]) scene.knowing([A, B]);
  other.shared = one.shared;
  for (const scene of [one, other, one]) scene.turn();
  const addressOf = () => {
    const state = one.shared.get(8001);
    return state?.kind === "claimed" ? state.address.host : undefined;
  };
  /** The addresses in the store, as the proxies write it one after the other. */
  const written = () =>
    [one, other, one, other].map((scene) => {
      scene.turn();
      return addressOf();
    });
  const move = (scene: SharedScene, host: string) => {
    scene.knowing([A, line("b", `${host}:7000`)]);
    scene.apply(scene.natTable.move(scene.natTable.withId(idOf("b"))!, { host, port: 7000 }));
    scene.knowing([A, line("b", `${host}:7000`)]);
  };
  move(one, "10.0.0.9");
  assertEquals(written(), Array(4).fill("10.0.0.9"));
  move(other, "10.0.0.9");
  assertEquals(written(), Array(4).fill("10.0.0.9"));
  move(other, "10.0.0.2");
  assertEquals(written(), ["10.0.0.9", ...Array(3).fill("10.0.0.2")]);
});

Deno.test("with shared ports, a node that has a row takes over no other node's row", () => {
  using _logged = new Logged();
  const scene = new SharedScene().knowing([A, B, C]) as SharedScene;
  scene.turn();
  scene.knowing([A, C]);
  scene.shared.delete(8002);
  // It has moved to where the other one was.
  scene.claim(8001, "c", "10.0.0.2");
  scene.follow();
  assertEquals(scene.rows, "a 8000 10.0.0.1:7000, c 8001 10.0.0.3:7000");
  assertEquals(scene.natTable.withId(idOf("c"))?.listenPort, 8001);
  assertEquals(scene.done.slice(3), ["close 8001", "close 8002", "open 8001"]);
});
