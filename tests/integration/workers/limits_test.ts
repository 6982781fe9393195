import { assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { onLinux } from "../../support/platform.ts";
import { assertTooMany, REFUSAL } from "../../support/refusal.ts";
import { type Pair, PING, PONG, SLOTS } from "../../support/scripted_node.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, threadedNat, ThreadedScene, threadOf } from "./threaded.ts";

onLinux.test("--max-connections counts the clients of all threads exactly", async () => {
  const [most, coming] = [30, 200];
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using nat = await threadedNat(cluster.nodes[0]!, [`--max-connections=${most}`]).ready();
  const ports = [...nat.mapping.values()];
  using stack = new DisposableStack();
  const connect = async (at = 0) => {
    const port = ports[at % ports.length]!;
    const client = await WireClient.connect(AT, port).catch(() => undefined);
    // With TLS a client is refused in the handshake.
    if (client === undefined) return { said: REFUSAL };
    stack.use(client);
    await client.send(PING);
    return { client, said: await client.readUntil("\r\n") };
  };
  // Both threads have clients, even if one is faster to accept all others.
  const threads = new Set<number>();
  let early = 0;
  for (; threads.size < 2; early++) {
    const { client, said } = await connect(early);
    assertEquals(said, PONG);
    threads.add(await threadOf(nat, client!));
  }
  const clients = await Promise.all(Array.from({ length: coming }, (_, at) => connect(at)));
  const served = clients.filter(({ said }) => said === PONG);
  assertEquals(early + served.length, most);
  assertEquals(clients.filter(({ said }) => said === REFUSAL).length, coming - served.length);

  // When one leaves, one more may connect, in any thread.
  for (const { client } of served.slice(0, 10)) {
    client!.close();
    const next = await until("one more client is accepted", async () => {
      const { client, said } = await connect();
      return said === PONG && client;
    });
    await assertTooMany(WireClient.connect(AT, ports[0]!));
    assertEquals(await next.ask("PING"), { type: "+", text: "PONG" });
  }
});

onLinux.test("--capture-limit counts the captures of all threads together", async () => {
  await using scene = await ThreadedScene.start(["--capture-limit=1048576"]);
  // More than half of the limit, and the rest of the reply.
  const [much, rest] = [`*1\r\n$900000\r\n${"x".repeat(700_000)}`, `${"x".repeat(200_000)}\r\n`];
  const ask = async ({ client, peer }: Pair) => {
    await client.send(SLOTS);
    await peer.readUntil(SLOTS);
    await peer.send(much);
  };
  const assertCompleted = async ({ client, peer }: Pair) => {
    await peer.send(rest);
    assertEquals((await client.readFrames(1))[0]!.length, much.length + rest.length);
  };

  // One after the other: if both start at once, both may exceed the limit.
  const other = await scene.openIn(1);
  await ask(other);
  const late = await scene.openIn(2);
  // The connection may be closed before all is sent.
  await Promise.allSettled([ask(late)]);
  const error = /^-ERR Captured replies need more than the .*\r\n$/;
  assertMatch(await late.client.readToEnd(), error);
  await assertCompleted(other);

  // The memory is released, in both threads.
  for (const thread of [1, 2]) {
    const next = await scene.openIn(thread);
    await ask(next);
    await assertCompleted(next);
  }
});
