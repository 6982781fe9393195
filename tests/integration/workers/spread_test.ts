import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, ON_LINUX, threadedNat, threadOf } from "./threaded.ts";

const CLIENTS = 600;

/**
 * By how much the share of a thread may differ from half: six standard deviations of a fair choice
 * between two, so an even distribution fails once in a hundred million runs.
 */
const DEVIATION = 6 * Math.sqrt(CLIENTS / 4);

Deno.test(
  "the kernel distributes clients evenly over threads, and each thread serves",
  ON_LINUX,
  async () => {
    await using cluster = await RedisCluster.start({ replicasEach: 0 });
    await using nat = await threadedNat(cluster.nodes[0]!).ready();
    const ports = [...nat.mapping.values()];
    using stack = new DisposableStack();
    const counts = new Map<number, number>();
    for (let at = 0; at < CLIENTS; at++) {
      const client = stack.use(await WireClient.connect(AT, ports[at % ports.length]!));
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
      const thread = await threadOf(nat, client);
      counts.set(thread, (counts.get(thread) ?? 0) + 1);
    }
    assertEquals([...counts.keys()].sort(), [1, 2]);
    const most = Math.max(...counts.values());
    assert(most - CLIENTS / 2 < DEVIATION, `One thread serves ${most} of ${CLIENTS} clients`);
  },
);
