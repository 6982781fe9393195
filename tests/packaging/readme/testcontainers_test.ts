import { assert, assertEquals } from "@std/assert";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { IoredisClient } from "../../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../../integration/clients/node_redis.ts";
import { blockMarked } from "./blocks.ts";

const KEYS = Array.from({ length: 50 }, (_, index) => `key:${index}`);

Deno.test("clients work with the random ports of the recipe for Testcontainers", async () => {
  await using directory = await TemporaryDirectory.create();
  const { text } = await blockMarked("testcontainers");
  const down = "await environment.down();\n";
  assert(text.endsWith(down), text);
  const recipe = text.slice(0, -down.length)
    .replace('"testcontainers"', JSON.stringify(new URL("./testcontainers.ts", import.meta.url)));
  await Deno.writeTextFile(
    directory.at("recipe.ts"),
    `${recipe}\nexport { environment, ports, proxy, seed };\n`,
  );
  const { environment, ports, proxy, seed } = await import(`file://${directory.at("recipe.ts")}`);
  try {
    const published = ports.map((port: number) => `${seed.host}:${proxy.getMappedPort(port)}`);
    for (const connect of [IoredisClient.connect, NodeRedisClient.connect]) {
      const options = { ...seed, protocol: 3, readReplicas: true } as const;
      await using client = await connect(options);
      for (const key of KEYS) {
        assertEquals(String(await client.command(key, "SET", key, key)), "OK");
      }
      assertEquals([...client.addresses].sort(), [...published].sort());
    }
  } finally {
    await environment.down();
  }
});
