import { assertEquals } from "@std/assert";
import type { Connect } from "./client.ts";
import { IoredisClient } from "./ioredis.ts";
import { NodeRedisClient } from "./node_redis.ts";

/**
 * `nat_client.ts CLIENT HOST PORT [CA CERT KEY]` uses the whole cluster at an address with one of
 * the real clients and both protocols, over TLS with the files. Prints the addresses that the client
 * learned.
 */
const CLIENTS: Record<string, Connect> = {
  "ioredis": IoredisClient.connect,
  "node-redis": NodeRedisClient.connect,
};

const [name, host, port, ...files] = Deno.args;
const [ca, cert, key] = files.map((path) => Deno.readTextFileSync(path));
const tls = ca && cert && key ? { ca, cert, key } : undefined;
const connect = CLIENTS[name!]!;
const keys = Array.from({ length: 100 }, (_, index) => `key:${index}`);
for (const protocol of [2, 3] as const) {
  await using client = await connect({ host: host!, port: Number(port), protocol, tls });
  const values = keys.map((key) => `${key} of ${name} with RESP${protocol}`);
  const set = keys.map((key, index) => client.command(key, "SET", key, values[index]!));
  assertEquals((await Promise.all(set)).map(String), keys.map(() => "OK"));
  const got = await Promise.all(keys.map((key) => client.command(key, "GET", key)));
  assertEquals(got.map(String), values);
  for (const address of client.addresses) console.log(address);
}
