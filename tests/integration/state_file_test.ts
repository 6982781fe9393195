import { assert, assertEquals, assertThrows } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import type { HostPort } from "../../src/platform/address.ts";
import { createViews, PublicView } from "../../src/nat/public_view.ts";
import type { SavedPort, SavedPorts } from "../../src/nat/port_allocator.ts";
import { formatState, readStateFile } from "../../src/nat/state_file.ts";
import { createNatTable } from "../../src/proxy/startup.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { TemporaryDirectory } from "../support/temporary.ts";

const SAVED: SavedPorts = {
  nodes: [
    node(1, { host: "172.23.0.2", port: 7000 }, 8000),
    node(2, { host: "2001:db8::7", port: 7000 }, 8002),
    node(3, { host: "redis_2.lan", port: 65535 }, 65535),
  ],
  retired: [8003, 8001],
};

const TEXT = `{
  "format": "redis-cluster-nat state",
  "version": 1,
  "nodes": [
    {
      "id": "${idOf(1)}",
      "address": "172.23.0.2:7000",
      "port": 8000
    },
    {
      "id": "${idOf(2)}",
      "address": "[2001:db8::7]:7000",
      "port": 8002
    },
    {
      "id": "${idOf(3)}",
      "address": "redis_2.lan:65535",
      "port": 65535
    }
  ],
  "retired": [
    8003,
    8001
  ]
}
`;

function idOf(number: number): string {
  return number.toString(16).padStart(40, "07c37dfeb235213a872192d90877d0cd55635b91");
}

function node(number: number, address: HostPort, port: number): SavedPort {
  return { id: idOf(number), address, port };
}

/** What a state file of this content is read as. */
async function read(content: string | Uint8Array): Promise<SavedPorts | undefined> {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("state.json");
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.writeFile(path, bytes);
  try {
    return readStateFile(path);
  } finally {
    assertEquals(await Deno.readFile(path), bytes, "reading must not change the file");
  }
}

/** The text with changes to what it says. */
function edited(change: (state: Edited) => void): string {
  const state = JSON.parse(TEXT);
  change(state);
  return JSON.stringify(state);
}

interface Edited {
  [field: string]: unknown;
  nodes: Record<string, unknown>[];
  retired: unknown[];
}

Deno.test("a state file is readable, in the order of ports", () => {
  assertEquals(formatState({ ...SAVED, nodes: SAVED.nodes.toReversed() }), TEXT);
});

Deno.test("a state file that was written is read", async () => {
  // Hosts are as the nodes announce them, and nobody checks what they do.
  const hosts = ["-", "a b", "fe80::1%eth0", "ä", "::", '"', "\\"];
  const single = hosts.map((host) => [node(1, { host, port: 1 }, 1)]);
  for (const saved of [SAVED, ...[[], ...single].map((nodes) => ({ nodes, retired: [] }))]) {
    assertEquals(await read(formatState(saved)), saved);
  }
});

Deno.test("a state file has the ports of other views, and is read without them", async () => {
  const [first] = SAVED.nodes;
  const listen = { host: "", port: 9000 };
  const outside = new PublicView(
    { name: "outside", listen, publicHost: "h" },
    { listen: { host: "", port: 8000 } },
  );
  const text = formatState({ nodes: [first!], retired: [] }, [outside]);
  const saved = { nodes: [{ ...first!, views: new Map([["outside", 9000]]) }], retired: [] };
  assertEquals(await read(text), saved);
  assertEquals(await read(text.replace(/,\s*"views": \{[^}]*\}/, "")), {
    nodes: [first!],
    retired: [],
  });
});

Deno.test("a state file says nothing about a view that it does not have, whatever its name", async () => {
  await using directory = await TemporaryDirectory.create();
  const stateFile = directory.at("state.json");
  const listen = { host: "", port: 8000 };
  const shown = { listen, publicHost: "h" };
  const views = ["toString", "constructor"].map((name, index) => {
    return { name, listen: { host: "", port: 9000 + 1000 * index }, publicHost: "h" };
  });
  const saved = { nodes: [SAVED.nodes[0]!], retired: [] };
  for (const known of [0, 1]) {
    const [, ...others] = createViews({ ...shown, otherViews: views.slice(0, known) });
    await Deno.writeTextFile(stateFile, formatState(saved, others));
    const { savedPorts } = await createNatTable(
      {
        listen,
        stateFile,
        maxNodes: 1,
        staticMappings: [],
        forgetAfterMs: 0,
        sharedPorts: undefined,
      },
      createViews({ ...shown, otherViews: views }),
    );
    assertEquals(savedPorts.nodes.map(({ port }) => port), [8000]);
  }
});

Deno.test("the state file need not exist", async () => {
  await using directory = await TemporaryDirectory.create();
  assertEquals(readStateFile(directory.at("state.json")), undefined);
  assertEquals(readStateFile(directory.at("missing/state.json")), undefined);
});

const TOLERATED: [name: string, content: string][] = [
  ["fields of another day", edited((state) => state["color"] = state.nodes[0]!["color"] = [{}])],
  ["everything on one line", JSON.stringify(JSON.parse(TEXT))],
  ["line breaks of Windows", TEXT.replaceAll("\n", "\r\n")],
  ["a byte order mark", "\ufeff" + TEXT],
];

for (const [name, content] of TOLERATED) {
  Deno.test(`${name} in a state file is accepted`, async () => {
    assertEquals(await read(content), SAVED);
  });
}

const REMEDY = "; fix it, delete it, or name another with --state-file";

type Damage = [name: string, content: string | Uint8Array, message: string];

const DAMAGES: Damage[] = [
  ["nothing", "", "is empty; delete it, or name another with --state-file"],
  ["blanks", " \n\t\r\n", "is empty; delete it, or name another with --state-file"],
  ["words", "my SECRET\n", `is not JSON${REMEDY}`],
  ["half of it", TEXT.slice(0, 200), `is not JSON (line 11 column 1)${REMEDY}`],
  ["a comma too many", '{\n"SECRET": 1,\n}', `is not JSON (line 3 column 1)${REMEDY}`],
  ["two states", TEXT + TEXT, `is not JSON (line 26 column 1)${REMEDY}`],
  ["zeros, as after a crash", new Uint8Array(100), `is not JSON${REMEDY}`],
  ["no text", new Uint8Array([0x7b, 0xff, 0x7d]), `is not text in UTF-8${REMEDY}`],
  ["UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0x00]), `is not text in UTF-8${REMEDY}`],

  ...["null", "7", '"SECRET"', "[]", "{}", '{"format":"SECRET","version":1}', `[${TEXT}]`].map(
    (content): Damage => [
      content.slice(0, 40),
      content,
      "is not a state of redis-cluster-nat; name another with --state-file",
    ],
  ),

  [
    "a newer version",
    edited((state) => state["version"] = 2),
    "has version 2, but this program reads version 1; run a newer program, delete it, or name another " +
    "with --state-file",
  ],
  ...damaged("version", "a whole number", [undefined, null, "1", 0, 1.5, -1]),
  ...damaged("nodes", "a list", [undefined, null, {}, "x", 1]),
  ...damaged("retired", "a list", [undefined, null, {}, "x", 1]),
  ...damaged("nodes[1]", "an object", [null, 1, "x", []]),
  ...damaged("nodes[2].id", "a node id of 40 hexadecimal digits in lower case", [
    ...[undefined, null, 1, "", idOf(1).slice(1), idOf(1) + "0", idOf(1).toUpperCase()],
  ]),
  ...damaged("nodes[0].address", "host:port", [
    ...[undefined, null, 7000, "", "a", ":1", "a:", "a:0", "a:65536", "a:x", "a:1\n", ["a", 1]],
  ]),
  ...["nodes[0].port", "retired[1]"].flatMap((field) =>
    damaged(field, "a port from 1 to 65535", [
      ...[undefined, null, 0, -1, 65536, 1.5, 1e99, "8000", [8000]],
    ])
  ),

  twice("one id twice", "nodes[2].id", "nodes[0].id", (state) => state.nodes[2]!["id"] = idOf(1)),
  twice(
    "one port twice",
    "nodes[1].port",
    "nodes[0].port",
    (state) => state.nodes[1]!["port"] = 8000,
  ),
  twice("a port retired twice", "retired[2]", "retired[0]", (state) => state.retired.push(8003)),
  twice("a port in use and retired", "retired[2]", "nodes[1].port", (state) => {
    state.retired.push(8002);
  }),
];

function twice(
  name: string,
  field: string,
  other: string,
  change: (state: Edited) => void,
): Damage {
  return [name, edited(change), `is damaged: ${field} is the same as ${other}${REMEDY}`];
}

/** The state file with each of some values in a field, such as `nodes[1].id`. */
function damaged(field: string, expected: string, values: readonly unknown[]): Damage[] {
  return values.map((value) => {
    const name = `${field} ${value === undefined ? "missing" : JSON.stringify(value)}`;
    const path = field.split(/[[\].]+/).filter((part) => part !== "");
    const content = edited((state) => {
      const parent = path.slice(0, -1).reduce((at: Edited, part) => at[part] as Edited, state);
      parent[path.at(-1)!] = value;
    });
    return [name, content, `is damaged: ${field} is not ${expected}${REMEDY}`];
  });
}

for (const [name, content, message] of DAMAGES) {
  Deno.test(`${name} in a state file is refused with what to do`, async () => {
    const error = await read(content).catch((error) => error);
    assert(error instanceof OperatorError, Deno.inspect(error));
    assertEquals(error.message.replace(/^The state file '[^']+\/state\.json' /, ""), message);
  });
}

Deno.test("a state file that cannot be read is refused in one line, with the reason", async () => {
  await using directory = await TemporaryDirectory.create();
  await Deno.writeTextFile(directory.at("file"), TEXT);
  for (const path of [directory.at("file/state.json"), directory.at(""), "/no\n\0such"]) {
    const { message } = assertThrows(() => readStateFile(path), OperatorError);
    assert(/^Cannot read the state file '[^\n]+ make it readable, or name/.test(message), message);
  }
});

const CORRUPTIONS = 2000;

Deno.test("a corrupt state file is refused or read, and nothing worse", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("state.json");
  const seed = testSeed();
  console.log(`TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const whole = new TextEncoder().encode(TEXT);

  for (let length = 0; length < whole.length; length++) {
    Deno.writeFileSync(path, whole.subarray(0, length));
    // Only the line break at the end can be missed.
    if (length >= whole.length - 1) assertEquals(readStateFile(path), SAVED);
    else assertThrows(() => readStateFile(path), OperatorError);
  }

  for (let turn = 0; turn < CORRUPTIONS; turn++) {
    const bytes = [...whole];
    for (let change = random.int(4); change >= 0; change--) {
      const at = random.int(bytes.length);
      // Bytes changed, lost, put in, and a piece that is there twice.
      const piece = [
        () => bytes.splice(at, 1, random.int(256)),
        () => bytes.splice(at, 1 + random.int(40)),
        () => bytes.splice(at, 0, random.pick(whole as unknown as number[])),
        () => bytes.splice(at, 0, ...bytes.slice(at, at + random.int(200))),
      ];
      random.pick(piece)();
    }
    Deno.writeFileSync(path, new Uint8Array(bytes));
    const text = new TextDecoder().decode(new Uint8Array(bytes));
    let saved: SavedPorts;
    try {
      saved = readStateFile(path)!;
    } catch (error) {
      assert(error instanceof OperatorError, `${Deno.inspect(error)}\n${text}`);
      continue;
    }
    // A digit in the place of another makes another state, but still one.
    const ports = [...saved.nodes.map(({ port }) => port), ...saved.retired];
    assertEquals(new Set(ports).size, ports.length, text);
    assertEquals(new Set(saved.nodes.map(({ id }) => id)).size, saved.nodes.length, text);
    Deno.writeTextFileSync(path, formatState(saved));
    assertEquals(new Set(readStateFile(path)!.nodes), new Set(saved.nodes), text);
  }
});
