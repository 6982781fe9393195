import { assert, assertEquals } from "@std/assert";
import { runLoad } from "../bench/load.ts";
import { RedisCluster } from "../support/cluster.ts";
import { startProxyProcess } from "../support/proxy.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";

/** Far more than the runtime reads from in one round of its event loop. */
const CLIENTS = 1_000;

const REQUESTS = 60_000;

/**
 * The limit of the ratio of p99 to p50 of all waits. It is 2 if all are served in turn, and 9 or
 * more if some starve.
 */
const WORST_RATIO = 5;

/** The last request that the node records. */
const LAST = "the last request";

/** For the node to send its record. */
const RECORD_DEADLINE_MS = 30_000;

/**
 * The waits between two requests of one client, in ascending order: how many requests the node
 * gets meanwhile. Times would depend on what else the machine does.
 */
function waitsIn(record: string): number[] {
  const lastOf = new Map<string, number>();
  const waits: number[] = [];
  let count = 0;
  for (const [, client] of record.matchAll(/ \[0 (\S+)\] "PING"\r\n/g)) {
    const last = lastOf.get(client!);
    if (last !== undefined) waits.push(count - last);
    lastOf.set(client!, count++);
  }
  assertEquals([count, lastOf.size], [REQUESTS, CLIENTS]);
  return waits.sort((one, other) => one - other);
}

Deno.test(unless(
  withTls("either", "too few clients can do the handshake at once"),
  "no client starves among many busy ones",
  async () => {
    await using cluster = await RedisCluster.start({
      primaries: 1,
      replicasEach: 0,
      // All connect at once, and one that a busy node drops may miss --connect-timeout.
      directives: { "tcp-backlog": `${CLIENTS}` },
    });
    const node = cluster.nodes[0]!;
    await using proxy = await startProxyProcess(cluster);
    using monitor = await node.connect();
    await monitor.ask("MONITOR");
    const load = { connections: CLIENTS, pipeline: 1, words: ["PING"] };
    await runLoad({ host: proxy.host, port: proxy.portOf(node) }, load, REQUESTS);
    await node.ask("ECHO", LAST);
    const waits = waitsIn(await monitor.readUntil(LAST, RECORD_DEADLINE_MS));
    const [p50, p99] = [0.5, 0.99].map((share) => waits[Math.floor(share * waits.length)]!);
    assert(p99! < WORST_RATIO * p50!, `Half waited for ${p50} requests, one in a hundred ${p99}`);
  },
));
