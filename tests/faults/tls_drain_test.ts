import { assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { nodeFlags, publicFlags } from "../support/cluster_tls.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { PING, PONG } from "../support/scripted_node.ts";
import { secure, type TestConnection } from "../support/tls.ts";
import { TlsScene } from "../support/tls_scene.ts";
import { until, untilStable, within } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const KEY = "{b}";

const MIB = 1024 * 1024;

async function connect(port: number): Promise<TestConnection> {
  return await secure(await Deno.connect({ hostname: AT, port }), AT);
}

Deno.test("a stop completes the replies in progress over TLS", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const { certificates, nodes: [node] } = cluster;
  const flags = [...publicFlags(certificates), ...nodeFlags(certificates)];
  await using nat = await NatProcess.serve(node!, ["--shutdown-grace=60s", ...flags]);
  const port = nat.portOf(node!);
  const valueBytes = 24 * MIB;
  await node!.order("SETRANGE", KEY, `${valueBytes - 1}`, "x");
  using reader = new WireClient(await connect(port));
  using half = new WireClient(await connect(port));
  using idle = new WireClient(await connect(port));
  await half.ask("PING");
  await reader.send(wire("GET", KEY));
  const header = `$${valueBytes}\r\n`;
  assertEquals(await reader.readUntil(header), header);
  await half.send(PING.slice(0, -1));
  // The reply shows that the earlier bytes have arrived, too.
  await idle.ask("PING");
  nat.signal("SIGTERM");
  await nat.untilLogged(/Stopping/);
  assertEquals(await idle.readToEnd(), "");
  await half.send(PING.slice(-1));
  assertEquals(await half.readToEnd(), PONG);
  assertEquals(await reader.skip(Infinity, 30_000), valueBytes + 2);
  for (const client of [reader, half, idle]) {
    assertEquals(client.wasReset, false);
    client.close();
  }
  const { code } = await nat.ended();
  assertEquals(code, 0);
});

for (const side of ["client", "node"] as const) {
  Deno.test(`the end of a session ends a write that a ${side} does not read, at once`, async () => {
    await using scene = await TlsScene.start();
    const { client, peer } = await scene.open();
    const writer = side === "client" ? peer : client;
    const part = new TextEncoder().encode(`$${MIB}\r\n${"x".repeat(MIB)}\r\n`);
    await client.send(wire("GET", "k").repeat(1000));
    if (side === "client") await peer.readUntil(wire("GET", "k").repeat(1000));
    let sent = 0;
    const flooding = (async () => {
      for (;;) {
        await writer.send(side === "client" ? part : wire("SET", "k", "x".repeat(MIB)), 60_000);
        sent++;
      }
    })();
    const flooded = flooding.catch(() => {});
    await untilStable("what was taken", () => sent);
    await within("stop", scene.proxy.proxy.stop(), 1_000);
    await within("see the end", flooded, 1_000);
    assertEquals(scene.proxy.proxy.sessionCount, 0);
  });
}

onLinux.test("clients that leave without reading leave no descriptor", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const { certificates, nodes: [node] } = cluster;
  const flags = [...publicFlags(certificates), ...nodeFlags(certificates)];
  await using nat = await NatProcess.serve(node!, flags);
  const port = nat.portOf(node!);
  using first = new WireClient(await connect(port));
  await first.ask("PING");
  await node!.order("SETRANGE", KEY, `${8 * MIB - 1}`, "x");
  first.close();
  const before = await untilStable("the number of descriptors", () => nat.descriptors);
  const clients = await Promise.all(Array.from({ length: 10 }, async () => {
    const client = new WireClient(await connect(port));
    await client.send(wire("GET", KEY).repeat(4));
    return client;
  }));
  await untilStable("the number of descriptors", () => nat.descriptors);
  for (const client of clients) client.close();
  await until("all descriptors are given back", (saw) => {
    saw(`${nat.descriptors}, ${before} before`);
    return nat.descriptors <= before;
  });
  const again = new WireClient(await connect(port));
  assertEquals(await again.ask("PING"), { type: "+", text: "PONG" });
  again.close();
});
