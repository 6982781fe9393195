import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { PING, PONG, Scene } from "../support/scripted_node.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/** In slot 3300, which the first of two nodes owns. */
const KEY = "{b}";

const MIB = 1024 * 1024;

/** Longer than a test may take. */
const LONG_GRACE = "60s";

/** For an action without any wait, on a busy machine. */
const AT_ONCE_MS = 900;

/** For a wait for a client that leaves too late, and for nothing else. */
const SOON_MS = 4_000;

function start(node: ClusterNode, grace: string): Promise<NatProcess> {
  return NatProcess.serve(node, [`--shutdown-grace=${grace}`]);
}

/** Sends SIGTERM, and waits until the program is stopping. */
async function stop(nat: NatProcess): Promise<void> {
  nat.signal("SIGTERM");
  await nat.untilLogged(/Stopping/);
}

/** The last replies to a client, whose connection must not be reset. */
async function lastWords(client: WireClient): Promise<string> {
  const said = await client.readToEnd();
  assert(!client.wasReset, `The connection was reset behind ${JSON.stringify(said)}`);
  return said;
}

/** Waits for the end of the program, which must not cut off clients; returns the duration. */
async function assertEndsInOrder(nat: NatProcess, fromMs: number): Promise<number> {
  const { code, stderr } = await nat.ended();
  assertEquals(code, 0, stderr);
  assert(!/ (WARN|ERR)/.test(stderr), stderr);
  return performance.now() - fromMs;
}

Deno.test("a stop completes what clients have started", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  const node = cluster.nodes[0]!;

  await t.step("a long reply to a client that reads slowly", async () => {
    const bytes = 48 * MIB;
    await node.order("SETRANGE", KEY, `${bytes - 1}`, "x");
    await using nat = await start(node, LONG_GRACE);
    const connection = await Deno.connect({ hostname: AT, port: nat.portOf(node) });
    using _closing = { [Symbol.dispose]: () => connection.close() };
    await connection.write(encodeRequest(["GET", KEY]));
    const buffer = new Uint8Array(MIB);
    let received = (await connection.read(buffer))!;
    await stop(nat);
    for (let read: number | null; (read = await connection.read(buffer)) !== null;) {
      received += read;
      // Gets no reply; but unread bytes would make the kernel reset the connection.
      if (received < bytes) await connection.write(encodeRequest(["PING"]));
    }
    assertEquals(received, `$${bytes}\r\n`.length + bytes + 2);
    connection.closeWrite();
    await assertEndsInOrder(nat, 0);
  });

  await t.step("a request that is half sent, and none after it", async () => {
    await node.order("DEL", KEY);
    await using nat = await start(node, LONG_GRACE);
    const texts = [
      wire("SET", KEY, "0123456789"),
      // Its arguments are held back to be translated.
      wire("CLIENT", "KILL", "ADDR", "192.0.2.1:1"),
      `SET ${KEY} 0123456789\r\n`,
    ];
    const halves = texts.flatMap((text) =>
      [1, 4, 14, text.length - 1].map((cut) => ({ text, cut }))
    );
    using stack = new DisposableStack();
    const clients = await Promise.all(halves.map(async ({ text, cut }) => {
      const client = stack.use(await WireClient.connect(AT, nat.portOf(node)));
      await client.ask("PING");
      await client.send(text.slice(0, cut));
      return { client, text, cut };
    }));
    // The reply shows that the earlier bytes have arrived, too.
    using last = await WireClient.connect(AT, nat.portOf(node));
    await last.ask("PING");
    await stop(nat);
    for (const { client, text, cut } of clients) {
      await client.send(text.slice(cut) + wire("INCR", `more${KEY}`));
    }
    for (const { client, text } of clients) {
      const wanted = text.includes("KILL") ? ":0\r\n" : "+OK\r\n";
      assertEquals(await lastWords(client), wanted, text);
      client.close();
    }
    assertEquals(await lastWords(last), "");
    last.close();
    await assertEndsInOrder(nat, 0);
    assertEquals(textOf(await node.ask("GET", KEY)), "0123456789");
    assertEquals(textOf(await node.ask("EXISTS", `more${KEY}`)), "0");
  });

  await t.step("an AUTH after a blocking command, and the requests after it", async () => {
    await node.order("DEL", KEY);
    await using nat = await start(node, LONG_GRACE);
    using client = await WireClient.connect(AT, nat.portOf(node));
    await client.send(wire("BLPOP", KEY, "0") + wire("AUTH", "x") + wire("INCR", `more${KEY}`));
    await until("it waits", async () => {
      return textOf(await node.ask("CLIENT", "LIST"))!.includes(" cmd=blpop");
    });
    await stop(nat);
    await node.order("RPUSH", KEY, "value");
    // Redis 8.0 and Valkey 8.1 drop the error.
    assertMatch(
      await lastWords(client),
      /^\*2\r\n.*value\r\n(-(ERR|WRONGPASS) [^\r\n]+\r\n)?:1\r\n$/s,
    );
    client.close();
    await assertEndsInOrder(nat, 0);
    await node.order("DEL", `more${KEY}`);
  });

  await t.step("the results of a transaction", async () => {
    await node.order("DEL", KEY);
    await using nat = await start(node, LONG_GRACE);
    using client = await WireClient.connect(AT, nat.portOf(node));
    const exec = wire("EXEC");
    await client.send(wire("MULTI") + wire("INCR", KEY) + wire("CLUSTER", "SLOTS"));
    await client.send(exec.slice(0, -1));
    await client.readFrames(3);
    await stop(nat);
    await client.send(exec.slice(-1));
    const results = await lastWords(client);
    assert(results.startsWith("*2\r\n:1\r\n*2\r\n"), results);
    assert(!results.includes(node.host), results);
    client.close();
    await assertEndsInOrder(nat, 0);
  });

  await t.step("a request of a client that has shut down its side", async () => {
    await node.order("DEL", KEY);
    await using nat = await start(node, LONG_GRACE);
    using client = await WireClient.connect(AT, nat.portOf(node));
    await client.send(wire("SET", KEY, "1").slice(0, -1));
    using last = await WireClient.connect(AT, nat.portOf(node));
    await last.ask("PING");
    await stop(nat);
    await client.send("\n");
    await client.closeWrite();
    assertEquals(await lastWords(client), "+OK\r\n");
    last.close();
    await assertEndsInOrder(nat, 0);
  });
});

Deno.test("idle clients are closed at once, without a reset", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const idle: Record<string, [says: string, frames: number]> = {
    "one that has said nothing": ["", 0],
    "one that has its answer": [wire("PING"), 1],
    "one with an open transaction": [wire("MULTI") + wire("SET", KEY, "1"), 2],
    "a RESP2 subscriber": [wire("SUBSCRIBE", "a") + wire("PSUBSCRIBE", "b*"), 2],
    "a RESP3 subscriber": [wire("HELLO", "3") + wire("SUBSCRIBE", "a"), 2],
    "a subscriber to a shard": [wire("SSUBSCRIBE", KEY), 1],
    "one that wants no answers": [wire("PING") + wire("CLIENT", "REPLY", "OFF"), 1],
    "one that watches": [wire("MONITOR"), 1],
    "one that tracks": [wire("HELLO", "3") + wire("CLIENT", "TRACKING", "ON"), 2],
  };

  await t.step("in every state", async () => {
    await node.order("DEL", KEY);
    await using nat = await start(node, LONG_GRACE);
    using stack = new DisposableStack();
    const clients = new Map<string, WireClient>();
    for (const [name, [says, frames]] of Object.entries(idle)) {
      const client = stack.use(await WireClient.connect(AT, nat.portOf(node)));
      clients.set(name, client);
      await client.send(says);
      await client.readFrames(frames);
    }
    const stoppedMs = performance.now();
    await stop(nat);
    for (const [name, client] of clients) {
      const said = await lastWords(client);
      // It sees the commands of the others.
      if (name !== "one that watches") assertEquals(said, "", name);
      client.close();
    }
    const tookMs = await assertEndsInOrder(nat, stoppedMs);
    assert(tookMs < AT_ONCE_MS, `It took ${tookMs} ms`);
    assertEquals(textOf(await node.ask("EXISTS", KEY)), "0");
  });

  await t.step("a pooled client that does not notice delays the stop only briefly", async () => {
    await using nat = await start(node, LONG_GRACE);
    using client = await WireClient.connect(AT, nat.portOf(node));
    await client.ask("PING");
    const stoppedMs = performance.now();
    await stop(nat);
    const tookMs = await assertEndsInOrder(nat, stoppedMs);
    assert(tookMs < SOON_MS, `It took ${tookMs} ms`);
    assertEquals(await lastWords(client), "");
  });

  await t.step("a stop without clients takes no time", async () => {
    await using nat = await start(node, LONG_GRACE);
    const stoppedMs = performance.now();
    await stop(nat);
    const tookMs = await assertEndsInOrder(nat, stoppedMs);
    assert(tookMs < AT_ONCE_MS, `It took ${tookMs} ms`);
  });
});

Deno.test("a slow client has time to read its last replies", async () => {
  await using scene = await Scene.start();
  const [slow, prompt] = [await scene.open(), await scene.open()];
  for (const { client, peer } of [slow, prompt]) {
    await client.send(PING);
    await peer.readUntil(PING);
  }
  const { proxy } = scene.proxy;
  const stopping = proxy.stop(30_000);
  // The socket buffers hold all of it.
  const value = `$${256 * 1024}\r\n${"x".repeat(256 * 1024)}\r\n`;
  await slow.peer.send(value);
  assertEquals(await slow.peer.readToEnd(), "");
  slow.peer.close();
  await prompt.peer.send(PONG);
  assertEquals(await prompt.peer.readToEnd(), "");
  prompt.peer.close();
  assertEquals(await prompt.client.readToEnd(), PONG);
  // This client has acknowledged everything, so the proxy waits one second at most.
  await until("the prompt client is gone", () => proxy.sessionCount === 1);
  await slow.client.send(PING);
  const got = await lastWords(slow.client);
  assert(got === value, `Of ${value.length} bytes came ${got.length}`);
  slow.client.close();
  await stopping;
});

Deno.test("clients with outstanding replies are cut off after --shutdown-grace", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const graceMs = 700;
  await using nat = await start(node, `${graceMs}ms`);
  using blocked = await WireClient.connect(AT, nat.portOf(node));
  await blocked.send(wire("BLPOP", KEY, "0"));
  using half = await WireClient.connect(AT, nat.portOf(node));
  await half.send(wire("SET", KEY, "1").slice(0, -1));
  using idle = await WireClient.connect(AT, nat.portOf(node));
  await idle.ask("PING");
  const stoppedMs = performance.now();
  await stop(nat);
  assertEquals(await idle.readToEnd(), "");
  idle.close();
  assertEquals([await blocked.readToEnd(), await half.readToEnd()], ["", ""]);
  const tookMs = performance.now() - stoppedMs;
  assert(tookMs > graceMs - 50, `They were cut off after ${tookMs} ms`);
  const { code, stderr } = await nat.ended();
  assertEquals(code, 0);
  assertMatch(stderr, / WARN .*Closing 2 clients .* 700 ms .*--shutdown-grace/);
  assertEquals(textOf(await node.ask("EXISTS", KEY)), "0");
});

Deno.test("a program that stops", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;

  async function startBlocked(): Promise<{ nat: NatProcess; blocked: WireClient }> {
    await node.order("DEL", KEY);
    const nat = await start(node, LONG_GRACE);
    const blocked = await WireClient.connect(AT, nat.portOf(node));
    await blocked.send(wire("BLPOP", KEY, "0"));
    await until("it waits", async () => {
      return textOf(await node.ask("CLIENT", "LIST"))!.includes(" cmd=blpop");
    });
    return { nat, blocked };
  }

  await t.step("accepts no more clients", async () => {
    const { nat: started, blocked } = await startBlocked();
    await using nat = started;
    using _blocked = blocked;
    await stop(nat);
    await assertRejects(
      () => WireClient.connect(AT, nat.portOf(node)),
      Deno.errors.ConnectionRefused,
    );
    await node.order("RPUSH", KEY, "value");
    assertMatch(await lastWords(blocked), /value\r\n$/);
    blocked.close();
    await assertEndsInOrder(nat, 0);
  });

  await t.step("counts two signals at once as one", async () => {
    const { nat: started, blocked } = await startBlocked();
    await using nat = started;
    using _blocked = blocked;
    nat.signal("SIGINT");
    nat.signal("SIGINT");
    await nat.untilLogged(/Stopping/);
    await node.order("RPUSH", KEY, "value");
    assertMatch(await lastWords(blocked), /value\r\n$/);
    blocked.close();
    await assertEndsInOrder(nat, 0);
  });

  await t.step("ends at once at a second signal", async () => {
    const { nat: started, blocked } = await startBlocked();
    await using nat = started;
    using _blocked = blocked;
    await stop(nat);
    let ended = false;
    const ending = nat.ended().finally(() => ended = true);
    // The first of these may come too soon to count as a second one.
    await until("it has ended", () => ended || (nat.signal("SIGTERM"), false), SOON_MS);
    assertEquals((await ending).code, 0);
    assertEquals(await blocked.readToEnd(), "");
  });
});
