import type { RedisCluster } from "./cluster.ts";
import { namedInLines } from "./named_nodes.ts";
import { until } from "./until.ts";

/** How nodes are named; the names are those of each node, by its index. */
export interface Endpoint {
  readonly type: "ip" | "hostname" | "unknown-endpoint";
  readonly hostname: (index: number) => string;
}

/** A primary and the replica of another have a name; `?` stands for those of all others. */
export function namedOrNot(index: number): string {
  return index % 4 === 0 ? named(index) : "";
}

/** The name of a node, which resolves nowhere. */
export function named(index: number): string {
  return `node-${index}.internal`;
}

/** Makes all nodes name each other so, and waits until each knows all names. */
export async function configure(
  cluster: RedisCluster,
  { type, hostname }: Endpoint,
): Promise<void> {
  for (const [index, node] of cluster.nodes.entries()) {
    await node.order("CONFIG", "SET", "cluster-preferred-endpoint-type", type);
    await node.order("CONFIG", "SET", "cluster-announce-hostname", hostname(index));
  }
  await until("all nodes know all names", async (saw) => {
    for (const node of cluster.nodes) {
      const nodes = namedInLines(await node.ask("CLUSTER", "NODES"));
      saw(nodes);
      const known = cluster.nodes.every(({ id }, index) =>
        nodes.some((named) => named.id === id && (named.hosts[1] ?? "") === hostname(index))
      );
      if (!known) return false;
    }
    return true;
  });
}
