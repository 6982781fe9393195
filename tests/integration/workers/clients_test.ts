import { assert, assertEquals } from "@std/assert";
import { textOf, type Value } from "../../../src/resp/frame.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { onLinux } from "../../support/platform.ts";
import { WireClient } from "../../support/wire.ts";
import { AT, connectIn, threadedNat, threadOf } from "./threaded.ts";

const CLIENTS = 600;

/**
 * By how much the share of a thread may differ from half: six standard deviations of a fair choice
 * between two, so an even distribution fails once in a hundred million runs.
 */
const DEVIATION = 6 * Math.sqrt(CLIENTS / 4);

const LINES = 100;

/** More than the buffer of a pipe, so a line takes several writes. */
const LONG = "x".repeat(100_000);

onLinux.test("two threads get as many clients each, and their log lines do not interleave", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const flags = ["--debug", "--read-buffer-byte-size=262144"];
  await using nat = await threadedNat(cluster.nodes[0]!, flags).ready();
  const ports = [...nat.mapping.values()];

  await t.step("the kernel distributes clients evenly, and each thread serves", async () => {
    using stack = new DisposableStack();
    const counts = new Map<number, number>();
    for (let at = 0; at < CLIENTS; at++) {
      const client = stack.use(await WireClient.connect(AT, ports[at % ports.length]!));
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
      const thread = await threadOf(nat, client);
      counts.set(thread, (counts.get(thread) ?? 0) + 1);
    }
    assertEquals([...counts.keys()].sort(), [1, 2]);
    const most = Math.max(...counts.values());
    assert(most - CLIENTS / 2 < DEVIATION, `One thread serves ${most} of ${CLIENTS} clients`);
  });

  await t.step("each line of the log is whole", async () => {
    await Promise.all([1, 2].map(async (thread) => {
      using client = await connectIn(thread, nat, ports[0]!);
      for (let at = 0; at < LINES; at++) await client.ask("ECHO", `${thread}${LONG}`);
    }));
    nat.signal("SIGTERM");
    const { stderr } = await nat.ended();
    const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
    for (const thread of [1, 2]) {
      const echoed = lines.filter((line) =>
        line.thread === thread && line.message.includes(`${thread}xxx`)
      );
      assert(echoed.length >= 2 * LINES, `${echoed.length} lines of thread ${thread}`);
    }
  });
});

/** The address of each client in CLIENT LIST, by its name. */
function addressesIn(list: Value): Map<string, string> {
  const lines = textOf(list)!.matchAll(/^id=.* addr=(\S+) .* name=(\S+) /gm);
  return new Map([...lines].map(([, address, name]) => [name!, address!]));
}

onLinux.test("CLIENT LIST and CLIENT KILL cover the clients of all threads", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await threadedNat(node, ["--threads=3"]).ready();
  using stack = new DisposableStack();
  const connect = async (thread: number) =>
    stack.use(await connectIn(thread, nat, nat.portOf(node)));
  const clients = new Map<number, WireClient>();
  for (const thread of [1, 2, 3]) {
    const client = await connect(thread);
    await client.ask("CLIENT", "SETNAME", `thread-${thread}`);
    clients.set(thread, client);
  }

  for (const [thread, client] of clients) {
    await t.step(`in thread ${thread}`, async () => {
      const addresses = addressesIn(await client.ask("CLIENT", "LIST"));
      for (const [other, { localAddress }] of clients) {
        assertEquals(addresses.get(`thread-${other}`), localAddress);
        const list = await client.ask("CLIENT", "LIST", "ADDR", localAddress);
        // Servers before 6.2 have no such filter.
        if (list.type === "-") continue;
        assertEquals([...addressesIn(list)], [[`thread-${other}`, localAddress]]);
      }
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
