import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { nodeFlags, publicFlags } from "../support/cluster_tls.ts";
import { NatProcess } from "../support/nat_process.ts";
import { secure } from "../support/tls.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

Deno.test("--debug shows what is said within TLS, and no secret", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const { certificates, nodes: [node] } = cluster;
  const flags = [...publicFlags(certificates), ...nodeFlags(certificates), "--debug"];
  await using nat = await NatProcess.serve(node!, flags);
  const port = nat.portOf(node!);
  using client = new WireClient(await secure(await Deno.connect({ hostname: AT, port }), AT));
  await client.ask("AUTH", "top-secret");
  assertEquals(await client.ask("ECHO", "plain-word"), { type: "$", text: "plain-word" });
  await nat.untilLogged(/<- node \S+ \$10\\r\\nplain-word\\r\\n/);
  const { stderr } = nat;
  assertMatch(stderr, /-> node \S+ \*2\\r\\n\$4\\r\\nECHO\\r\\n\$10\\r\\nplain-word\\r\\n/);
  assert(!stderr.includes("top-secret"), stderr);
  // Neither records, nor keys.
  assert(!/\\x17\\x03\\x03|PRIVATE KEY/.test(stderr), stderr);
});
