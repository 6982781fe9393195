import { assertEquals } from "@std/assert";
import type { NatEntry } from "../../../src/nat/nat_table.ts";
import { TableReplica } from "../../../src/workers/table_replica.ts";
import type { SnapshotEntry, TableSnapshot } from "../../../src/workers/messages.ts";

const A = { host: "10.0.0.1", port: 7000 };
const B = { host: "10.0.0.2", port: 7001 };

function pictured(key: number, fields: Partial<NatEntry>, more: Partial<SnapshotEntry> = {}) {
  const node: NatEntry = {
    id: `${key}`,
    address: A,
    names: [],
    role: "primary",
    busPort: undefined,
    publicPort: 8000 + key,
    ...fields,
  };
  return { key, node, identified: true, isUp: true, moves: 0, ...more };
}

function picture(...nodes: SnapshotEntry[]): TableSnapshot {
  const aliases = nodes.map(({ key, node }) => {
    return [`${node.address.host} ${node.address.port}`, key] as const;
  });
  return { nodes, aliases };
}

Deno.test("a node that is pictured is understood at once, and named when that is published", () => {
  const copy = new TableReplica();
  copy.update(picture(pictured(0, {})));
  assertEquals(copy.atPort(8000)?.address, A);
  assertEquals(copy.isKnown(A), true);
  assertEquals([copy.portOf(A), copy.portOf({ ...A, id: "0" })], [undefined, undefined]);
  copy.publish();
  assertEquals([copy.portOf(A), copy.portOf({ ...A, id: "0" })], [8000, 8000]);

  copy.update(picture(pictured(0, {}), pictured(1, { address: B })));
  assertEquals(copy.atPort(8001)?.address, B);
  assertEquals([copy.portOf(A), copy.portOf(B)], [8000, undefined]);
  copy.publish();
  assertEquals([copy.portOf(A), copy.portOf(B)], [8000, 8001]);
});

Deno.test("a node that is gone is named no more, published or not", () => {
  const copy = new TableReplica();
  copy.update(picture(pictured(0, {}), pictured(1, { address: B })));
  copy.publish();
  const node = copy.withKey(1)!;
  assertEquals(copy.update(picture(pictured(0, {}))), [{ kind: "closed", node }]);
  assertEquals([copy.portOf(B), copy.atPort(8001)], [undefined, undefined]);
  assertEquals(copy.keyOf(node), 1);
});

Deno.test("a node that moves is the same one, and has moved once", () => {
  const copy = new TableReplica();
  copy.update(picture(pictured(0, {})));
  const node = copy.atPort(8000)!;
  const moved = picture(pictured(0, { address: B }, { moves: 1 }));
  assertEquals(copy.update(moved), [{ kind: "moved", node }]);
  assertEquals(node.address, B);
  assertEquals(copy.update(moved), []);
  // The same place by another name.
  const spelled = picture(pictured(0, { address: { host: "b", port: 7001 } }, { moves: 1 }));
  assertEquals(copy.update(spelled), []);
  assertEquals(node.address.host, "b");
});

Deno.test("a port that goes to another node is that of another one", () => {
  const copy = new TableReplica();
  copy.update(picture(pictured(0, { publicPort: 8000 })));
  const old = copy.atPort(8000)!;
  const changes = copy.update(picture(pictured(1, { publicPort: 8000, address: B })));
  assertEquals(changes, [{ kind: "closed", node: old }]);
  assertEquals(copy.atPort(8000)?.address, B);
});

Deno.test("an address of several nodes is nobody's, and private", () => {
  const copy = new TableReplica();
  copy.update({ ...picture(pictured(0, {})), aliases: [["10.0.0.9 7000", null]] });
  copy.publish();
  const shared = { host: "10.0.0.9", port: 7000 };
  assertEquals([copy.portOf(shared), copy.isKnown(shared)], [undefined, true]);
});

Deno.test("an id that stands for another node is not that of one that has it, too", () => {
  const copy = new TableReplica();
  copy.update(picture(pictured(0, { id: "x" }, { identified: false }), pictured(1, { id: "x" })));
  copy.publish();
  assertEquals(copy.portOf({ host: "", port: 0, id: "x" }), 8001);
});
