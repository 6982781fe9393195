import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { isRefused } from "../support/ports.ts";
import { PING, PONG, Scene } from "../support/scripted_node.ts";
import { getStatus, STATUS_FLAG } from "../support/status.ts";
import { connectToProxy } from "../support/tls.ts";
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

function start(node: ClusterNode, grace: string, ...flags: string[]): Promise<NatProcess> {
  return NatProcess.serve(node, [`--shutdown-grace=${grace}`, ...flags]);
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

/** Stops a program, which must end in order within a time. */
async function assertStopsWithin(
  limitMs: number,
  nat: NatProcess,
  leave = () => Promise.resolve(),
) {
  const stoppedMs = performance.now();
  await stop(nat);
  await leave();
  await nat.endedInOrder();
  const tookMs = performance.now() - stoppedMs;
  assert(tookMs < limitMs, `It took ${tookMs} ms`);
}

/** Sends a request that waits for a value of KEY, and then others. */
async function block(node: ClusterNode, client: WireClient, others = ""): Promise<void> {
  await client.send(wire("BLPOP", KEY, "0") + others);
  await until("it waits", async () => {
    return textOf(await node.ask("CLIENT", "LIST"))!.includes(" cmd=blpop");
  });
}

Deno.test("a stop completes what clients have started", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  const node = cluster.nodes[0]!;

  /** Plays a scene of a new program and its client, after which the program must end in order. */
  const step = (name: string, play: (nat: NatProcess, client: WireClient) => Promise<void>) =>
    t.step(name, async () => {
      await node.order("DEL", KEY, `more${KEY}`);
      await using nat = await start(node, LONG_GRACE);
      using client = await WireClient.connect(AT, nat.portOf(node));
      await play(nat, client);
      client.close();
      await nat.endedInOrder();
    });

  await step("a long reply to a client that reads slowly", async (nat) => {
    const bytes = 48 * MIB;
    await node.order("SETRANGE", KEY, `${bytes - 1}`, "x");
    const connection = await connectToProxy(AT, nat.portOf(node));
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
  });

  await step("a request that is half sent, and none after it", async (nat, last) => {
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
    assertEquals(textOf(await node.ask("GET", KEY)), "0123456789");
    assertEquals(textOf(await node.ask("EXISTS", `more${KEY}`)), "0");
  });

  await step("an AUTH after a blocking command, and the requests after it", async (nat, client) => {
    await block(node, client, wire("AUTH", "x") + wire("INCR", `more${KEY}`));
    await stop(nat);
    await node.order("RPUSH", KEY, "value");
    // Redis 8.0 and Valkey 8.1 drop the error.
    assertMatch(
      await lastWords(client),
      /^\*2\r\n.*value\r\n(-(ERR|WRONGPASS) [^\r\n]+\r\n)?:1\r\n$/s,
    );
  });

  await step("the results of a transaction", async (nat, client) => {
    const exec = wire("EXEC");
    await client.send(wire("MULTI") + wire("INCR", KEY) + wire("CLUSTER", "SLOTS"));
    await client.send(exec.slice(0, -1));
    await client.readFrames(3);
    await stop(nat);
    await client.send(exec.slice(-1));
    const results = await lastWords(client);
    assert(results.startsWith("*2\r\n:1\r\n*2\r\n"), results);
    assert(!results.includes(node.host), results);
  });

  await step("a request of a client that has shut down its side", async (nat, client) => {
    await client.send(wire("SET", KEY, "1").slice(0, -1));
    using last = await WireClient.connect(AT, nat.portOf(node));
    await last.ask("PING");
    await stop(nat);
    await client.send("\n");
    await client.closeWrite();
    assertEquals(await lastWords(client), "+OK\r\n");
  });

  await step("a program that stops accepts no more clients", async (nat, client) => {
    await block(node, client);
    await stop(nat);
    await until("its port is closed", () => isRefused(nat.portOf(node)));
    await node.order("RPUSH", KEY, "value");
    assertMatch(await lastWords(client), /value\r\n$/);
  });

  await step("two signals at once count as one", async (nat, client) => {
    await block(node, client);
    nat.signal("SIGINT");
    nat.signal("SIGINT");
    await nat.untilLogged(/Stopping/);
    await node.order("RPUSH", KEY, "value");
    assertMatch(await lastWords(client), /value\r\n$/);
  });

  await step("a second signal ends the program at once", async (nat, client) => {
    await block(node, client);
    await stop(nat);
    // The first of these may come too soon to count as a second one.
    const hasEnded = () => nat.code !== undefined || (nat.signal("SIGTERM"), false);
    await until("it has ended", hasEnded, SOON_MS);
    assertEquals(await client.readToEnd(), "");
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
    await assertStopsWithin(AT_ONCE_MS, nat, async () => {
      for (const [name, client] of clients) {
        const said = await lastWords(client);
        // It sees the commands of the others.
        if (name !== "one that watches") assertEquals(said, "", name);
        client.close();
      }
    });
    assertEquals(textOf(await node.ask("EXISTS", KEY)), "0");
  });

  await t.step("a pooled client that does not notice delays the stop only briefly", async () => {
    await using nat = await start(node, LONG_GRACE);
    using client = await WireClient.connect(AT, nat.portOf(node));
    await client.ask("PING");
    await assertStopsWithin(SOON_MS, nat);
    assertEquals(await lastWords(client), "");
  });

  await t.step("a stop without clients takes no time", async () => {
    await using nat = await start(node, LONG_GRACE);
    await assertStopsWithin(AT_ONCE_MS, nat);
  });

  await t.step("with --drain-delay its ports stay open for that time first", async () => {
    await using nat = await start(node, LONG_GRACE, "--drain-delay=400ms", STATUS_FLAG);
    using client = await WireClient.connect(AT, nat.portOf(node));
    await client.ask("PING");
    const stoppedMs = performance.now();
    nat.signal("SIGTERM");
    await nat.untilLogged(/Stopping in 400 ms \(--drain-delay\)/);
    assertEquals((await getStatus(nat, "/readyz")).status, 503);
    using late = await WireClient.connect(AT, nat.portOf(node));
    for (const served of [client, late]) assertEquals(textOf(await served.ask("PING")), "PONG");
    for (const served of [client, late]) assertEquals(await lastWords(served), "");
    const tookMs = performance.now() - stoppedMs;
    assert(tookMs > 390, `The clients were closed after ${tookMs} ms`);
    client.close();
    late.close();
    await nat.endedInOrder();
  });

  await t.step("a second signal ends that delay, and the program, at once", async () => {
    await using nat = await start(node, LONG_GRACE, "--drain-delay=60s");
    nat.signal("SIGTERM");
    await nat.untilLogged(/Stopping in 60000 ms/);
    const hasEnded = () => nat.code !== undefined || (nat.signal("SIGTERM"), false);
    await until("it has ended", hasEnded, SOON_MS);
    await nat.endedInOrder();
  });
});

Deno.test("a slow client has time to read its last replies", async () => {
  await using scene = await Scene.start();
  const [slow, prompt] = [await scene.open(PING), await scene.open(PING)];
  const { proxy } = scene.proxy;
  const stopping = proxy.stop(30_000);
  // The socket buffers hold all of it.
  const value = `$${256 * 1024}\r\n${"x".repeat(256 * 1024)}\r\n`;
  for (const [{ peer }, reply] of [[slow, value], [prompt, PONG]] as const) {
    await peer.send(reply);
    assertEquals(await peer.readToEnd(), "");
    peer.close();
  }
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
