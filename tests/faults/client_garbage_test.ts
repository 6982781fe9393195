import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { startProxy } from "../support/proxy.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const PING = "*1\r\n$4\r\nPING\r\n";

/** Bytes that a server rejects or reads differently than they look. */
const GARBAGE: Record<string, string> = {
  "HTTP": "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "a POST, which servers take for an attack": "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
  "TLS": "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n",
  "zeros and a line break": "\0\0\0\0\r\n",
  "a count in words": "*five\r\n",
  "a count too high": "*2147483648\r\n",
  "a count that is no number": "*1\n\n$4\r\nPING\r\n",
  "a length below zero": "*1\r\n$-1\r\n",
  "a length too high": "*1\r\n$9223372036854775807\r\n",
  "a length in words": "*2\r\n$4\r\nECHO\r\n$x\r\n",
  "no bulk where one should be": `${PING}*1\r\n*1\r\n*1\r\n`,
  "a status as a request": "+OK\r\n",
  "requests behind garbage": `${PING}*1\r\n:1\r\n${PING}`,
  "quotes out of balance": '"PING\r\n',
  "an empty line and a request": `\r\n\r\n${PING}`,
  "an inline line without an end": `${PING}${"a".repeat(200_000)}`,
  "a header without an end": `${PING}*${"1".repeat(200_000)}`,
};

Deno.test("garbage from a client gets the node's reply", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const node = cluster.nodes[0]!;
  using other = await WireClient.connect(proxy.host, proxy.portOf(node));

  async function talk(host: string, port: number, text: string): Promise<string> {
    using client = await WireClient.connect(host, port);
    try {
      await client.send(text);
      await client.closeWrite();
    } catch {
      // The node has closed the connection.
    }
    return await client.readToEnd();
  }
  async function assertSame(text: string): Promise<void> {
    const straight = await talk(node.host, node.port, text);
    const sent = `sent ${JSON.stringify(text.slice(0, 300))}`;
    assertEquals(await talk(proxy.host, proxy.portOf(node), text), straight, sent);
    assertEquals(await other.ask("PING"), { type: "+", text: "PONG" });
  }

  for (const [what, text] of Object.entries(GARBAGE)) {
    await t.step(what, () => assertSame(text));
  }

  const seed = testSeed();
  await t.step(`random bytes, with TEST_SEED=${seed}`, async () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 100; round++) {
      let text = "";
      for (let left = 1 + random.int(12); left > 0; left--) text += random.pick(SHREDS);
      await assertSame(text);
    }
  });

  await t.step("leaves nothing open", async () => {
    other.close();
    await until("no client is connected", () => proxy.proxy.sessionCount === 0);
    await until("the node has forgotten all", async (saw) => {
      const list = await node.ask("CLIENT", "LIST");
      saw(list);
      assert("text" in list && list.text !== null);
      return list.text.trim().split("\n").length === 1;
    });
  });
});

/** Pieces of nearly valid requests. */
const SHREDS = [
  "*1\r\n",
  "*2\r\n",
  "*-1\r\n",
  "$4\r\n",
  "$0\r\n",
  "PING",
  "ECHO",
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "'",
  '"',
  "*",
  "$",
  "\xff",
  PING,
];
