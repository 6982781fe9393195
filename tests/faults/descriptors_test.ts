import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/**
 * Enough for the runtime and some clients: the last file descriptor is that of a client with one
 * limit, and that of an upstream connection with the other.
 */
const LIMITS: [limit: number, threads: number][] = [[80, 1], [81, 1], [90, 2], [91, 2]];

onLinux.test("a program without file descriptors logs it once, serves its clients and recovers", async (t) => {
  for (const [limit, threads] of LIMITS) {
    await t.step(`of ${limit}, with ${threads} threads`, () => exhaust(limit, threads));
  }
});

async function exhaust(limit: number, threads: number): Promise<void> {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const before = ["prlimit", `--nofile=${limit}:${limit}`];
  // The runtime looks for a newer version soon after the start, and complains if it can open no file.
  const env = { DENO_NO_UPDATE_CHECK: "1" };
  await using nat = await NatProcess.serve(node, [`--threads=${threads}`], { before, env });
  const port = nat.portOf(node);
  using served = await WireClient.connect(AT, port);
  assertEquals(await served.ask("PING"), { type: "+", text: "PONG" });
  const descriptors = nat.descriptors;

  using crowd = new DisposableStack();
  for (let count = 0; count < limit; count++) {
    // Without a handshake, which the program may not begin.
    crowd.use(await WireClient.connectTcp(AT, port));
    assertEquals(await served.ask("PING"), { type: "+", text: "PONG" });
  }
  await nat.untilLogged(/ERROR Cannot accept clients: .*ulimit -n/);
  // More attempts while it lasts.
  for (let count = 0; count < 20; count++) {
    using _late = await WireClient.connectTcp(AT, port);
    assertEquals(await served.ask("SET", "k", "v"), { type: "+", text: "OK" });
  }
  const { stderr } = nat;
  const complaints = stderr.split("\n").filter((line) => /too many open files/i.test(line));
  assertEquals(complaints.length, 1, stderr);
  assert(!stderr.includes("Accepting clients again"), stderr);

  crowd.dispose();
  await until("there is room for another", async (saw) => {
    using client = await WireClient.connect(AT, port);
    await client.ask("PING");
    saw(nat.stderr);
    return nat.stderr.includes("Accepting clients again");
  });
  const again = nat.stderr.split("\n").filter((line) => line.includes("Accepting clients again"));
  assertEquals(again.length, 1, nat.stderr);
  await until("all descriptors are given back", (saw) => {
    saw(nat.descriptors);
    return nat.descriptors <= descriptors;
  });
  assertEquals(await served.ask("PING"), { type: "+", text: "PONG" });
}
