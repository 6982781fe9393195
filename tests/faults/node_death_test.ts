import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { startProxy } from "../support/proxy.ts";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

Deno.test("a client gets all bytes of a node that dies, except for half an address", async (t) => {
  await using scene = await Scene.start();
  const { node } = scene;
  const slots = slotsOf(node);
  const redirect = `-MOVED 1 ${node.address}\r\n`;
  /** The request, the frame in which the node dies, and whether its parts pass. */
  const deaths: [what: string, asked: string, frame: string, passes: boolean][] = [
    ["a value", PING, "$26\r\nabcdefghijklmnopqrstuvwxyz\r\n", true],
    ["an array", PING, "*3\r\n:1\r\n$3\r\nabc\r\n_\r\n", true],
    ["CLUSTER SLOTS", SLOTS, slots, false],
    ["a redirect", PING, redirect, false],
    ["a push that names a node", PING, `>3\r\n$6\r\nMOVING\r\n:1\r\n${redirect.slice(1)}`, false],
  ];
  for (const [what, asked, frame, passes] of deaths) {
    await t.step(what, async () => {
      for (let cut = 1; cut < frame.length - 1; cut++) {
        const { client, peer } = await scene.open();
        await client.send(PING + asked);
        await peer.readUntil(PING + asked);
        await peer.send(PONG + frame.slice(0, cut));
        peer.close();
        const got = await client.readToEnd();
        const message = `the node sent ${JSON.stringify(frame.slice(0, cut))}`;
        assertEquals(got, PONG + (passes ? frame.slice(0, cut) : ""), message);
        client.close();
      }
    });
  }
  await scene.assertNothingLeft();
});

Deno.test("a client gets the beginning of a value from a killed server", async () => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const node = cluster.ownerOf(3300);
  const value = fromLatin1("0123456789".repeat(3_000_000));
  using straight = await node.connect();
  await straight.send(`*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$${value.length}\r\n`);
  await straight.send(value);
  await straight.send("\r\n");
  assertEquals(await straight.readFrames(1), ["+OK\r\n"]);

  using other = await WireClient.connect(proxy.host, proxy.portOf(cluster.ownerOf(15495)));
  using client = await WireClient.connect(proxy.host, proxy.portOf(node));
  await client.send(toLatin1(encodeRequest(["GET", "b"])));
  const header = `$${value.length}\r\n`;
  assertEquals(await client.readUntil(header), header);
  await node.kill();
  const got = await client.readToEnd();
  assert(got.length < value.length, "The value came whole, so that it proves nothing");
  assertMatch(got.slice(-20), /^\d{20}$/);
  assert(toLatin1(value).startsWith(got), `It ends in ${JSON.stringify(got.slice(-100))}`);
  assertEquals(await other.ask("GET", "none{a}"), { type: "$", text: null });
  other.close();
  client.close();
  await until("no client is connected", () => proxy.proxy.sessionCount === 0);
});
