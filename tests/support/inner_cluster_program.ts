import { RedisCluster } from "./cluster.ts";

/**
 * A cluster in a namespace with the given addresses, one for each node in order. Prints address
 * and port of each node when all serve; ends on SIGTERM.
 */
const addresses = Deno.args;
const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
await using cluster = await RedisCluster.start({
  directives: { "bind": "0.0.0.0" },
  directivesOf: (index) => ({ "cluster-announce-ip": addresses[index]! }),
});
for (const [index, node] of cluster.nodes.entries()) {
  console.log(`${addresses[index]} ${node.port}`);
}
await stopped;
