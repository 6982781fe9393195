import { assert, assertEquals } from "@std/assert";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { RedisCluster } from "../support/cluster.ts";
import { findFreePorts } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { withTls } from "../support/tls.ts";
import { startTlsProxy } from "../support/tls_proxy.ts";
import { until } from "../support/until.ts";
import { Load } from "./load.ts";
import { SWIFT, testLive } from "./scene.ts";

const PLAIN = { "tls-port": "0", "tls-cluster": "no", "tls-replication": "no" };

const NAME = "a cluster changes from plain text to TLS node by node, while clients work";

testLive(NAME, async (t) => {
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ tls: "both", directives: PLAIN });
  const { nodes } = cluster;
  const listen = { host: "127.0.0.1", port: findFreePorts(nodes.length) };
  const config = { ...SWIFT, listen, stateFile: directory.at("state") };
  const plain = await startProxy(cluster, config);
  const ports = nodes.map((node) => plain.portOf(node));
  const seed = { host: plain.host, port: ports[0]! };
  await using client = await IoredisClient.connect({ ...seed, protocol: 3, throughOutages: true });
  const load = new Load("ioredis", client);
  const flows = (since = performance.now()) =>
    until("writes flow", () => load.flowsSince(since), 30_000);
  try {
    await t.step("first each opens a TLS port", async () => {
      for (const node of nodes) {
        // It does not follow the other ports.
        const busPort = `${node.port + 10_000}`;
        await node.configure({ "cluster-announce-bus-port": busPort });
        await node.configure({ "tls-port": `${node.tlsPort}` });
        await flows();
      }
    });
    await t.step("then nodes speak TLS to each other", async () => {
      for (const node of nodes) {
        await node.configure({ "tls-replication": "yes", "tls-cluster": "yes" });
      }
      await cluster.ready();
      await flows();
      assertEquals(load.errors, new Map());
    });
    await plain[Symbol.asyncDispose]();
    await using overTls = await startTlsProxy(cluster, config);
    await t.step("a proxy that speaks TLS takes over, with the same public ports", async () => {
      // The seed may learn of a TLS port later.
      const served = await until("all are served", () => nodes.map((node) => overTls.portOf(node)));
      assertEquals(served, ports);
      await flows();
    });
    const errors = new Map(load.errors);
    await t.step("then each closes its port for plain text", async () => {
      for (const node of nodes) {
        await node.configure({ port: "0" });
        await flows();
      }
      await cluster.ready();
    });
    await flows();
    assertEquals(nodes.map((node) => overTls.portOf(node)), ports);
    assertEquals(load.errors, errors);
    await load.stop();
    assertEquals(load.hung, []);
    assertEquals(await load.lost(cluster), []);
    assert(load.acknowledged > 0);
  } finally {
    await load.stop();
  }
}, withTls("either", "the test sets TLS itself"));
