import { assert, assertEquals } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
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

const PING = encodeRequest(["PING"]);

/** Visits of a client; true if it got a reply. */
const VISITS: Readonly<Record<string, (client: Deno.TcpConn) => Promise<boolean>>> = {
  async "asks and leaves"(client) {
    await client.write(PING);
    assertEquals(await readSome(client), "+PONG\r\n");
    return true;
  },
  async "asks, shuts its side and reads to the end"(client) {
    await client.write(PING);
    await client.closeWrite();
    assertEquals(await readSome(client), "+PONG\r\n");
    assertEquals(await client.read(new Uint8Array(1)), null);
    return true;
  },
  async "leaves before its answer, by a reset"(client) {
    await client.write(PING);
    return false;
  },
  "says nothing": () => Promise.resolve(false),
  async "leaves half a request"(client) {
    await client.write(PING.subarray(0, 7));
    return false;
  },
};

/** Lets clients come and go, and returns a summary. */
async function storm(port: number, random: Random): Promise<string> {
  const visits = Object.values(VISITS);
  const startMs = performance.now();
  let came = 0;
  let answered = 0;
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (came < ROUND_CLIENTS) {
      came++;
      const client = await Deno.connect({ hostname: AT, port });
      try {
        // Most send a request.
        const visit = random.chance(0.6) ? visits[0]! : random.pick(visits);
        if (await visit(client)) answered++;
      } finally {
        client.close();
      }
    }
  }));
  const rate = Math.round(came * 1000 / (performance.now() - startMs));
  return `${came} clients, ${rate} a second, ${answered} of them answered`;
}

async function readSome(client: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(64);
  return toLatin1(buffer.subarray(0, await client.read(buffer) ?? 0));
}

Deno.test({
  name: "a storm of short connections is served and leaves nothing",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const seed = testSeed();
    console.log(`TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    await using nat = await NatProcess.serve(node);
    const port = nat.portOf(node);
    {
      using first = await WireClient.connect(AT, port);
      await first.ask("CLUSTER", "SLOTS");
    }
    await until("the first client is gone", async () => await visitorsOf(node) === 0);
    const beforeFiles = nat.descriptors;

    const peaks: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      console.log(`round ${round}: ${await storm(port, random)}`);
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
    console.log(`peak memory in MiB: ${peaks.map((peak) => Math.round(peak / MIB)).join(", ")}`);
    const grownBytes = peaks.at(-1)! - peaks[1]!;
    assert(grownBytes < GROWTH_LIMIT_BYTES, `The program grew by ${grownBytes} bytes`);
    const { stderr } = nat;
    assert(!/ (WARN|ERR)/.test(stderr), stderr);
  },
});

/** The number of the test's clients at a node. */
async function visitorsOf(node: ClusterNode): Promise<number> {
  const list = textOf(await node.ask("CLIENT", "LIST", "TYPE", "normal"))!;
  return list.match(/ cmd=(ping|NULL|cluster\|slots) /g)?.length ?? 0;
}
