import { assertEquals } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import type { EndReason } from "../../src/proxy/end_reason.ts";
import { connectAsBalancer } from "../support/balancer.ts";
import { PING, Scene, SLOTS } from "../support/scripted_node.ts";
import { TlsScene } from "../support/tls_scene.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Short for a test, long compared with the pauses of a busy machine. */
const TIMEOUT_MS = 600;

/** What ends the session of a client, and the reason that is counted for it. */
const ENDS: [
  reason: EndReason,
  what: string,
  end: (scene: Scene) => Promise<void>,
  overrides?: Partial<Config>,
][] = [
  ["client_closed", "the client ends its side", async (scene) => {
    const { client, peer } = await scene.open();
    await client.closeWrite();
    await peer.readToEnd();
    peer.close();
  }],
  ["client_closed", "the client resets its connection", async (scene) => {
    const { client } = await scene.open();
    client.reset();
  }],
  ["node_closed", "the node ends its side", async (scene) => {
    const { client, peer } = await scene.open();
    await peer.closeWrite();
    await client.readToEnd();
    client.close();
  }],
  ["node_closed", "the node resets its connection", async (scene) => {
    const { peer } = await scene.open();
    peer.reset();
  }],
  ["not_paired", "the node sends no RESP", async (scene) => {
    const { peer } = await scene.open();
    await peer.send("?\r\n");
  }],
  ["idle_timeout", "both are idle", async (scene) => {
    await scene.open();
  }, { idleTimeoutMs: TIMEOUT_MS }],
  ["capture_timeout", "the node does not finish a reply", async (scene) => {
    await scene.outlastCapture();
  }, { captureTimeoutMs: TIMEOUT_MS }],
  ["capture_limit", "a reply is too long", async (scene) => {
    await scene.open(SLOTS, `*1\r\n$99999\r\n${"a".repeat(99_999)}\r\n`);
  }, { captureLimitBytes: 1 }],
  ["no_proxy_header", "a load balancer sends no PROXY header", async (scene) => {
    const balancer = await connectAsBalancer(scene.port, PING);
    await new WireClient(balancer).readToEnd();
    balancer.close();
  }, { balancers: { versions: "any", from: [] } }],
  ["connect_failed", "the node refuses the connection", async (scene) => {
    scene.node.close();
    await scene.connect();
  }],
  ["shutdown", "the proxy stops", async (scene) => {
    await scene.open();
    await scene.proxy.proxy.stop();
    // A thread that has ended reports nothing.
  }, { threads: 1 }],
];

Deno.test("the reason for which a session ends is counted", async (t) => {
  for (const [reason, what, end, overrides] of ENDS) {
    await t.step(what, async () => {
      await using scene = await Scene.start(overrides);
      const { proxy } = scene.proxy;
      await end(scene);
      const counted = await until("the session has ended", async () => {
        const { statistics: { ended } } = await proxy.status();
        const reasons = Object.entries(ended).filter(([, count]) => count > 0);
        return reasons.length > 0 && reasons;
      });
      assertEquals(counted, [[reason, 1]]);
    });
  }
});

Deno.test("handshakes of TLS are counted for each side", async () => {
  await using scene = await TlsScene.start();
  const { proxy } = scene.proxy;
  const { client, peer } = await scene.open();
  const plain = await scene.connectTcp();
  await plain.send("PING\r\n");
  await plain.readToEnd();
  client.close();
  await peer.readToEnd();
  peer.close();
  await until("the sessions have ended", () => proxy.sessionCount === 0);
  const { statistics: { ended, handshakes } } = await proxy.status();
  assertEquals([ended.tls_failed, ended.client_closed], [1, 1]);
  assertEquals(handshakes, {
    client: { succeeded: 1, failed: 1 },
    node: { succeeded: 1, failed: 0 },
  });
});
