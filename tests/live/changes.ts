import { SLOT_COUNT } from "../../src/cluster/node.ts";
import type { ClusterNode, RedisCluster, Standing } from "../support/cluster.ts";
import type { Random } from "../support/random.ts";
import { until } from "../support/until.ts";

/** A replica waits for the node timeout of 3 s and for the votes of the primaries. */
const ELECTION_DEADLINE_MS = 20_000;

const MOST_NODES = 9;

/** Fewer primaries have no majority that could declare one failed. */
const FEWEST_PRIMARIES = 3;

/** Slots that move in one change. */
const MOVED_SLOTS = 200;

const FEW_SLOTS = 100;

/** Waits until a node that is down owns no slots. */
export async function untilReplaced(cluster: RedisCluster, dead: ClusterNode): Promise<void> {
  await until(`${dead.address} is replaced`, async (saw) => {
    const covered = (await cluster.standings()).reduce((sum, { slots }) => sum + slots.length, 0);
    saw(`${covered} slots are covered`);
    return covered === SLOT_COUNT;
  }, ELECTION_DEADLINE_MS);
}

/** The primaries that own slots, and the replicas of each. */
interface Shard extends Standing {
  readonly replicas: readonly ClusterNode[];
}

/** A change of a complete cluster, or undefined if it is impossible now. */
type Change = (random: Random, cluster: RedisCluster, shards: readonly Shard[]) =>
  | (() => Promise<unknown>)
  | undefined;

const CHANGES = {
  "a primary more": (random, cluster, shards) => {
    if (cluster.nodes.length >= MOST_NODES) return undefined;
    const donor = random.pick(shards);
    return async () => {
      const added = await cluster.add();
      await cluster.moveSlots(donor.slots.slice(0, MOVED_SLOTS), donor.node, added);
    };
  },
  "two primaries more, and a rebalance": (_random, cluster, [first]) => {
    if (cluster.nodes.length + 2 > MOST_NODES) return undefined;
    return async () => {
      const added = await Promise.all([cluster.add(), cluster.add()]);
      // Before the rebalance, so that clients use new nodes that have few slots.
      for (const [index, node] of added.entries()) {
        const slots = first!.slots.slice(index * FEW_SLOTS, (index + 1) * FEW_SLOTS);
        await cluster.moveSlots(slots, first!.node, node);
      }
      await cluster.rebalance();
    };
  },
  "a replica more": (random, cluster, shards) => {
    if (cluster.nodes.length >= MOST_NODES) return undefined;
    const { node } = random.pick(shards);
    return () => cluster.add({ replicaOf: node });
  },
  "a primary less": (random, cluster, shards) => {
    if (shards.length <= FEWEST_PRIMARIES) return undefined;
    const leaving = random.pick(shards);
    const heir = random.pick(shards.filter((shard) => shard !== leaving));
    return async () => {
      await cluster.moveSlots(leaving.slots, leaving.node, heir.node);
      await cluster.ready();
      await cluster.remove(leaving.node);
    };
  },
  "a replica less": (random, cluster, shards) => {
    const spare = shards.filter(({ replicas }) => replicas.length > 1);
    if (spare.length === 0) return undefined;
    const leaving = random.pick(random.pick(spare).replicas);
    return () => cluster.remove(leaving);
  },
  "slots elsewhere": (random, cluster, shards) => {
    const from = random.pick(shards);
    const to = random.pick(shards.filter((shard) => shard !== from));
    const slots = from.slots.slice(-Math.min(MOVED_SLOTS, from.slots.length - 1));
    return () => cluster.moveSlots(slots, from.node, to.node);
  },
  "a failover": (random, cluster, shards) => {
    const replicas = shards.flatMap(({ replicas }) => replicas);
    if (replicas.length === 0) return undefined;
    const replica = random.pick(replicas);
    return () => cluster.failover(replica);
  },
  "a dead primary": (random, cluster, shards) => {
    const guarded = shards.filter(({ replicas }) => replicas.length > 0);
    if (guarded.length === 0) return undefined;
    const { node } = random.pick(guarded);
    return async () => {
      await node.kill();
      await untilReplaced(cluster, node);
      await node.start();
    };
  },
  "a primary at another address": (random, cluster, shards) => {
    const { node } = random.pick(shards);
    return () => cluster.relocate(node);
  },
  "a replica at another address, then a failover": (random, cluster, shards) => {
    const replicas = shards.flatMap(({ replicas }) => replicas);
    if (replicas.length === 0) return undefined;
    const replica = random.pick(replicas);
    return async () => {
      await cluster.relocate(replica);
      await cluster.ready();
      await cluster.failover(replica);
    };
  },
} satisfies Record<string, Change>;

/** The name of a change. */
export type ChangeName = keyof typeof CHANGES;

/** Makes one of these changes, or of all, to a complete cluster, and returns its name. */
export async function change(
  cluster: RedisCluster,
  random: Random,
  names = Object.keys(CHANGES) as ChangeName[],
): Promise<string> {
  const standings = await cluster.standings();
  const shards = standings.filter(({ slots }) => slots.length > 0).map((standing) => ({
    ...standing,
    replicas: standings.filter(({ primary }) => primary === standing.node).map(({ node }) => node),
  }));
  for (;;) {
    const name = random.pick(names);
    const make = CHANGES[name](random, cluster, shards);
    if (make === undefined) continue;
    await make();
    await cluster.ready();
    return name;
  }
}
