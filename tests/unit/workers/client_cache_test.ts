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

const [UPSTREAM, LATER, STRANGER] = ["10.0.0.99:1", "10.0.0.99:2", "10.0.0.5:3"] as const;

/** What one thread remembers of the clients of another one. */
function setUp() {
  const counts = new SharedCounters(SharedCounters.forThreads()).clients!;
  const clients = new ClientRegistry(counts);
  const scene = {
    clients,
    asked: 0,
    /** Called when the other thread has answered, and the answer is on its way. */
    answered() {},
    remembered: new ClientCache({
      async clientsAt(node, upstreams) {
        scene.asked++;
        const found = clients.among(node, upstreams);
        scene.answered();
        return await Promise.resolve(found);
      },
      upstreamOf: (node, client) => Promise.resolve(clients.upstreamOf(node, client)),
    }, counts),
  };
  return scene;
}

Deno.test("what another thread said of a client holds until one leaves", async () => {
  const { clients, remembered } = setUp();
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  assertEquals(remembered.clientAt(NODE, UPSTREAM), undefined);
  const found = await remembered.clientsAt(NODE, [UPSTREAM]);
  assertEquals(found, new Map([[UPSTREAM, "198.51.100.7:5"]]));
  assertEquals(remembered.clientAt(NODE, UPSTREAM), "198.51.100.7:5");
  clients.add(NODE, LATER, "198.51.100.7:6");
  assertEquals(remembered.clientAt(NODE, UPSTREAM), "198.51.100.7:5");
  assertEquals(remembered.clientAt({ ...NODE, publicPort: 8001 }, UPSTREAM), undefined);
  clients.delete(NODE, LATER);
  assertEquals(remembered.clientAt(NODE, UPSTREAM), undefined);
});

Deno.test("that an address is no client's holds until one comes", async () => {
  const { clients, remembered } = setUp();
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  await remembered.clientsAt(NODE, [STRANGER, LATER]);
  assertEquals([STRANGER, LATER].map((at) => remembered.clientAt(NODE, at)), [null, null]);
  clients.delete(NODE, UPSTREAM);
  assertEquals(remembered.clientAt(NODE, LATER), null);
  clients.add(NODE, LATER, "198.51.100.7:6");
  assertEquals(remembered.clientAt(NODE, LATER), undefined);
  await remembered.clientsAt(NODE, [LATER]);
  assertEquals(remembered.clientAt(NODE, LATER), "198.51.100.7:6");
});

Deno.test("an answer that is old when it comes is not remembered", async () => {
  const scene = setUp();
  const { clients, remembered } = scene;
  clients.add(NODE, UPSTREAM, "198.51.100.7:5");
  scene.answered = () => {
    clients.delete(NODE, UPSTREAM);
    clients.add(NODE, LATER, "198.51.100.7:6");
  };
  const found = await remembered.clientsAt(NODE, [UPSTREAM, LATER]);
  assertEquals(found, new Map([[UPSTREAM, "198.51.100.7:5"]]));
  for (const at of [UPSTREAM, LATER]) assertEquals(remembered.clientAt(NODE, at), undefined);
});

Deno.test("what is remembered does not grow without end", async (t) => {
  const addresses = Array.from({ length: 25_000 }, (_, at) => `10.0.0.5:${at}`);
  for (const who of ["strangers", "clients"]) {
    for (const [how, each] of [["one by one", 1], ["in one answer", addresses.length]] as const) {
      await t.step(`of ${who}, ${how}`, async () => {
        const { clients, remembered } = setUp();
        if (who === "clients") {
          for (const at of addresses) clients.add(NODE, at, `public ${at}`);
        }
        for (let at = 0; at < addresses.length; at += each) {
          await remembered.clientsAt(NODE, addresses.slice(at, at + each));
        }
        const known = addresses.filter((at) => remembered.clientAt(NODE, at) !== undefined);
        assert(known.length <= 10_000, `${known.length} are remembered`);
        assertEquals(known.at(-1), addresses.at(-1));
      });
    }
  }
});
