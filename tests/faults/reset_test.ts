import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { NatProcess } from "../support/nat_process.ts";
import { Resettable } from "../support/resettable.ts";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { WireClient } from "../support/wire.ts";

/** A blocking command, and part of a long value. */
const BLOCKED = "*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n";
const PART = "$1000000\r\nabc";

/** Requests and replies before the reset. */
const MOMENTS: [what: string, asked: string, sent: string][] = [
  ["between requests", PING, PONG],
  ["before any request", "", ""],
  ["in the middle of a value", `${PING}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc`, PONG],
  ["in the middle of a reply", PING + PING, PONG + PART],
  ["while a reply is held back to be rewritten", PING + SLOTS, `${PONG}*1\r\n*3\r\n:0\r\n`],
  ["while the head of an error is held back", PING + PING, `${PONG}-MOVED 1 127.`],
  ["while blocked", PING + BLOCKED, PONG],
  ["while subscribed", `${PING}*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n`, PONG],
  ["while watching", `${PING}*1\r\n$7\r\nMONITOR\r\n`, `${PONG}+OK\r\n`],
  ["in a transaction", `${PING}*1\r\n$5\r\nMULTI\r\n`, `${PONG}+OK\r\n`],
];

for (const side of ["client", "node"] as const) {
  Deno.test(`a reset by a ${side} ends its session and no other`, async (t) => {
    using logged = new Logged();
    await using scene = await Scene.start();
    const other = await scene.open();
    for (const [what, asked, sent] of MOMENTS) {
      // A node that resets before any traffic counts as unreachable.
      if (side === "node" && asked === "") continue;
      await t.step(what, async () => {
        const { client, peer } = await scene.open(asked, sent);
        if (side === "client") {
          client.reset();
          assertEquals(await peer.readToEnd(), "");
          peer.close();
        } else {
          const plain = sent.replace(/(\*1\r\n\*3|-MOVED)[^]*/, "");
          assertEquals(await client.readUntil(plain), plain);
          peer.reset();
          assertEquals(await client.readToEnd(), "");
        }
        await scene.assertServes(other);
      });
    }
    assertEquals(logged.lines.filter((line) => !line.startsWith("info")), []);
    await scene.assertNothingLeft(other);
  });
}

Deno.test("a client that is gone before its reply leaves nothing", async (t) => {
  await using scene = await Scene.start();
  const replies: [what: string, asked: string, sent: string][] = [
    ["a plain one", PING, PONG],
    ["one that is rewritten", SLOTS, slotsOf(scene.node)],
    ["a long one", PING, `$5000000\r\n${"x".repeat(5_000_000)}\r\n`],
  ];
  for (const [what, asked, sent] of replies) {
    await t.step(what, async () => {
      const { client, peer } = await scene.open(asked);
      client.close();
      assertEquals(await peer.readToEnd(), "");
      // The proxy still sends the reply, because the client may have shut down its side only; the
      // kernel then reports that the client is gone, and the proxy may close the connection.
      await peer.send(sent).catch(() => {});
      peer.close();
      await scene.assertNothingLeft();
    });
  }
});

Deno.test({
  name: "connections that are reset before they are accepted delay no other",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    await using nat = await NatProcess.serveWarm(node);
    const at = ["127.0.0.1", nat.portOf(node)] as const;
    // Meanwhile the kernel establishes connections, which wait to be accepted.
    nat.signal("SIGSTOP");
    for (let count = 0; count < 50; count++) (await Resettable.connect(...at)).reset();
    const connecting = WireClient.connect(...at);
    const startMs = performance.now();
    nat.signal("SIGCONT");
    using client = await connecting;
    assertEquals(textOf(await client.ask("PING")), "PONG");
    const tookMs = performance.now() - startMs;
    assert(tookMs < 2000, `It took ${tookMs} ms`);
    assertEquals(nat.stderr.match(/^.* (?:WARN|ERROR) .*$/gm), null);
  },
});
