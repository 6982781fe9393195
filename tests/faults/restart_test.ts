import { assertEquals } from "@std/assert";
import type { Connect } from "../integration/clients/client.ts";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../integration/clients/node_redis.ts";
import { Load } from "../live/load.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

const AT = "127.0.0.1";

const NODES = 3;

/** Clients retry with growing pauses. */
const RECOVERY_DEADLINE_MS = 15_000;

const CLIENTS: Readonly<Record<string, Connect>> = {
  "ioredis": IoredisClient.connect,
  "node-redis": NodeRedisClient.connect,
};

async function untilAllFlow(loads: readonly Load[]): Promise<void> {
  const sinceMs = performance.now();
  await until("every writer has writes acknowledged", (saw) => {
    saw(loads.map(({ name, errors, hung }) => ({ name, errors, hung })));
    return loads.every((load) => load.flowsSince(sinceMs));
  }, RECOVERY_DEADLINE_MS);
}

Deno.test({
  name: "real clients recover after a kill",
  // node-redis leaves its reconnect timer running, and ioredis those of its refreshes.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    await using cluster = await RedisCluster.start({
      primaries: NODES,
      replicasEach: 0,
      // A restarted node must keep its data.
      directives: { appendonly: "yes", appendfsync: "always" },
    });
    const seed = cluster.nodes[0]!;
    const first = findFreePorts(NODES);
    const flags = [
      `--cluster-addr=${seed.address}`,
      `--listen-addr=${AT}:${first}`,
      `--public-host=${AT}`,
      `--max-nodes=${NODES}`,
    ];
    let nat = await new NatProcess(flags).ready();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => nat[Symbol.asyncDispose]());
    const loads: Load[] = [];
    for (const [name, connect] of Object.entries(CLIENTS)) {
      const client = await connect({ host: AT, port: first, protocol: 3, throughOutages: true });
      const load = new Load(name, client);
      stack.defer(async () => {
        client.leave();
        await load.stop();
      });
      loads.push(load);
    }
    await untilAllFlow(loads);

    async function replaceNat(): Promise<void> {
      nat.signal("SIGKILL");
      await nat.ended();
      nat = new NatProcess(flags);
      await nat.ready();
    }

    await t.step("of the proxy", async () => {
      const before = nat.mapping;
      await replaceNat();
      assertEquals(nat.mapping, before);
      await untilAllFlow(loads);
    });

    await t.step("of a node", async () => {
      const node = cluster.nodes[1]!;
      await node.kill();
      await node.start();
      await cluster.ready();
      await untilAllFlow(loads);
    });

    await t.step("of the proxy and of its seed", async () => {
      await seed.kill();
      const replaced = replaceNat();
      // The proxy waits until the cluster is complete.
      await seed.start();
      await replaced;
      await cluster.ready();
      await untilAllFlow(loads);
    });

    await t.step("without a pending or lost write", async () => {
      await Promise.all(loads.map((load) => load.stop()));
      for (const load of loads) {
        assertEquals([load.name, load.hung], [load.name, []]);
        assertEquals([load.name, await load.lost(cluster)], [load.name, []]);
        console.log(`${load.name}: ${load.acknowledged} writes`, load.errors);
      }
    });
  },
});
