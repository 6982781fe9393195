import { assertEquals, assertThrows } from "@std/assert";
import {
  claimsToWrite,
  contradictions,
  verdictOn,
  type WishedNode,
  type Wishes,
} from "../../../src/nat/shared_ports.ts";
import {
  formatStates,
  parseSharedPorts,
  SharedPortsError,
} from "../../../src/nat/shared_ports_format.ts";
import { idOf } from "../../support/views.ts";

const KEY = "nat:ports";
const FIRST = 8000;

/** A node whose id and address are one letter; `a+1` is another id at the address of `a`. */
function nodeOf(name: string, more: Partial<WishedNode> = {}): WishedNode {
  const [host, next] = name.split("+") as [string, string?];
  return { id: idOf(next ?? host), address: { host, port: 7000 }, ...more };
}

/** The hash with the states of the ports from 8000 on: `a`, `-2` for retired, `?` for damaged. */
function hashOf(states: string): Map<string, string> {
  const fields = new Map([["version", "1"], ["first-port", `${FIRST}`]]);
  for (const [index, state] of states.split(" ").entries()) {
    if (state === "." || state === "") continue;
    const { id, address } = nodeOf(state);
    const value = state === "?" ? "x" : `${id} ${address.host}:${address.port}`;
    fields.set(
      `port:${FIRST + index}`,
      state.startsWith("-") ? `retired ${state.slice(1)}` : value,
    );
  }
  return fields;
}

/** The hash after a proxy has written its wishes. */
function written(states: string, nodes: readonly WishedNode[], more: Partial<Wishes> = {}): string {
  const before = hashOf(states);
  const { ports } = parseSharedPorts(before, KEY, FIRST);
  const writes = claimsToWrite(ports, {
    nodes,
    listed: new Set(nodes.map(({ id }) => id)),
    released: new Set(),
    reserved: new Set(),
    range: { first: FIRST, count: 4 },
    ...more,
  });
  const after = new Map([...before, ...formatStates(writes, FIRST)]);
  const texts = Array.from({ length: 6 }, (_, index) => {
    const value = after.get(`port:${FIRST + index}`);
    if (value === undefined) return ".";
    const [id, address] = value.split(" ") as [string, string?];
    if (address === undefined) return "?";
    if (id === "retired") return `-${address}`;
    return address[0] === id[0] ? id[0]! : `${address[0]}+${id[0]}`;
  });
  return texts.join(" ").replace(/( \.)+$/, "");
}

const ROWS: [name: string, before: string, nodes: WishedNode[], after: string][] = [
  ["nodes get ports in the order of the wishes", "", [nodeOf("b"), nodeOf("a")], "b a"],
  ["a node keeps its port", ". a", [nodeOf("a"), nodeOf("b")], "b a"],
  ["a node keeps its port, whatever a proxy uses", ". a", [nodeOf("a", { inUse: 8000 })], ". a"],
  ["a port in use is claimed again first", "", [nodeOf("b"), nodeOf("a", { inUse: 8000 })], "a b"],
  [
    "a port in use that another node has got is given up",
    "b",
    [nodeOf("a", { inUse: 8000 }), nodeOf("b")],
    "b a",
  ],
  ["a port in use is claimed outside the range", "", [nodeOf("a", { inUse: 8005 })], ". . . . . a"],
  ["a port that was retired is claimed again", "-1", [nodeOf("a", { inUse: 8000 })], "a"],
  ["a saved port is preferred", "", [nodeOf("a", { preferred: 8002 }), nodeOf("b")], "b . a"],
  [
    "a saved port outside the range is not claimed",
    "",
    [nodeOf("a", { preferred: 8005 })],
    "a",
  ],
  ["a saved port may be taken", "b", [nodeOf("a", { preferred: 8000 }), nodeOf("b")], "b a"],
  ["a pinned node gets its port only", "b", [nodeOf("a", { pinned: 8000 }), nodeOf("b")], "b"],
  ["a pinned port may be outside the range", "", [nodeOf("a", { pinned: 8005 })], ". . . . . a"],
  ["retired ports are reused last", "-1 . a b", [nodeOf("c"), nodeOf("d")], "d c a b"],
  ["the port that was retired first is reused first", "-9 -2 -10 a", [nodeOf("b")], "-9 b -10 a"],
  ["in a full range a node gets no port", "a b c d", [nodeOf("e")], "a b c d"],
  ["a node with a new id inherits the port of its address", "a b", [nodeOf("a+c")], "a+c b"],
  ["a node that is listed is inherited from by none", "a", [nodeOf("a"), nodeOf("a+c")], "a a+c"],
  ["a damaged port is given to none", "?", [nodeOf("a")], "? a"],
  ["a damaged port is written again where it is in use", "?", [nodeOf("a", { inUse: 8000 })], "a"],
];

for (const [name, before, nodes, after] of ROWS) {
  Deno.test(`shared ports: ${name}`, () => {
    assertEquals(written(before, nodes), after);
    assertEquals(written(after, nodes), after, "a second turn writes nothing");
  });
}

Deno.test("shared ports: the port of a node that is gone is retired, after the others", () => {
  assertEquals(written("a b -3", [nodeOf("b")], { released: new Set([idOf("a")]) }), "-4 b -3");
});

Deno.test("shared ports: reserved ports are for pinned nodes", () => {
  const nodes = [nodeOf("a"), nodeOf("b", { pinned: 8000 })];
  const reserved = new Set([8000]);
  assertEquals(written("", nodes, { reserved }), "b a");
  assertEquals(written("", [nodeOf("a", { preferred: 8000 })], { reserved }), ". a");
});

Deno.test("shared ports: a verified address replaces the one in the claim", () => {
  const moved = { ...nodeOf("a"), address: { host: "z", port: 7000 } };
  assertEquals(written("a", [moved]), "a");
  assertEquals(written("a", [{ ...moved, isVerified: true }]), "z+a");
});

Deno.test("shared ports: what a proxy does with a node on port 8000", () => {
  const verdicts = ["a", "", "-1", "?", ". a", "b", "b a", "a+c"].map((states) => {
    const { ports } = parseSharedPorts(hashOf(states), KEY, FIRST);
    return verdictOn(ports, { ...nodeOf("a"), port: FIRST });
  });
  const [keep, close] = [{ kind: "keep" }, { kind: "close" }];
  const renamed = { kind: "renamed", id: idOf("c") };
  assertEquals(verdicts as unknown[], [keep, keep, keep, keep, close, close, close, renamed]);
});

Deno.test("shared ports: static mappings that others do not have are contradictions", () => {
  const found = (states: string) => {
    const { ports } = parseSharedPorts(hashOf(states), KEY, FIRST);
    const nodes = [nodeOf("a", { pinned: 8001 }), nodeOf("b")];
    return contradictions(ports, {
      nodes,
      listed: new Set(),
      released: new Set(),
      reserved: new Set(),
      range: { first: FIRST, count: 4 },
    });
  };
  assertEquals(["", "b a", "b . a", "a", "a b", ". b"].map((states) => found(states).length), [
    ...[0, 0, 1, 1, 1, 1],
  ]);
  assertEquals(found("a"), [{ id: idOf("a"), pinned: 8001, claimed: 8000 }]);
  assertEquals(found(". b"), [{ id: idOf("a"), pinned: 8001, claimed: undefined }]);
});

Deno.test("shared ports: fields that were damaged by hand are named, and the others count", () => {
  const id = idOf("a");
  const bad = [
    "",
    "a",
    id,
    `${id} x`,
    `${id} :7`,
    `${id} a:0`,
    `${id} a:65536`,
    "retired",
    "retired -1",
  ];
  bad.push(`${id.toUpperCase()} a:7000`, `${id}  a:7000`.slice(1), "retired 1e9");
  for (const value of bad) {
    const fields = hashOf(". b").set("port:8000", value).set("port:0", "x").set("port:70000", "x")
      .set("note", "x").set("port:08001", "x");
    const { ports, damage } = parseSharedPorts(fields, KEY, FIRST);
    assertEquals([...ports].map(([port, { kind }]) => `${port} ${kind}`).sort(), [
      "8000 damaged",
      "8001 claimed",
    ], value);
    assertEquals(damage, [
      "field port:8000 is neither a node id with its address nor 'retired' with a number",
    ]);
  }
  const { damage } = parseSharedPorts(hashOf("a b a"), KEY, FIRST);
  assertEquals(damage, ["field port:8002 has the same node as port:8000, which counts"]);
});

Deno.test("shared ports: IPv6 addresses and names are written so that they can be read", () => {
  for (const host of ["2001:db8::7", "redis_2.lan", "10.0.0.1"]) {
    const states = new Map([[FIRST, {
      kind: "claimed" as const,
      id: idOf("a"),
      address: { host, port: 7000 },
    }]]);
    assertEquals(parseSharedPorts(formatStates(states, FIRST), KEY, FIRST), {
      ports: states,
      damage: [],
    });
  }
  assertEquals(formatStates(new Map(), FIRST), new Map());
});

const REFUSED: [fields: Record<string, string>, message: string][] = [
  [{ name: "x" }, "holds no shared ports of redis-cluster-nat: it needs the fields version and"],
  [{ version: "1" }, "holds no shared ports"],
  [{ version: "x", "first-port": "8000" }, "holds no shared ports"],
  [{ version: "0", "first-port": "8000" }, "holds no shared ports"],
  [{ version: "2", "first-port": "8000" }, "have version 2, but this program reads version 1; run"],
  [
    { version: "1", "first-port": "9000" },
    "begin at 9000, and those of this proxy at 8000; set the same port in --listen-addr of all",
  ],
];

for (const [fields, message] of REFUSED) {
  Deno.test(`shared ports: ${JSON.stringify(fields)} is refused with what to do`, () => {
    const hash = new Map(Object.entries(fields));
    assertThrows(() => parseSharedPorts(hash, KEY, FIRST), SharedPortsError, message);
  });
}

Deno.test("shared ports: a hash that does not exist has no ports", () => {
  assertEquals(parseSharedPorts(new Map(), KEY, FIRST), { ports: new Map(), damage: [] });
});
