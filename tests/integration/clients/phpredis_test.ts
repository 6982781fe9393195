import { assertEquals } from "@std/assert";
import type { HostPort } from "../../../src/platform/address.ts";
import { itemsOf, textOf } from "../../../src/resp/frame.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { Program, run } from "../../support/program.ts";
import { startProxy } from "../../support/proxy.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { until } from "../../support/until.ts";

/**
 * Writes until a file exists, ignoring errors, and then counts how many of 200 writes to as many
 * slots succeed.
 */
const PROGRAM = `
$redis = new RedisCluster(null, [$argv[1]], 2, 2);
$write = function ($key) use ($redis) {
  try {
    return $redis->set("key:$key", "value") === true;
  } catch (Exception $error) {
    return false;
  }
};
for ($key = 0; $key < 200; $key++) if (!$write($key)) exit(1);
echo "ready\\n";
for ($key = 0; !file_exists($argv[2]); $key++, clearstatcache()) {
  $write($key % 200);
  usleep(10000);
}
$count = 0;
for ($key = 0; $key < 200; $key++) if ($write($key)) $count++;
echo "$count\\n";
`;

/** phpredis takes a while for each write to a dead node. */
const DEADLINE_MS = 60_000;

async function findPhpRedis(): Promise<boolean> {
  try {
    const { output } = await run(["php", "-r", "echo phpversion('redis');"]);
    return /^\d/.test(output);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const hasPhpRedis = await findPhpRedis();

Deno.test(unless(
  hasPhpRedis ? withTls("either", "the script connects in TCP") : "install php-cli and php-redis",
  "phpredis writes after the death of a primary as on a direct connection",
  async () => {
    await using cluster = await RedisCluster.start();
    await using proxy = await startProxy(cluster);
    const [seed, victim, heir] = [cluster.nodes[0]!, cluster.nodes[1]!, cluster.nodes[4]!];
    await using directory = await TemporaryDirectory.create();
    const signal = directory.at("count");
    const start = ({ host, port }: HostPort) =>
      new Program(["php", "-r", PROGRAM, "--", `${host}:${port}`, signal]);
    await using straight = start(seed);
    await using through = start({ host: proxy.host, port: proxy.portOf(seed) });
    for (const writer of [straight, through]) {
      await writer.until("has written", () => writer.stdout === "ready\n", DEADLINE_MS);
    }
    await victim.kill();
    await until("its replica has taken over", async (saw) => {
      const role = textOf(itemsOf(await heir.ask("ROLE"))![0]);
      saw(role);
      return role === "master";
    }, DEADLINE_MS);
    await cluster.ready();
    await Deno.writeTextFile(signal, "");
    const endings = await Promise.all([straight, through].map((one) => one.ended(DEADLINE_MS)));
    assertEquals(endings.map(({ stdout }) => stdout), ["ready\n200\n", "ready\n200\n"]);
  },
));
