import { assert, assertEquals } from "@std/assert";
import { textOf, type Value } from "../../../src/resp/frame.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { AT, connectIn, ON_LINUX, threadedNat } from "./threaded.ts";

/** The address of each client in CLIENT LIST, by its name. */
function addressesIn(list: Value): Map<string, string> {
  const lines = textOf(list)!.matchAll(/^id=.* addr=(\S+) .* name=(\S+) /gm);
  return new Map([...lines].map(([, address, name]) => [name!, address!]));
}

Deno.test("CLIENT LIST and CLIENT KILL cover the clients of all threads", ON_LINUX, async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await threadedNat(node, ["--threads=3"]).ready();
  const port = nat.mapping.get(node.address)!;
  using stack = new DisposableStack();
  const connect = async (thread: number) => stack.use(await connectIn(thread, nat, port));
  const clients = new Map<number, Awaited<ReturnType<typeof connect>>>();
  for (const thread of [1, 2, 3]) {
    const client = await connect(thread);
    await client.ask("CLIENT", "SETNAME", `thread-${thread}`);
    clients.set(thread, client);
  }

  for (const [thread, client] of clients) {
    await t.step(`CLIENT LIST in thread ${thread}`, async () => {
      const addresses = addressesIn(await client.ask("CLIENT", "LIST"));
      for (const [other, { localAddress }] of clients) {
        assertEquals(addresses.get(`thread-${other}`), localAddress);
      }
    });

    await t.step(`CLIENT LIST ADDR in thread ${thread}`, async () => {
      for (const [other, { localAddress }] of clients) {
        const list = await client.ask("CLIENT", "LIST", "ADDR", localAddress);
        // Servers before 6.2 have no such filter.
        if (list.type === "-") continue;
        assertEquals([...addressesIn(list)], [[`thread-${other}`, localAddress]]);
      }
    });

    await t.step(`CLIENT KILL in thread ${thread}`, async () => {
      for (const other of clients.keys()) {
        if (other === thread) continue;
        for (const form of [["ADDR"], []]) {
          const victim = await connect(other);
          const killed = await client.ask("CLIENT", "KILL", ...form, victim.localAddress);
          assert(killed.type === ":" || textOf(killed) === "OK", Deno.inspect(killed));
          assertEquals(await victim.readToEnd(), "");
        }
      }
    });
  }

  await t.step("the address of a client that is not the proxy's is hidden", async () => {
    using direct = await node.connect();
    const [, directPort] = direct.localAddress.split(":");
    await direct.ask("CLIENT", "SETNAME", "direct");
    const addresses = addressesIn(await clients.get(2)!.ask("CLIENT", "LIST"));
    assertEquals(addresses.get("direct"), `${AT}:${directPort}`);
  });
});
