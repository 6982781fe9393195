import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
import { onLinux } from "../support/platform.ts";
import { PING, PONG } from "../support/scripted_node.ts";
import { TLS } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/** Concurrent clients. */
const LANES = 64;

const ROUNDS = 4;

/** Clients of a round, which takes a second. */
const ROUND_CLIENTS = 1_500;

const MIB = 1024 * 1024;

/**
 * The limit of growth after the first two rounds, in which the heap gets the size that the load
 * needs. Two leaked read buffers for each client would be 190 MiB.
 */
const GROWTH_LIMIT_BYTES = 80 * MIB;

/** Visits of a client. */
const VISITS: Readonly<Record<string, (client: WireClient) => Promise<void>>> = {
  async "asks and leaves"(client) {
    await client.send(PING);
    assertEquals(await client.readUntil(PONG), PONG);
  },
  async "asks, shuts its side and reads to the end"(client) {
    await client.send(PING);
    await client.closeWrite();
    assertEquals(await client.readToEnd(), PONG);
  },
  "leaves before its answer, by a reset": (client) => client.send(PING),
  "says nothing": () => Promise.resolve(),
  "leaves half a request": (client) => client.send(PING.slice(0, 7)),
};

/** Lets clients come and go. */
async function storm(port: number, random: Random): Promise<void> {
  const visits = Object.values(VISITS);
  let came = 0;
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (came++ < ROUND_CLIENTS) {
      using client = await WireClient.connect(AT, port);
      // Most send a request.
      await (random.chance(0.6) ? visits[0]! : random.pick(visits))(client);
    }
  }));
}

onLinux.test("a storm of short connections is served and leaves nothing", async () => {
  const seed = testSeed();
  console.log(`TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await NatProcess.serveWarm(node);
  const port = nat.portOf(node);
  await until("the first client is gone", async () => await visitorsOf(node) === 0);
  const beforeFiles = nat.descriptors;

  const peaks: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    await storm(port, random);
    peaks.push(await nat.peakBytes());
  }
  await until("no client is left at the node", async (saw) => {
    const count = await visitorsOf(node);
    saw(count);
    return count === 0;
  });
  await until("all is closed", (saw) => {
    const files = nat.descriptors;
    saw(`${files} files, ${beforeFiles} before`);
    return files <= beforeFiles;
  });
  const grownBytes = peaks.at(-1)! - peaks[1]!;
  assert(grownBytes < GROWTH_LIMIT_BYTES, `The program grew by ${grownBytes} bytes`);
  const { stderr } = nat;
  assert(!/ (WARN|ERR)/.test(stderr), stderr);
});

/** The number of the test's clients at a node. */
async function visitorsOf(node: ClusterNode): Promise<number> {
  const list = textOf(await node.ask("CLIENT", "LIST", "TYPE", "normal"))!;
  const count = list.match(/ cmd=(ping|NULL|cluster\|slots) /g)?.length ?? 0;
  // The proxy's own probe of a node that speaks TLS stays open.
  return Math.max(0, count - Number(TLS.nodes));
}
