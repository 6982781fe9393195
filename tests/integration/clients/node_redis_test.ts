import { assert, assertEquals } from "@std/assert";
import { BasicPooledClientSideCache } from "redis";
import { until } from "../../support/until.ts";
import { NodeRedisClient } from "./node_redis.ts";
import { type Behaviours, testClient } from "./suite.ts";

testClient("node-redis", NodeRedisClient.connect, (protocol) => protocol === 3 ? WITH_RESP3 : {});

const WITH_RESP3: Behaviours = {
  "has its cache invalidated": async ({ address, connect }) => {
    const cache = new BasicPooledClientSideCache();
    await using client = await NodeRedisClient.connect(address, cache);
    await using other = await connect();
    // One key in each shard, at least.
    for (const key of ["a", "b", "c", "d", "e"].map((name) => `cached:${name}`)) {
      await other.command(key, "SET", key, "old");
      assertEquals(await client.get(key), "old");
      const hits = cache.stats().hitCount;
      assertEquals(await client.get(key), "old");
      assert(cache.stats().hitCount > hits, "the second read is from the cache");
      await other.command(key, "SET", key, "new");
      await until(`${key} is invalidated`, async (saw) => {
        const value = await client.get(key);
        saw(value);
        return value === "new";
      });
    }
  },
};
