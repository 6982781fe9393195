import { assertEquals } from "@std/assert";
import type { NatEntry } from "../../../src/nat/nat_table.ts";
import { ClientRegistry } from "../../../src/proxy/client_registry.ts";
import { AllClients } from "../../../src/workers/all_clients.ts";

const NODE: NatEntry = {
  id: "a".repeat(40),
  address: { host: "10.0.0.1", port: 7000 },
  announced: [],
  role: "primary",
  busPort: undefined,
  peerPort: undefined,
  listenPort: 8000,
};

Deno.test("clients of the own thread are found at once, the others by a query", async () => {
  const own = new ClientRegistry();
  own.add(NODE, "10.0.0.99:1", "198.51.100.7:5");
  const clients = new AllClients(own, {
    fetchClients: () => Promise.resolve(new Map([["10.0.0.99:2", "198.51.100.7:6"]])),
    upstreamOf: (_node, client) =>
      Promise.resolve(client === "198.51.100.7:6" ? "other" : undefined),
  });
  assertEquals(clients.clientAt(NODE, "10.0.0.99:1"), "198.51.100.7:5");
  assertEquals(clients.clientAt(NODE, "10.0.0.99:2"), undefined);
  assertEquals((await clients.fetchClients(NODE, ["10.0.0.99:2"])).size, 1);
  assertEquals(await clients.upstreamOf(NODE, "198.51.100.7:5"), "10.0.0.99:1");
  assertEquals(await clients.upstreamOf(NODE, "198.51.100.7:6"), "other");
  assertEquals(await clients.upstreamOf(NODE, "198.51.100.7:7"), undefined);
});

Deno.test("a text that is not an address belongs to no client, without a query", () => {
  const clients = new AllClients(new ClientRegistry(), {
    fetchClients: () => Promise.reject(new Error("no query expected")),
    upstreamOf: () => Promise.resolve(undefined),
  });
  assertEquals(clients.clientAt(NODE, "KILL"), null);
});
