import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { parseAddressRange } from "../../src/platform/address_range.ts";
import { writeAll } from "../../src/platform/net.ts";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { Logged } from "../support/logged.ts";
import { connectAsBalancer, connectBehind } from "../support/balancer.ts";
import { v2Header } from "../support/proxy_header.ts";
import { REFUSAL } from "../support/refusal.ts";
import { type Pair, PING, PONG, Scene } from "../support/scripted_node.ts";
import { secure, TLS } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const LOCAL = v2Header(0x20, 0, "");
const OF_CLIENT = v2Header(0x21, 0x11, "\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x1f\x41");

/** All in one thread log a problem once. */
const ONE_THREAD: Partial<Config> = { threads: 1 };

function startScene(overrides: Partial<Config> = {}): Promise<Scene> {
  const from = [parseAddressRange("127.0.0.0/8")];
  return Scene.start({ balancers: { versions: "any", from }, ...overrides });
}

async function openClient(scene: Scene, header: string): Promise<Pair> {
  const client = await connectBehind(scene.port, header);
  return { client, peer: await scene.node.accept() };
}

Deno.test("a client is served behind headers of all kinds, and in one packet with one", async () => {
  await using scene = await startScene();
  const longest = v2Header(0x21, 0x21, "\x01".repeat(65535));
  for (const header of [LOCAL, OF_CLIENT, longest, "PROXY TCP6 ::1 ::1 1 2\r\n"]) {
    const pair = await openClient(scene, header);
    await scene.assertServes(pair);
    await scene.assertServes(pair);
    await scene.assertNothingLeft(pair);
  }
  if (TLS.clients) return;
  const pair = await openClient(scene, OF_CLIENT + PING);
  assertEquals(await pair.peer.readUntil(PING), PING);
  await pair.peer.send(PONG);
  assertEquals(await pair.client.readUntil(PONG), PONG);
  await scene.assertNothingLeft(pair);
});

Deno.test("a header may come byte by byte, and its client is in the log", async () => {
  using logged = new Logged();
  await using scene = await startScene({ ...ONE_THREAD, accessLog: true });
  const tcp = await connectAsBalancer(scene.port, "");
  for (const byte of OF_CLIENT) await writeAll(tcp, fromLatin1(byte));
  using client = new WireClient(TLS.clients ? await secure(tcp, AT) : tcp);
  const peer = await scene.node.accept();
  await peer.send("*\x01\r\n");
  assertEquals(await client.readToEnd(), "");
  client.close();
  const lines = await until("it is logged", () => logged.lines.length >= 2 && logged.lines);
  const text = lines.join("\n");
  assertMatch(text, /^warning Closing client 1 at 192\.0\.2\.7:56324: cannot follow/m);
  assertMatch(text, /^info Client 1 at 192\.0\.2\.7:56324 has left port .* not_paired$/m);
});

Deno.test("what begins with no header is closed, with one line in the log", async () => {
  using logged = new Logged();
  await using scene = await startScene(ONE_THREAD);
  for (let round = 0; round < 5; round++) {
    for (const beginning of [PING, "\x16\x03\x01\x02\0", "GET / HTTP/1.1\r\n\r\n", "\0"]) {
      using client = new WireClient(await connectAsBalancer(scene.port, beginning));
      assertEquals(await client.readToEnd(), "");
    }
  }
  await until("all are forgotten", () => scene.proxy.proxy.sessionCount === 0);
  const lines = logged.lines.filter((line) => !line.startsWith("info"));
  assertEquals(lines.length, 1, lines.join("\n"));
  assertMatch(
    lines[0]!,
    /^warning Closing client 1 at 127\.0\.0\.1:\d+ of node \S+: The connection began without a PROXY header: have the load balancer send one, or remove --accept-proxy-protocol$/,
  );
  assertEquals(scene.node.peers, []);
});

Deno.test("connections that only connect, as some health checks, are not logged", async () => {
  using logged = new Logged();
  await using scene = await startScene(ONE_THREAD);
  for (const beginning of ["", "PROXY TC", LOCAL.slice(0, -1)]) {
    (await connectAsBalancer(scene.port, beginning)).close();
    (await connectAsBalancer(scene.port, beginning)).reset();
  }
  (await connectAsBalancer(scene.port, LOCAL)).reset();
  await until("all are forgotten", () => scene.proxy.proxy.sessionCount === 0);
  assertEquals(logged.lines.filter((line) => !line.startsWith("info")), []);
});

Deno.test("a connection whose header has not come counts", async () => {
  await using scene = await startScene({ maxConnections: 2 });
  const silent = [
    await connectAsBalancer(scene.port, ""),
    await connectAsBalancer(scene.port, LOCAL.slice(0, -1)),
  ];
  await until("both count", () => scene.proxy.proxy.sessionCount === 2);
  using late = new WireClient(await connectAsBalancer(scene.port, ""));
  assertEquals(await late.readToEnd(), TLS.clients ? "" : REFUSAL);
  silent[0]!.reset();
  await until("one has left", () => scene.proxy.proxy.sessionCount === 1);
  const pair = await openClient(scene, OF_CLIENT);
  await scene.assertServes(pair);
  silent[1]!.close();
  await scene.assertNothingLeft(pair);
});

Deno.test("a stop does not wait for headers", async () => {
  await using scene = await startScene();
  const silent = await connectAsBalancer(scene.port, LOCAL.slice(0, -1));
  using client = new WireClient(silent);
  await until("it counts", () => scene.proxy.proxy.sessionCount === 1);
  const startMs = performance.now();
  await scene.proxy.proxy.stop(30_000);
  assert(performance.now() - startMs < 900, "The stop waited");
  assertEquals(await client.readToEnd(), "");
});
