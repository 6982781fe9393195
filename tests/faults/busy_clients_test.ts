import { assert } from "@std/assert";
import { runLoad } from "../bench/load.ts";
import { RedisCluster } from "../support/cluster.ts";
import { startProxyProcess } from "../support/proxy.ts";
import { TLS, toolOptions } from "../support/tls.ts";

/**
 * Far more than the runtime reads from in one round of its event loop. All handshakes of TLS begin
 * at once, and have a time limit.
 */
const CLIENTS = TLS.clients || TLS.nodes ? 300 : 1_000;

/** The first request of each client may wait for all handshakes: less than one in a hundred. */
const REQUESTS = 60_000;

/**
 * The limit of the ratio of p99 to p50. It is 2 if all are served in turn, and hundreds if some
 * starve.
 */
const WORST_RATIO = 10;

Deno.test("no client starves among many busy ones", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using proxy = await startProxyProcess(cluster);
  const load = { connections: CLIENTS, pipeline: 1, options: toolOptions(), words: ["PING"] };
  const way = { host: proxy.host, port: proxy.portOf(node) };
  const { p50Ms, p99Ms } = await runLoad(way, load, REQUESTS);
  assert(p99Ms < WORST_RATIO * p50Ms, `Half waited ${p50Ms} ms, one in a hundred ${p99Ms} ms`);
});
