import { assertEquals } from "@std/assert";
import { Load } from "../live/load.ts";
import { CLIENTS, testLive, untilAllFlow } from "../live/scene.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";

const AT = "127.0.0.1";

const NODES = 3;

/** Clients retry with growing pauses. */
const RECOVERY_DEADLINE_MS = 15_000;

testLive("real clients recover after a kill", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: NODES,
    replicasEach: 0,
    // A restarted node must keep its data.
    directives: { appendonly: "yes", appendfsync: "always" },
  });
  const seed = cluster.nodes[0]!;
  const first = findFreePorts(NODES);
  const addresses = [`--cluster-addr=${seed.address}`, `--listen-addr=${AT}:${first}`];
  const flags = [...addresses, `--public-host=${AT}`, `--max-nodes=${NODES}`];
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
  await untilAllFlow(loads, performance.now(), RECOVERY_DEADLINE_MS);

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
    await untilAllFlow(loads, performance.now(), RECOVERY_DEADLINE_MS);
  });

  await t.step("of the proxy and of its seed", async () => {
    await seed.kill();
    const replaced = replaceNat();
    // The proxy waits until the cluster is complete.
    await seed.start();
    await replaced;
    await cluster.ready();
    await untilAllFlow(loads, performance.now(), RECOVERY_DEADLINE_MS);
  });

  await t.step("without a pending or lost write", async () => {
    await Promise.all(loads.map((load) => load.stop()));
    for (const load of loads) {
      assertEquals([load.name, load.hung], [load.name, []]);
      assertEquals([load.name, await load.lost(cluster)], [load.name, []]);
      console.log(`${load.name}: ${load.acknowledged} writes`, load.errors);
    }
  });
});
