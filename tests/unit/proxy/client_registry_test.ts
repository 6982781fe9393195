import { assert, assertEquals } from "@std/assert";
import type { NatEntry } from "../../../src/nat/nat_table.ts";
import { ClientRegistry } from "../../../src/proxy/client_registry.ts";
import { SharedCounters } from "../../../src/proxy/counters.ts";

const [A, B] = ["a", "b"].map((id, index): NatEntry => ({
  id: id.repeat(40),
  address: { host: "10.0.0.1", port: 7000 + index },
  announced: [],
  role: "primary",
  busPort: undefined,
  peerPort: undefined,
  listenPort: 8000 + index,
})) as [NatEntry, NatEntry];

Deno.test("clients of two nodes may have the same addresses", () => {
  const clients = new ClientRegistry();
  clients.add(A, "10.0.0.99:1", "198.51.100.7:5");
  clients.add(B, "10.0.0.99:1", "198.51.100.8:6");
  clients.add(B, "10.0.0.99:2", "198.51.100.7:5");
  assertEquals(clients.clientAt(A, "10.0.0.99:1"), "198.51.100.7:5");
  assertEquals(clients.clientAt(B, "10.0.0.99:1"), "198.51.100.8:6");
  assertEquals(clients.upstreamOf(A, "198.51.100.7:5"), "10.0.0.99:1");
  assertEquals(clients.upstreamOf(B, "198.51.100.7:5"), "10.0.0.99:2");
  assertEquals(clients.upstreamOf(A, "198.51.100.8:6"), undefined);
  assertEquals([A, B].map((node) => clients.countOf(node)), [1, 2]);
  clients.delete(A, "10.0.0.99:1");
  assertEquals([A, B].map((node) => clients.countOf(node)), [0, 2]);
  assertEquals(clients.clientAt(A, "10.0.0.99:1"), null);
  assertEquals(clients.clientAt(B, "10.0.0.99:1"), "198.51.100.8:6");
});

Deno.test("a client may have one address in two views, and keeps it when one connection ends", () => {
  const clients = new ClientRegistry();
  const client = "198.51.100.7:5";
  const upstreams = ["10.0.0.99:1", "10.0.0.99:2", "10.0.0.99:3"];
  const ends = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]];
  for (const order of ends) {
    for (const upstream of upstreams) clients.add(A, upstream, client);
    const open = new Set(upstreams);
    for (const index of order) {
      assert(open.has(clients.upstreamOf(A, client)!), `${order}`);
      clients.delete(A, upstreams[index]!);
      open.delete(upstreams[index]!);
    }
    assertEquals(clients.upstreamOf(A, client), undefined);
  }
});

Deno.test("the connected clients of a node are counted over all threads", () => {
  const counts = new SharedCounters(SharedCounters.forThreads()).clientsAtPort;
  const [one, other] = [new ClientRegistry(counts), new ClientRegistry(counts)];
  one.add(A, "10.0.0.99:1", "198.51.100.7:5");
  other.add(A, "10.0.0.99:2", "198.51.100.7:6");
  // The kernel has reused an address before the first session has ended.
  one.add(A, "10.0.0.99:1", "198.51.100.7:7");
  assertEquals(one.upstreamOf(A, "198.51.100.7:5"), undefined);
  assertEquals([one, other].map((clients) => clients.countOf(A)), [2, 2]);
  one.delete(A, "10.0.0.99:1");
  one.delete(A, "10.0.0.99:1");
  assertEquals([one, other].map((clients) => clients.countOf(A)), [1, 1]);
  assertEquals(one.countOf(B), 0);
  const upstreams = ["10.0.0.99:2", "10.0.0.99:3"];
  assertEquals(other.among(A, upstreams), new Map([["10.0.0.99:2", "198.51.100.7:6"]]));
  assertEquals(one.among(A, upstreams), new Map());
});
