import { assert, assertEquals } from "@std/assert";
import type { NatEntry } from "../../../src/nat/nat_table.ts";
import { ClientRegistry } from "../../../src/proxy/client_registry.ts";
import { SharedCounters } from "../../../src/proxy/counters.ts";
import { ClientCache } from "../../../src/workers/client_cache.ts";

const NODE: NatEntry = {
  id: "a".repeat(40),
  address: { host: "10.0.0.1", port: 7000 },
  names: [],
  role: "primary",
  busPort: undefined,
  publicPort: 8000,
};

const [UPSTREAM, LATER, ABSENT] = ["10.0.0.99:1", "10.0.0.99:2", "10.0.0.5:3"] as const;

/** One thread without clients, and its cache of the clients of another one. */
function setUp() {
  const counts = new SharedCounters(SharedCounters.forThreads()).clients!;
  const [own, clients] = [new ClientRegistry(counts), new ClientRegistry(counts)];
  const scene = {
    own,
    clients,
    /** Called when the other thread has replied, and the reply is in flight. */
    answered() {},
    cache: new ClientCache(own, {
      async fetchClients(node, upstreams) {
        const found = clients.among(node, upstreams);
        scene.answered();
        return await Promise.resolve(found);
      },
      upstreamOf: (node, client) => Promise.resolve(clients.upstreamOf(node, client)),
    }, counts),
  };
  return scene;
}

Deno.test("a client of another thread is cached until any client leaves", async () => {
  const { clients, cache } = setUp();
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  assertEquals(cache.clientAt(NODE, UPSTREAM), undefined);
  const found = await cache.fetchClients(NODE, [UPSTREAM]);
  assertEquals(found, new Map([[UPSTREAM, "198.51.100.7:5"]]));
  assertEquals(cache.clientAt(NODE, UPSTREAM), "198.51.100.7:5");
  clients.add(NODE, LATER, "198.51.100.7:6");
  assertEquals(cache.clientAt(NODE, UPSTREAM), "198.51.100.7:5");
  assertEquals(cache.clientAt({ ...NODE, publicPort: 8001 }, UPSTREAM), undefined);
  clients.delete(NODE, LATER);
  assertEquals(cache.clientAt(NODE, UPSTREAM), undefined);
});

Deno.test("the absence of a client is cached until any client arrives", async () => {
  const { clients, cache } = setUp();
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  await cache.fetchClients(NODE, [ABSENT, LATER]);
  assertEquals([ABSENT, LATER].map((at) => cache.clientAt(NODE, at)), [null, null]);
  clients.delete(NODE, UPSTREAM);
  assertEquals(cache.clientAt(NODE, LATER), null);
  clients.add(NODE, LATER, "198.51.100.7:6");
  assertEquals(cache.clientAt(NODE, LATER), undefined);
  await cache.fetchClients(NODE, [LATER]);
  assertEquals(cache.clientAt(NODE, LATER), "198.51.100.7:6");
});

Deno.test("a reply that is outdated when it arrives is not cached", async () => {
  const scene = setUp();
  const { clients, cache } = scene;
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  scene.answered = () => {
    clients.delete(NODE, UPSTREAM);
    clients.add(NODE, LATER, "198.51.100.7:6");
  };
  const found = await cache.fetchClients(NODE, [UPSTREAM, LATER]);
  assertEquals(found, new Map([[UPSTREAM, "198.51.100.7:5"]]));
  for (const at of [UPSTREAM, LATER]) assertEquals(cache.clientAt(NODE, at), undefined);
});

Deno.test("the cache is limited", async (t) => {
  const addresses = Array.from({ length: 25_000 }, (_, at) => `10.0.0.5:${at}`);
  for (const who of ["absent", "clients"]) {
    for (const [how, each] of [["one by one", 1], ["in one answer", addresses.length]] as const) {
      await t.step(`of ${who}, ${how}`, async () => {
        const { clients, cache } = setUp();
        if (who === "clients") {
          for (const at of addresses) clients.add(NODE, at, `public ${at}`);
        }
        for (let at = 0; at < addresses.length; at += each) {
          await cache.fetchClients(NODE, addresses.slice(at, at + each));
        }
        const known = addresses.filter((at) => cache.clientAt(NODE, at) !== undefined);
        assert(known.length <= 10_000, `${known.length} are cached`);
        assertEquals(known.at(-1), addresses.at(-1));
      });
    }
  }
});

Deno.test("own clients, and what is no address, need no query", () => {
  const { own, cache } = setUp();
  own.add(NODE, UPSTREAM, "198.51.100.7:5");
  assertEquals(cache.clientAt(NODE, UPSTREAM), "198.51.100.7:5");
  assertEquals(cache.upstreamOf(NODE, "198.51.100.7:5"), UPSTREAM);
  assertEquals(cache.clientAt(NODE, "SETNAME"), null);
  assertEquals(cache.clientAt(NODE, ABSENT), undefined);
});
