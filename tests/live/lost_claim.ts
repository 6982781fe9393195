import { type ClusterNode, halt, type RedisCluster } from "../support/cluster.ts";
import { slotOf } from "../support/slots.ts";
import { until } from "../support/until.ts";
import { untilReplaced } from "./changes.ts";
import { type Fleet, type Member, SHARED_KEY } from "./fleet.ts";

/** The primary that owns the slot of the shared ports. It gets a replica if it has none. */
export async function storeOf(cluster: RedisCluster): Promise<ClusterNode> {
  const slot = slotOf(SHARED_KEY);
  const standings = await cluster.standings();
  const { node } = standings.find(({ slots }) => slots.includes(slot))!;
  if (!standings.some(({ primary }) => primary === node)) await cluster.add({ replicaOf: node });
  return node;
}

/**
 * Cuts the replicas of the store off until the result is disposed of, which may happen twice: a
 * failover loses what is written meanwhile.
 */
export async function cutReplicas(cluster: RedisCluster, store: ClusterNode): Promise<Disposable> {
  const replicas = (await cluster.standings()).filter(({ primary }) => primary === store);
  const halted = replicas.map(({ node }) => halt(node));
  // Otherwise the kernel would deliver the writes later.
  await store.order("CLIENT", "KILL", "TYPE", "slave");
  return { [Symbol.dispose]: () => halted.splice(0).forEach((one) => one[Symbol.dispose]()) };
}

/**
 * The worst case: one proxy alone has claimed a port for a node that joins, and pauses; a failover
 * loses the claim, the node leaves, and the other proxies give the port to another node. Waits until
 * the first proxy has continued and agrees with them.
 */
export async function giveAwayLostPort(fleet: Fleet, cluster: RedisCluster): Promise<void> {
  const [first, ...others] = fleet.members as [Member, ...Member[]];
  const pause = (members: readonly Member[], signal: Deno.Signal) =>
    members.forEach(({ process }) => process!.signal(signal));
  const store = await storeOf(cluster);
  const before = new Set((await fleet.mapOf(first))?.keys());
  pause(others, "SIGSTOP");
  const replicas = await cutReplicas(cluster, store);
  // It waits for the replicas.
  const joining = cluster.add();
  const [lost, port] = await until("the first proxy has a port for the new node", async (saw) => {
    const map = await fleet.mapOf(first);
    saw(map?.size);
    return [...map ?? []].find(([id]) => !before.has(id));
  });
  pause([first], "SIGSTOP");
  await store.kill();
  replicas[Symbol.dispose]();
  await untilReplaced(cluster, store);
  await store.start();
  const left = await joining;
  await cluster.ready();
  await cluster.remove(left);
  pause(others, "SIGCONT");
  const heir = await cluster.add();
  const untilGiven = (members: readonly Member[]) =>
    until(`port ${port} is the other node's`, async (saw) => {
      const maps = await Promise.all(members.map((member) => fleet.mapOf(member)));
      saw(maps.map((map) => [...map ?? []]));
      return maps.every((map) => map?.get(heir.id) === port && !map.has(lost));
    });
  await untilGiven(others);
  pause([first], "SIGCONT");
  await untilGiven([first]);
}
