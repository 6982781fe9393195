import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { getStatus, STATUS_FLAG, statusAddress } from "../support/status.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Ten times as many as are served at once. */
const SLOW_CLIENTS = 320;

/** At once, and in a second: see http_server.ts. */
const MAX_CONNECTIONS = 32;
const MAX_PER_SECOND = 100;

/** How long clients ask without a pause. */
const FLOOD_MS = 2_000;

onLinux.test("HTTP clients do not disturb the clients of the cluster", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await NatProcess.serve(node, [STATUS_FLAG]);
  const address = await statusAddress(nat);
  const connect = () => WireClient.connectTcp(address.host, address.port);
  using client = await WireClient.connect("127.0.0.1", nat.portOf(node));
  const assertServes = async () => assertEquals(textOf(await client.ask("ECHO", "a")), "a");
  await assertServes();
  assertEquals((await getStatus(nat, "/healthz")).status, 200);
  const before = nat.descriptors;

  await t.step("if they are slow", async () => {
    using slow = new DisposableStack();
    let ended = 0;
    const reads: Promise<void>[] = [];
    for (let number = 0; number < SLOW_CLIENTS; number++) {
      const one = slow.use(await connect());
      await one.send("GET /metrics HTTP/1.1\r\nHost: a\r\n");
      reads.push(one.readToEnd(20_000).then(() => void ended++, () => {}));
    }
    await until("all but the last have made room", (saw) => {
      saw(ended);
      return ended >= SLOW_CLIENTS - MAX_CONNECTIONS;
    });
    // The proxy probes its node with one more.
    const taken = nat.descriptors - before;
    assert(taken <= MAX_CONNECTIONS + 4, `${taken} more file descriptors`);
    assertEquals((await getStatus(nat, "/readyz")).status, 200);
    await assertServes();
    slow.dispose();
    await Promise.all(reads);
  });

  await t.step("if they are many", async () => {
    const beganAtMs = performance.now();
    const endMs = beganAtMs + FLOOD_MS;
    let answered = 0;
    const floods = Array.from({ length: 2 * MAX_CONNECTIONS }, async () => {
      while (performance.now() < endMs) {
        using one = await connect();
        await one.send("GET /metrics HTTP/1.0\r\n\r\n");
        if ((await one.readToEnd()).startsWith("HTTP/1.1 200 OK")) answered++;
      }
    });
    while (performance.now() < endMs) await assertServes();
    await Promise.all(floods);
    const seconds = (performance.now() - beganAtMs) / 1000;
    assert(answered > 0);
    assert(answered <= MAX_PER_SECOND * (seconds + 1), `${answered} answers in ${seconds} s`);
  });
});
