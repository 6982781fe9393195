import { assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { type Pair, PING, PONG, ScriptedNode, SLOTS } from "../../support/scripted_node.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, ON_LINUX, openIn, startScripted, threadedNat, threadOf } from "./threaded.ts";

const REFUSAL = "-ERR max number of clients reached\r\n";

Deno.test(
  "--max-connections counts the clients of all threads exactly",
  ON_LINUX,
  async () => {
    const [most, coming] = [30, 200];
    await using cluster = await RedisCluster.start({ replicasEach: 0 });
    await using nat = await threadedNat(cluster.nodes[0]!, [`--max-connections=${most}`]).ready();
    const ports = [...nat.mapping.values()];
    using stack = new DisposableStack();
    const clients = await Promise.all(
      Array.from({ length: coming }, async (_, at) => {
        const client = stack.use(await WireClient.connect(AT, ports[at % ports.length]!));
        await client.send(PING);
        return { client, said: await client.readUntil("\r\n") };
      }),
    );
    const served = clients.filter(({ said }) => said === PONG);
    assertEquals(served.length, most);
    assertEquals(clients.filter(({ said }) => said === REFUSAL).length, coming - most);
    const threads = new Set<number>();
    for (const { client } of served) threads.add(await threadOf(nat, client));
    assertEquals(threads.size, 2);

    // When one leaves, one more may connect, in any thread.
    for (const { client } of served.slice(0, 10)) {
      client.close();
      const next = await until("one more client is accepted", async () => {
        const next = stack.use(await WireClient.connect(AT, ports[0]!));
        await next.send(PING);
        return await next.readUntil("\r\n") === PONG && next;
      });
      const late = stack.use(await WireClient.connect(AT, ports[0]!));
      assertEquals(await late.readToEnd(), REFUSAL);
      assertEquals(await next.ask("PING"), { type: "+", text: "PONG" });
    }
  },
);

Deno.test("--capture-limit counts the captures of all threads together", ON_LINUX, async () => {
  await using node = await ScriptedNode.start();
  await using nat = await startScripted(node, ["--capture-limit=1048576"]);
  // More than half of the limit, and the rest of the reply.
  const [much, rest] = [`*1\r\n$900000\r\n${"x".repeat(700_000)}`, `${"x".repeat(200_000)}\r\n`];
  const ask = async ({ client, peer }: Pair) => {
    await client.send(SLOTS);
    await peer.readUntil(SLOTS);
    await peer.send(much);
  };
  using stack = new DisposableStack();
  const open = async (thread: number) => {
    const pair = await openIn(thread, nat, node);
    stack.use(pair.client);
    return pair;
  };

  // One after the other: if both start at once, both may exceed the limit.
  const other = await open(1);
  await ask(other);
  const late = await open(2);
  // The connection may be closed before all is sent.
  await Promise.allSettled([ask(late)]);
  assertMatch(
    await late.client.readToEnd(),
    /^-ERR Captured replies need more than the .*\r\n$/,
  );
  await other.peer.send(rest);
  assertEquals((await other.client.readFrames(1))[0]!.length, much.length + rest.length);

  // The memory is released, in both threads.
  for (const thread of [1, 2]) {
    const next = await open(thread);
    await ask(next);
    await next.peer.send(rest);
    assertEquals((await next.client.readFrames(1))[0]!.length, much.length + rest.length);
  }
});
