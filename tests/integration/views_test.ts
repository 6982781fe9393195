import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { Forwarder } from "../support/forwarder.ts";
import { CLUSTER_LISTINGS } from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { WireClient } from "../support/wire.ts";
import { IoredisClient } from "./clients/ioredis.ts";
import { NodeRedisClient } from "./clients/node_redis.ts";

const CLIENTS = { "ioredis": IoredisClient.connect, "node-redis": NodeRedisClient.connect };

const KEYS = Array.from({ length: 50 }, (_, index) => `key:${index}`);

/** Enough that some of the keys are in one. */
const MOVED_SLOTS = Array.from({ length: 1000 }, (_, slot) => slot);

const HOST = "127.0.0.1";

Deno.test("what clients are shown", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const [seed] = cluster.nodes;
  /** One port is for a node that joins. */
  const count = cluster.nodes.length + 1;

  await t.step("clients behind a forwarder that changes ports use the whole cluster", async () => {
    const [listen, first] = [findFreePorts(count), findFreePorts(count)];
    const shown = new Set(Array.from({ length: count }, (_, at) => `${HOST}:${first + at}`));
    await using _forwarder = new Forwarder({ from: first, to: listen }, count);
    await using proxy = await startProxy(cluster, {
      listen: { host: HOST, port: listen },
      maxNodes: count,
      firstPublicPort: first,
    });
    const port = proxy.portOf(seed!) - listen + first;
    await using stack = new AsyncDisposableStack();
    const clients = await Promise.all(
      Object.values(CLIENTS).map(async (connect) =>
        stack.use(await connect({ host: HOST, port, protocol: 3, throughOutages: true }))
      ),
    );
    const useAll = async (what: string) => {
      for (const client of clients) {
        for (const key of KEYS) {
          assertEquals(String(await client.command(key, "SET", key, what)), "OK");
          assertEquals(String(await client.command(key, "GET", key)), what);
        }
        const { addresses } = client;
        assert(addresses.every((address) => shown.has(address)), addresses.join(" "));
      }
    };
    await useAll("before");

    const added = await cluster.add();
    await cluster.moveSlots(MOVED_SLOTS, seed!, added);
    await useAll("after");

    // The public address of a node in a request stands for it.
    using client = await WireClient.connect(HOST, port);
    for (const { subcommand, named } of CLUSTER_LISTINGS) {
      const nodes = named(await client.ask("CLUSTER", subcommand));
      assert(nodes.every(({ port, hosts }) => shown.has(`${hosts[0]}:${port}`)), subcommand);
    }
    const other = proxy.portOf(cluster.nodes[1]!) - listen + first;
    const met = await client.ask("CLUSTER", "MEET", HOST, `${other}`);
    assertEquals(met, { type: "+", text: "OK" });
  });
});
