import { assertEquals, assertMatch } from "@std/assert";
import { textOf } from "../../../src/resp/frame.ts";
import { halt, RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { getStatus, STATUS_FLAG, statusAddress } from "../../support/status.ts";
import { until } from "../../support/until.ts";
import { wire, WireClient } from "../../support/wire.ts";

Deno.test("health, readiness and the nodes are served over HTTP", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const halted = halt(node);
  const flags = [`--cluster-addr=${node.address}`, "--listen-addr=127.0.0.1:0", STATUS_FLAG];
  await using nat = new NatProcess([...flags, "--shutdown-grace=30s"], { orderly: true });
  const get = (path: string) => getStatus(nat, path);
  const assertUnready = async (reason: RegExp) => {
    const { status, text } = await until("it is not ready", async (saw) => {
      const answer = await get("/readyz");
      saw(answer);
      return answer.status === 503 && reason.test(answer.text) && answer;
    });
    assertEquals([status, text.split("\n").length], [503, 2]);
    assertEquals((await get("/healthz")).status, 200);
  };

  await t.step("before the start is done", async () => {
    await assertUnready(/^The start is not done: .*\n$/);
  });

  halted[Symbol.dispose]();
  await nat.ready();

  await t.step("while a node answers", async () => {
    assertEquals((await get("/readyz")).status, 200);
    const { status, text, type } = await get("/nodes");
    assertEquals([status, type], [200, "application/json; charset=utf-8"]);
    const { nodes } = JSON.parse(text);
    assertEquals(nodes, [{
      id: node.id,
      role: "primary",
      private: { host: node.host, port: node.port },
      public: { host: "127.0.0.1", port: nat.portOf(node) },
    }]);
    const page = await get("/");
    assertEquals([page.status, page.type], [200, "text/html; charset=utf-8"]);
    assertMatch(page.text, new RegExp(`>127.0.0.1<wbr>:${nat.portOf(node)}<`));
    const types = await Promise.all(["/page.css", "/page.js"].map(get));
    assertEquals(types.map(({ type }) => type), [
      "text/css; charset=utf-8",
      "text/javascript; charset=utf-8",
    ]);
    assertEquals((await get("/other")).status, 404);
  });

  await t.step(
    "to programs of this machine, and to no web page under a name of its own",
    async () => {
      const { host, port } = await statusAddress(nat);
      const hosts = { "127.0.0.1:1": 200, "[::1]": 200, "localhost:1": 200, "evil.example": 403 };
      for (const [name, status] of Object.entries(hosts)) {
        using client = await WireClient.connectTcp(host, port);
        await client.send(`GET /nodes HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
        assertMatch(await client.readToEnd(), new RegExp(`^HTTP/1.1 ${status} `));
      }
    },
  );

  await t.step("while the node accepts connections and does not answer", async () => {
    using _halted = halt(node);
    await assertUnready(/^No node answers/);
  });

  await t.step("until it is stopping", async () => {
    await until("it is ready again", async () => (await get("/readyz")).status === 200);
    using client = await WireClient.connect("127.0.0.1", nat.portOf(node));
    await client.send(wire("BLPOP", "key", "2"));
    await until(
      "the request has come",
      async () => textOf(await node.ask("CLIENT", "LIST"))?.includes("cmd=blpop"),
    );
    nat.signal("SIGTERM");
    await assertUnready(/^The proxy is stopping\n$/);
    assertMatch(await client.readToEnd(), /^\*-1\r\n$/);
  });
});
