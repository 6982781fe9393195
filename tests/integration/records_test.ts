import { assert, assertMatch, assertStringIncludes } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { startProxy } from "../support/proxy.ts";
import { WireClient } from "../support/wire.ts";

Deno.test("records of a node show no private address", async (t) => {
  // From its start on a node notes how it is made to meet others, and what these send to it.
  await using cluster = await RedisCluster.start({
    directives: { "slowlog-log-slower-than": "0", "slowlog-max-len": "10000" },
  });
  await using proxy = await startProxy(cluster);
  const other = cluster.primaries[1]!;
  for (const node of [cluster.primaries[0]!, cluster.replicas[0]!]) {
    const own = `${proxy.portOf(node)}`;
    using client = await WireClient.connect("127.0.0.1", proxy.portOf(node));
    const [host, port] = [proxy.host, `${proxy.portOf(other)}`];
    await client.ask("CLUSTER", "MEET", host, port);
    await client.ask("MIGRATE", host, port, "a{b}", "0", "1000");
    await client.ask("CLIENT", "LIST", "LADDR", `${proxy.host}:${own}`);
    await client.ask("CLIENT", "KILL", "ADDR", client.localAddress, "SKIPME", "yes");
    await client.ask("ACL", "SETUSER", "nobody", "on", "nopass", "+ping");
    using denied = await WireClient.connect("127.0.0.1", proxy.portOf(node));
    await denied.ask("AUTH", "nobody", "nobody");
    assertMatch(await frameOf(denied, "GET", "a"), /^-NOPERM /);

    const queries: [query: string[], hidden: string, shows: RegExp[]][] = [
      [["SLOWLOG", "GET", "10000"], other.host, [
        phrase("MEET", host, port),
        phrase("KILL", "ADDR", client.localAddress),
        // As words, and as the address of who sent them.
        phrase("LADDR", `${host}:${own}`, client.localAddress),
        // A replica does not carry it out.
        ...node.role === "primary" ? [phrase("MIGRATE", host, port)] : [],
      ]],
      [["ACL", "LOG"], node.address, [
        new RegExp(`addr=${denied.localAddress} laddr=${host}:${own} `),
      ]],
    ];
    for (const protocol of ["2", "3"]) {
      await client.ask("HELLO", protocol);
      for (const [query, hidden, shows] of queries) {
        const name = `${query.join(" ")} of a ${node.role} in RESP${protocol}`;
        await t.step(`${name}, alone and inside EXEC`, async () => {
          // Whoever asks straight is told.
          using straight = await WireClient.connect(node.host, node.port);
          assertStringIncludes(await frameOf(straight, ...query), hidden);
          const alone = await frameOf(client, ...query);
          await client.send(words("MULTI") + words(...query) + words("EXEC"));
          const [, , inside] = await client.readFrames(3);
          for (const frame of [alone, inside!]) {
            for (const pattern of shows) assertMatch(frame, pattern);
            for (const { host, address } of cluster.nodes) {
              assert(!frame.includes(address), `${address} is in ${frame}`);
              assert(host === proxy.host || !frame.includes(host), `${host} is in ${frame}`);
            }
          }
        });
      }
    }
  }
});

/** The bulks one behind the other. */
function phrase(...texts: string[]): RegExp {
  return new RegExp(
    texts.map((text) => `\\$${text.length}\r\n${RegExp.escape(text)}\r\n`).join(""),
  );
}

function words(...words: string[]): string {
  return toLatin1(encodeRequest(words));
}

async function frameOf(client: WireClient, ...query: string[]): Promise<string> {
  await client.send(words(...query));
  const [frame] = await client.readFrames(1);
  return frame!;
}
