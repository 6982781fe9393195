import { assertEquals } from "@std/assert";
import type { NatEntry } from "../../../src/nat/nat_table.ts";
import { TableReplica } from "../../../src/workers/table_replica.ts";
import type { SnapshotEntry, TableSnapshot } from "../../../src/workers/messages.ts";

const A = { host: "10.0.0.1", port: 7000 };
const B = { host: "10.0.0.2", port: 7001 };

function entry(key: number, fields: Partial<NatEntry>, more: Partial<SnapshotEntry> = {}) {
  const node: NatEntry = {
    id: `${key}`,
    address: A,
    announced: [],
    role: "primary",
    busPort: undefined,
    peerPort: undefined,
    listenPort: 8000 + key,
    ...fields,
  };
  return { key, node, identified: true, isUp: true, moves: 0, ...more };
}

function snapshot(...nodes: SnapshotEntry[]): TableSnapshot {
  const aliases = nodes.map(({ key, node }) => {
    return [`${node.address.host} ${node.address.port}`, key] as const;
  });
  return { nodes, aliases, hasHostnames: true, publicPorts: undefined };
}

Deno.test("requests may name a node of a snapshot at once, replies when it is published", () => {
  const replica = new TableReplica();
  replica.update(snapshot(entry(0, {})));
  assertEquals(replica.hasHostnames, true);
  assertEquals(replica.atPort(8000)?.address, A);
  assertEquals(replica.isPrivate(A), true);
  assertEquals([replica.portOf(A), replica.portOf({ ...A, id: "0" })], [undefined, undefined]);
  replica.publish();
  assertEquals([replica.portOf(A), replica.portOf({ ...A, id: "0" })], [8000, 8000]);

  replica.update(snapshot(entry(0, {}), entry(1, { address: B })));
  assertEquals(replica.atPort(8001)?.address, B);
  assertEquals([replica.portOf(A), replica.portOf(B)], [8000, undefined]);
  replica.publish();
  assertEquals([replica.portOf(A), replica.portOf(B)], [8000, 8001]);
});

Deno.test("replies do not name a removed node, published or not", () => {
  const replica = new TableReplica();
  replica.update(snapshot(entry(0, {}), entry(1, { address: B })));
  replica.publish();
  const node = replica.withKey(1)!;
  assertEquals(replica.update(snapshot(entry(0, {}))), [{ kind: "close", node }]);
  assertEquals([replica.portOf(B), replica.atPort(8001)], [undefined, undefined]);
  assertEquals(replica.keyOf(node), 1);
});

Deno.test("a node that moves keeps its row, and moves once", () => {
  const replica = new TableReplica();
  replica.update(snapshot(entry(0, {})));
  const node = replica.atPort(8000)!;
  const moved = snapshot(entry(0, { address: B }, { moves: 1 }));
  assertEquals(replica.update(moved), [{ kind: "moved", node }]);
  assertEquals(node.address, B);
  assertEquals(replica.update(moved), []);
  // The same address in another notation.
  const spelled = snapshot(entry(0, { address: { host: "b", port: 7001 } }, { moves: 1 }));
  assertEquals(replica.update(spelled), []);
  assertEquals(node.address.host, "b");
});

Deno.test("a port may pass to another node", () => {
  const replica = new TableReplica();
  replica.update(snapshot(entry(0, { listenPort: 8000 })));
  const old = replica.atPort(8000)!;
  const changes = replica.update(snapshot(entry(1, { listenPort: 8000, address: B })));
  assertEquals(changes, [{ kind: "close", node: old }]);
  assertEquals(replica.atPort(8000)?.address, B);
});

Deno.test("an address that several nodes report is private, and has no port", () => {
  const replica = new TableReplica();
  replica.update({ ...snapshot(entry(0, {})), aliases: [["10.0.0.9 7000", null]] });
  replica.publish();
  const shared = { host: "10.0.0.9", port: 7000 };
  assertEquals([replica.portOf(shared), replica.isPrivate(shared)], [undefined, true]);
});

Deno.test("an id that two nodes have stands for the identified one", () => {
  const replica = new TableReplica();
  replica.update(snapshot(entry(0, { id: "x" }, { identified: false }), entry(1, { id: "x" })));
  replica.publish();
  assertEquals(replica.portOf({ host: "", port: 0, id: "x" }), 8001);
});
