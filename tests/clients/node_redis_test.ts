import { NodeRedisClient } from "./node_redis.ts";
import { testClient } from "./suite.ts";

testClient("node-redis", NodeRedisClient.connect);
