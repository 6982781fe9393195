import { assert, assertEquals, assertMatch } from "@std/assert";
import { HANDSHAKE_TIMEOUT_MS } from "../../src/tls/tls_connection.ts";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { NatProcess } from "../support/nat_process.ts";
import { isRefused } from "../support/ports.ts";
import { PING } from "../support/scripted_node.ts";
import { TlsDirectory } from "../support/tls_directory.ts";
import { type Below, changing, TlsScene } from "../support/tls_scene.ts";
import { until } from "../support/until.ts";
import type { WireClient } from "../support/wire.ts";

/** Each thread throttles its own log. */
const ONE_THREAD = { threads: 1 };

/** For an action without any wait, on a busy machine. */
const AT_ONCE_MS = 900;

/** The beginning of a handshake: a record of 512 bytes that never arrives whole. */
const BEGINNING = "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";

/** How far a silent client has come. */
const POINTS = { "before the first byte": "", "within its first record": BEGINNING };

/** Connects clients that begin a handshake and then say nothing. */
async function connectSilent(scene: TlsScene): Promise<WireClient[]> {
  return await Promise.all(
    Object.values(POINTS).map(async (text) => {
      const client = await scene.connectTcp();
      await client.send(text);
      return client;
    }),
  );
}

Deno.test("a client that is silent in the handshake is closed after some seconds", async () => {
  using logged = new Logged();
  await using scene = await TlsScene.start(ONE_THREAD);
  const startMs = performance.now();
  const clients = await connectSilent(scene);
  // Each byte of this one comes in time.
  const slow = await scene.connectTcp();
  const bytes = Array.from(BEGINNING);
  const feeding = setInterval(() => slow.send(bytes.shift() ?? "").catch(() => {}), 1000);
  try {
    for (const client of [...clients, slow]) {
      assertEquals(await client.readToEnd(HANDSHAKE_TIMEOUT_MS + 5_000), "");
    }
  } finally {
    clearInterval(feeding);
  }
  const tookMs = performance.now() - startMs;
  assert(tookMs > HANDSHAKE_TIMEOUT_MS - 100, `It took ${tookMs} ms`);
  await until("they are forgotten", () => scene.proxy.proxy.sessionCount === 0);
  assertEquals(logged.lines.filter((line) => line.startsWith("warning")).length, 1);
  assertMatch(
    logged.lines.find((line) => line.startsWith("warning"))!,
    /^warning Closing client \d+ at 127\.0\.0\.1:\d+ of node \S+: The client did not finish the TLS handshake in 10000 ms$/,
  );
});

Deno.test("a client that is silent in the handshake counts", async () => {
  await using scene = await TlsScene.start({ maxConnections: 2 });
  const silent = await connectSilent(scene);
  const { proxy } = scene.proxy;
  await until("both count", () => proxy.sessionCount === 2);
  // In TLS nobody could read an error.
  for (const text of ["", BEGINNING, PING]) {
    using late = await scene.connectTcp();
    // The port may have been closed by then.
    await late.send(text).catch(() => {});
    assertEquals(await late.readToEnd(), "");
  }
  silent[0]!.reset();
  await until("one has left", () => proxy.sessionCount === 1);
  const pair = await scene.open();
  await scene.assertServes(pair);
  silent[1]!.close();
  await scene.assertNothingLeft(pair);
});

Deno.test("a stop ends the handshakes in progress, whatever the grace", async () => {
  await using scene = await TlsScene.start();
  const silent = await connectSilent(scene);
  await until("both count", () => scene.proxy.proxy.sessionCount === 2);
  const startMs = performance.now();
  await scene.proxy.proxy.stop(30_000);
  const tookMs = performance.now() - startMs;
  assert(tookMs < AT_ONCE_MS, `The stop took ${tookMs} ms`);
  for (const client of silent) assertEquals(await client.readToEnd(), "");
});

Deno.test("an idle client is closed in the handshake, too", async () => {
  using logged = new Logged();
  await using scene = await TlsScene.start({ ...ONE_THREAD, idleTimeoutMs: 200 });
  for (const client of await connectSilent(scene)) assertEquals(await client.readToEnd(), "");
  assert(logged.lines.some((line) => line.includes("(--idle-timeout)")), logged.lines.join("\n"));
});

/** At the node, the answer to the handshake is held back until `silence` is resolved. */
function silent(silence: Promise<void>): Below {
  return (tcp) =>
    changing(tcp, {
      async read(buffer) {
        await silence;
        return tcp.read(buffer);
      },
    });
}

Deno.test("a node that is silent in the handshake is a dead node", async () => {
  using logged = new Logged();
  let isSilent = false;
  const silence = Promise.withResolvers<void>();
  await using scene = await TlsScene.start(
    { ...ONE_THREAD, connectTimeoutMs: 300 },
    (tcp) => isSilent ? silent(silence.promise)(tcp) : tcp,
  );
  const pair = await scene.open();
  isSilent = true;
  const client = await scene.connect();
  await client.send(PING);
  assertEquals(await client.readToEnd(), "");
  assertMatch(
    logged.lines.filter((line) => line.startsWith("warning")).join("\n"),
    /Cannot connect to node \S+, closing client 2: Connected, but the handshake took more than 300 ms: check the port/,
  );
  silence.resolve();
  isSilent = false;
  await scene.assertServes(pair);
  await scene.assertNothingLeft(pair);
});

Deno.test("a stop does not wait for a node that is silent in the handshake", async () => {
  let isSilent = false;
  const silence = Promise.withResolvers<void>();
  await using scene = await TlsScene.start(
    { connectTimeoutMs: 60_000 },
    (tcp) => isSilent ? silent(silence.promise)(tcp) : tcp,
  );
  isSilent = true;
  const client = await scene.connect();
  await client.send(PING);
  await until("it counts", () => scene.proxy.proxy.sessionCount === 1);
  const startMs = performance.now();
  await scene.proxy.proxy.stop(30_000);
  const tookMs = performance.now() - startMs;
  assert(tookMs < AT_ONCE_MS, `The stop took ${tookMs} ms`);
  assertEquals(await client.readToEnd(), "");
  silence.resolve();
});

Deno.test("the program stops at once while handshakes are in progress", async () => {
  await using directory = await TlsDirectory.create("proxy");
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const flags = [...directory.flags("proxy"), "--shutdown-grace=60s"];
  await using nat = await NatProcess.serve(node, flags);
  const port = nat.portOf(node);
  using stack = new DisposableStack();
  const connections = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      stack.defer(() => connection.close());
      if (index % 2 === 0) await connection.write(fromLatin1(BEGINNING));
      return connection;
    }),
  );
  const startMs = performance.now();
  nat.signal("SIGTERM");
  await nat.endedInOrder();
  const tookMs = performance.now() - startMs;
  assert(tookMs < AT_ONCE_MS, `The stop took ${tookMs} ms`);
  assert(await isRefused(port));
  for (const connection of connections) {
    assertEquals(await connection.read(new Uint8Array(1)).catch(() => null), null);
  }
});
