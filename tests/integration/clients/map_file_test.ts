import { assertEquals } from "@std/assert";
import { formatMap } from "../../../src/nat/map_file.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { startProxy } from "../../support/proxy.ts";
import { IoredisClient } from "./ioredis.ts";

for (const family of ["IPv4", "IPv6"] as const) {
  Deno.test(`ioredis reaches an ${family} cluster through the natMap of the map file`, async () => {
    await using cluster = await RedisCluster.start({ family });
    await using proxy = await startProxy(cluster);
    const nodes = cluster.nodes.map((node) => ({
      id: node.id,
      role: node.role,
      address: node,
      announced: [node],
      publicPort: proxy.portOf(node),
    }));
    const { host, port } = cluster.nodes[0]!;
    await using client = await IoredisClient.connect(
      { host, port, protocol: 2 },
      JSON.parse(formatMap(proxy.host, nodes)).ioredis,
    );
    const publicAddresses = nodes.map(({ publicPort }) => `${proxy.host}:${publicPort}`);
    assertEquals(client.addresses.toSorted(), publicAddresses.toSorted());
    for (const key of Array.from({ length: 30 }, (_, index) => `key:${index}`)) {
      await client.command(key, "SET", key, key);
      assertEquals(await client.command(key, "GET", key), key);
    }
  });
}
