import { assertEquals } from "@std/assert";
import type { ClusterNode } from "../../../src/cluster/node.ts";
import { portsOf, withoutTlsPorts } from "../../../src/cluster/node_ports.ts";
import type { ClusterView } from "../../../src/cluster/view.ts";
import { decodeFrame } from "../../../src/resp/frame.ts";
import { fromLatin1 } from "../../../src/resp/bytes.ts";
import { array, bulk, int } from "../../support/frames.ts";
import { Logged } from "../../support/logged.ts";
import { idOf, TableScene, viewOf } from "../../support/views.ts";

/** What servers answered on one kind of connection about two nodes, the first of which answered. */
interface Answer {
  /** The proxy speaks TLS. */
  readonly tls?: boolean;
  /** The ports in CLUSTER NODES, with the bus port. */
  readonly lines: readonly [a: string, b: string];
  /** `port` and `tls-port` in CLUSTER SHARDS; 0 for a missing field, none before 7.0. */
  readonly shards?: readonly [a: [number, number], b: [number, number]];
}

/** What follows from it. */
interface Expected {
  /** The ports that the proxy connects to, by node; none for a node without one. */
  readonly dialled: Record<string, number>;
  /** The ports that other nodes use, if they differ. */
  readonly peers?: Record<string, number>;
  /** The warnings, with the ids cut. */
  readonly logged?: readonly string[];
}

/** The first node has the ports 7000 and 7100 (TLS), and the second 7001 and 7101. */
const BOTH: Answer["shards"] = [[7000, 7100], [7001, 7101]];

const PLAIN_PORTS = "warning Node a announces its plain-text port 10.0.0.1:7000 to the proxy, " +
  "which speaks TLS; set `tls-cluster yes` on each node, or list the TLS address of each in " +
  "--cluster-addr";
const NO_PLAIN = "warning Node b at 10.0.0.2 has no plain-text port, so no client can reach it; " +
  "set `port` in its configuration, or use --cluster-tls";
const NO_TLS = "warning Node b at 10.0.0.2 has no TLS port, so no client can reach it; set " +
  "`tls-port` in its configuration, or do without --cluster-tls";

const ONE_EACH = { a: 7000, b: 7001 };
const TLS_EACH = { a: 7100, b: 7101 };

/** Captured from Redis 6.2.14, 7.0.15, 7.4.1 and 8.0.6, and Valkey 8.1.1 and 9.1.2. */
const CASES: Record<string, [Answer, Expected]> = {
  "6.2, tls-cluster yes, over TLS": [
    { tls: true, lines: ["7100@17100", "7101@17101"] },
    { dialled: TLS_EACH },
  ],
  "6.2, tls-cluster yes, in plain text": [
    { lines: ["7000@17100", "7001@17101"] },
    { dialled: ONE_EACH },
  ],
  "6.2, tls-cluster no, over TLS": [
    { tls: true, lines: ["7000@17000", "7001@17001"] },
    { dialled: ONE_EACH, logged: [PLAIN_PORTS] },
  ],
  "7.0, tls-cluster no, over TLS": [
    { tls: true, lines: ["7000@17000", "7001@17001"], shards: [[7000, 0], [7001, 0]] },
    { dialled: ONE_EACH, logged: [PLAIN_PORTS] },
  ],
  "7.0, one node without `port`, in plain text": [
    { lines: ["7000@17100", "7101@17101"], shards: [[7000, 7100], [0, 7101]] },
    { dialled: { a: 7000 }, peers: { a: 7100 }, logged: [NO_PLAIN] },
  ],
  "7.0, one node without `port`, over TLS": [
    { tls: true, lines: ["7100@17100", "7101@17101"], shards: [[7000, 7100], [0, 7101]] },
    { dialled: TLS_EACH },
  ],
  "7.2 and later, tls-cluster yes, over TLS": [
    { tls: true, lines: ["7100@17100", "7101@17101"], shards: BOTH },
    { dialled: TLS_EACH },
  ],
  "7.2 and later, tls-cluster yes, in plain text": [
    { lines: ["7000@17100", "7001@17101"], shards: BOTH },
    { dialled: ONE_EACH, peers: TLS_EACH },
  ],
  "7.2 and later, tls-cluster no, over TLS": [
    { tls: true, lines: ["7100@17000", "7101@17001"], shards: BOTH },
    { dialled: TLS_EACH, peers: ONE_EACH },
  ],
  "7.2 and later, a bus port of its own": [
    { tls: true, lines: ["7100@8000", "7101@8001"], shards: BOTH },
    { dialled: TLS_EACH },
  ],
  "7.2 and later, TLS only": [
    { tls: true, lines: ["7100@17100", "7101@17101"], shards: [[0, 7100], [0, 7101]] },
    { dialled: TLS_EACH },
  ],
  "7.2 and later, one node without `port`, in plain text": [
    { lines: ["7000@17100", "0@17101"], shards: [[7000, 7100], [0, 7101]] },
    { dialled: { a: 7000 }, peers: { a: 7100 }, logged: [NO_PLAIN] },
  ],
  "7.2 and later, one node without `tls-port`, over TLS": [
    { tls: true, lines: ["7100@17000", "0@17001"], shards: [[7000, 7100], [7001, 0]] },
    { dialled: { a: 7100 }, peers: { a: 7000 }, logged: [NO_TLS] },
  ],
};

/** The view that discovery makes of an answer. */
function viewFrom({ tls = false, lines: [a, b], shards }: Answer): ClusterView {
  const view = viewOf([
    `a 10.0.0.1:${a} myself,master - 0 0 1 connected 0-99`,
    `b 10.0.0.2:${b} master - 0 0 1 connected 100-16383`,
  ]);
  const ports = portsOf(decodeFrame(fromLatin1(
    shards === undefined ? "-ERR\r\n" : array(
      ...shards.map(([plain, tls], at) => {
        const fields = [bulk("id"), bulk(idOf("ab"[at]!))];
        if (plain > 0) fields.push(bulk("port"), int(plain));
        if (tls > 0) fields.push(bulk("tls-port"), int(tls));
        return array(bulk("slots"), array(), bulk("nodes"), array(array(...fields)));
      }),
    ),
  )));
  const answeredAt = { host: "10.0.0.1", port: tls ? 7100 : 7000 };
  const nodes = withoutTlsPorts(view.nodes, view.answeredBy, ports);
  return { ...view, nodes, ports, answeredAt, isTls: tls };
}

for (const [name, [answer, { dialled, peers = {}, logged = [] }]] of Object.entries(CASES)) {
  Deno.test(`the ports of ${name}`, () => {
    using log = new Logged();
    const scene = new TableScene();
    scene.applyView(viewFrom(answer));
    const nodes = scene.natTable.nodes.map((node) => ({ ...node, digit: node.id[0]! }));
    assertEquals(
      Object.fromEntries(nodes.map(({ digit, address }) => [digit, address.port])),
      dialled,
    );
    const found = nodes.filter(({ peerPort }) => peerPort !== undefined);
    assertEquals(Object.fromEntries(found.map(({ digit, peerPort }) => [digit, peerPort])), peers);
    assertEquals(
      log.lines.filter((line) => !line.startsWith("debug"))
        .map((line) => line.replace(/(.)\1{39}/, "$1")),
      logged,
    );
  });
}

Deno.test("a node is known by its ports for plain text and for TLS", () => {
  const scene = new TableScene();
  scene.applyView(viewFrom({ lines: ["7000@17100", "7001@17101"], shards: BOTH }));
  for (const port of [7001, 7101]) {
    assertEquals(scene.natTable.portOf({ host: "10.0.0.2", port }), 8001);
  }
  const { announced } = scene.natTable.nodes[1]!;
  assertEquals(announced.map(({ port }) => port), [7001, 7101]);
});

Deno.test("a redirect to the TLS port of a node without another is known to have no port", () => {
  const scene = new TableScene();
  const [answer] = CASES["7.0, one node without `port`, in plain text"]!;
  scene.applyView(viewFrom(answer));
  const why = scene.natTable.whyNoPort({ host: "10.0.0.2", port: 7101, redirects: true });
  assertEquals(why?.message.includes("has no plain-text port"), true);
});

Deno.test("a node that gives up its port keeps its public port, which is logged once", () => {
  using logged = new Logged();
  const scene = new TableScene();
  const before = viewFrom({ lines: ["7000@17100", "7001@17101"], shards: BOTH });
  const without = () =>
    viewFrom({ lines: ["7000@17100", "0@17101"], shards: [[7000, 7100], [0, 7101]] });
  scene.applyView(before);
  for (let times = 0; times < 3; times++) scene.applyView(without());
  assertEquals(scene.mapping, { a: "8000 10.0.0.1:7000", b: "8001 10.0.0.2:7001" });
  assertEquals(logged.lines.filter((line) => line.includes("no plain-text port")).length, 1);
});

Deno.test("a node that is down may lose its port, which is not logged", () => {
  using logged = new Logged();
  const scene = new TableScene();
  scene.applyView(viewFrom({ lines: ["7000@17100", "7001@17101"], shards: BOTH }));
  const view = viewFrom({ lines: ["7000@17100", "0@17101"], shards: BOTH });
  const nodes = view.nodes.map((node): ClusterNode =>
    node.port === 0 ? { ...node, flags: new Set(["master", "fail"]) } : node
  );
  scene.applyView({ ...view, nodes });
  assertEquals(logged.lines.filter((line) => line.startsWith("warning")), []);
});

Deno.test("a static mapping may name either port of a node", () => {
  for (const port of [7001, 7101]) {
    const scene = new TableScene({
      staticMappings: [{ node: { host: "10.0.0.2", port }, port: 9000 }],
    });
    scene.apply(scene.natTable.openStaticMappings());
    scene.applyView(viewFrom({ tls: true, lines: ["7100@17100", "7101@17101"], shards: BOTH }));
    assertEquals(scene.mapping, { a: "8000 10.0.0.1:7100", b: "9000 10.0.0.2:7101" });
  }
});

Deno.test("nodes keep their public ports when the cluster changes to TLS", () => {
  const plain = new TableScene();
  plain.applyView(
    viewFrom({ lines: ["7000@17000", "7001@17001"], shards: [[7000, 0], [7001, 0]] }),
  );
  const swapped = new TableScene({ first: 8100, saved: plain.natTable.savedPorts });
  swapped.applyView(viewFrom({ tls: true, lines: ["7100@17100", "7101@17101"], shards: BOTH }));
  assertEquals(swapped.mapping, { a: "8000 10.0.0.1:7100", b: "8001 10.0.0.2:7101" });
});
