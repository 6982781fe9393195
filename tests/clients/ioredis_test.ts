import { IoredisClient } from "./ioredis.ts";
import { testClient } from "./suite.ts";

testClient("ioredis", IoredisClient.connect);
