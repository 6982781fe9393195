import { assertEquals, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { RedisCluster } from "../../support/cluster.ts";
import { startProxy } from "../../support/proxy.ts";
import { slotOf } from "../../support/slots.ts";
import { until } from "../../support/until.ts";
import { IoredisClient, tlsOf } from "./ioredis.ts";
import { type Behaviours, ownerOf, testClient } from "./suite.ts";

testClient("ioredis", IoredisClient.connect, (protocol) => ({
  ...BOTH,
  ...protocol === 3 ? WITH_RESP3 : {},
}));

const COMMANDS = 1_000;

const BOTH: Behaviours = {
  "pipelines by itself what is sent at once": async ({ address }) => {
    await using client = await IoredisClient.connect(address, { enableAutoPipelining: true });
    const keys = Array.from({ length: COMMANDS }, (_, index) => `auto:${index}`);
    await Promise.all(keys.map((key) => client.command(key, "SET", key, `<${key}>`)));
    const values = await Promise.all(keys.map((key) => client.getBytes(key)));
    assertEquals(values.map(String), keys.map((key) => `<${key}>`));
  },

  "has invalidations sent to another connection": async ({ cluster, proxy, address, connect }) => {
    const key = "tracked";
    const port = proxy.portOf(await ownerOf(cluster, key));
    await using client = await IoredisClient.connect(address);
    await using other = await connect();
    await client.command(key, "SET", key, "old");
    // A RESP2 connection to the same node receives the invalidations.
    const listening = { host: proxy.host, protocol: 2 as const, lazyConnect: true };
    const listener = new Redis({ port, ...listening, ...tlsOf() });
    const closed = new Promise((resolve) => listener.once("end", resolve));
    try {
      await listener.connect();
      const id = await listener.client("ID");
      const invalidated: string[] = [];
      listener.on("message", (_channel, keys) => invalidated.push(String(keys)));
      await listener.subscribe("__redis__:invalidate");

      await client.primaryAt(port).call("CLIENT", "TRACKING", "ON", "REDIRECT", String(id));
      assertEquals(await client.command(key, "GET", key), "old");
      await other.command(key, "SET", key, "new");
      await until(`${key} is invalidated`, () => invalidated.includes(key));
      assertEquals(invalidated, [key]);
    } finally {
      listener.disconnect();
      await closed;
    }
  },
};

const WITH_RESP3: Behaviours = {
  "finds its answers among invalidations": async ({ cluster, proxy, address, connect }) => {
    const key = "{pushed}";
    const port = proxy.portOf(await ownerOf(cluster, key));
    await using client = await IoredisClient.connect(address);
    await using other = await connect();
    await client.primaryAt(port).call("CLIENT", "TRACKING", "ON", "BCAST");
    const numbers = Array.from({ length: COMMANDS }, (_, index) => index);
    const [answers] = await Promise.all([
      Promise.all(numbers.map((number) => client.command(key, "INCRBY", `${key}a`, `${number}`))),
      Promise.all(numbers.map((number) => other.command(key, "SET", `${key}b`, `${number}`))),
    ]);
    let sum = 0;
    assertEquals(answers, numbers.map((number) => sum += number));
  },
};

Deno.test("ioredis sends nothing to port 6379 of the proxy for a node without a port", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await startProxy(cluster, { maxNodes: 2 });
  await using client = await IoredisClient.connect({
    ...{ host: proxy.host, port: proxy.ports[0]!, protocol: 3, throughOutages: true },
  });
  assertEquals(
    client.addresses.toSorted(),
    proxy.ports.map((port) => `${proxy.host}:${port}`).toSorted(),
  );
  // The proxy gives the two ports to the first nodes.
  const owned = Array.from({ length: 100 }, (_, number) => `key:${number}`)
    .find((key) => cluster.ownerOf(slotOf(key)) === cluster.primaries[2])!;
  await assertRejects(() => client.command(owned, "SET", owned, "value"), Error, "CLUSTERDOWN");
});
