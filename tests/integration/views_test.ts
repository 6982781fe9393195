import { assert, assertEquals, assertThrows } from "@std/assert";
import { createViews } from "../../src/nat/public_view.ts";
import { formatHostPort, type HostPort, splitAddress } from "../../src/platform/address.ts";
import { ListenError } from "../../src/proxy/listener.ts";
import { listenInAll } from "../../src/proxy/view_listeners.ts";
import { textOf } from "../../src/resp/frame.ts";
import { AnsweringNode, viewAnswers } from "../support/answering_node.ts";
import { RedisCluster } from "../support/cluster.ts";
import { Forwarder } from "../support/forwarder.ts";
import { CLUSTER_LISTINGS, idAt } from "../support/named_nodes.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts, isRefused } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { PROXY_HOSTS } from "../support/tls.ts";
import { THREADS } from "../support/threads.ts";
import { idOf } from "../support/views.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import { IoredisClient } from "./clients/ioredis.ts";
import { NodeRedisClient } from "./clients/node_redis.ts";

const CLIENTS = { "ioredis": IoredisClient.connect, "node-redis": NodeRedisClient.connect };

const KEYS = Array.from({ length: 50 }, (_, index) => `key:${index}`);

/** Enough that some of the keys are in one. */
const MOVED_SLOTS = Array.from({ length: 1000 }, (_, slot) => slot);

const HOST = "127.0.0.1";

/** Only Linux has all addresses of 127.0.0.0/8. */
const [OTHER_HOST, THIRD_HOST] = Deno.build.os === "linux" ? PROXY_HOSTS : [HOST, HOST];

/** Addresses of this machine. */
const HOSTS = new Set([HOST, THIRD_HOST, "::1"]);

/** The first ports of two ranges that are free. */
function freeRanges(count: number): [first: number, second: number] {
  const first = findFreePorts(2 * count);
  return [first, first + count];
}

Deno.test("what clients are shown", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const [seed] = cluster.nodes;
  /** One port is for a node that joins. */
  const count = cluster.nodes.length + 1;

  await t.step("clients behind a forwarder that changes ports use the whole cluster", async () => {
    const [listen, first] = freeRanges(count);
    const shown = new Set(Array.from({ length: count }, (_, at) => `${HOST}:${first + at}`));
    await using _forwarder = new Forwarder({ from: first, to: listen }, count);
    await using proxy = await startProxy(cluster, {
      listen: { host: HOST, port: listen },
      maxNodes: count,
      firstPublicPort: first,
    });
    const port = proxy.portOf(seed!) - listen + first;
    await using stack = new AsyncDisposableStack();
    const clients = await Promise.all(
      Object.values(CLIENTS).map(async (connect) =>
        stack.use(await connect({ host: HOST, port, protocol: 3, throughOutages: true }))
      ),
    );
    const useAll = async (what: string) => {
      for (const client of clients) {
        for (const key of KEYS) {
          assertEquals(String(await client.command(key, "SET", key, what)), "OK");
          assertEquals(String(await client.command(key, "GET", key)), what);
        }
        const { addresses } = client;
        assert(addresses.every((address) => shown.has(address)), addresses.join(" "));
      }
    };
    await useAll("before");

    const added = await cluster.add();
    await cluster.moveSlots(MOVED_SLOTS, seed!, added);
    await useAll("after");

    await assertShown({ host: HOST, port }, shown);
  });

  await t.step("clients of each view are shown addresses of that view only", async () => {
    const nodes = cluster.nodes.length;
    const [first, second] = freeRanges(nodes);
    const outside = { name: "outside", listen: { host: OTHER_HOST, port: second } };
    await using proxy = await startProxy(cluster, {
      listen: { host: HOST, port: first },
      maxNodes: nodes,
      otherViews: [{ ...outside, publicHost: outside.listen.host }],
    });
    for (const { host, port } of [{ host: HOST, port: first }, outside.listen]) {
      const shown = Array.from({ length: nodes }, (_, at) => `${host}:${port + at}`);
      const seed = { host, port: proxy.portOf(cluster.nodes[0]!) - first + port };
      await assertShown(seed, new Set(shown));
      for (const connect of Object.values(CLIENTS)) {
        await using client = await connect({ ...seed, protocol: 3 });
        for (const key of KEYS) await client.command(key, "SET", key, host);
        assertEquals(new Set(client.addresses).difference(new Set(shown)), new Set());
      }
    }
  });

  await t.step("a client is shown the address that it has connected to", async () => {
    const nodes = cluster.nodes.length;
    const first = findFreePorts(nodes);
    const listen = { host: "", port: first };
    await using proxy = await startProxy(cluster, { listen, publicHost: undefined });
    for (const host of HOSTS) {
      const shown = Array.from({ length: nodes }, (_, at) => `${host}:${first + at}`);
      const seed = { host, port: proxy.portOf(cluster.nodes[0]!) };
      await assertShown(seed, new Set(shown));
      for (const connect of Object.values(CLIENTS)) {
        await using client = await connect({ ...seed, protocol: 3 });
        for (const key of KEYS) await client.command(key, "SET", key, host);
        assertEquals(new Set(client.addresses).difference(new Set(shown)), new Set());
      }
    }
  });

  await t.step("a node that joins gets the next port if one is in use in any view", async () => {
    const nodes = cluster.nodes.length;
    const [first, second] = freeRanges(nodes + 2);
    const listen = { host: OTHER_HOST!, port: second };
    await using proxy = await startProxy(cluster, {
      listen: { host: HOST, port: first },
      maxNodes: nodes + 2,
      otherViews: [{ name: "outside", listen, publicHost: listen.host }],
      refreshIntervalMs: 250,
    });
    using _taken = Deno.listen({ hostname: listen.host, port: second + nodes });
    const added = await cluster.add();
    const port = await until("the node has a port", () => {
      return proxy.ports.length > nodes && proxy.portOf(added);
    });
    assertEquals(port, first + nodes + 1);
    assertEquals(await idAt(HOST, port), added.id);
    assertEquals(await idAt(listen.host, port - first + second), added.id);
    assert(await isRefused(first + nodes));
  });
});

/** Checks what a client gets of a port: addresses in listings and redirects, and a translated one. */
async function assertShown(seed: HostPort, shown: ReadonlySet<string>): Promise<void> {
  using client = await WireClient.connect(seed.host, seed.port);
  for (const { subcommand, named } of CLUSTER_LISTINGS) {
    const nodes = named(await client.ask("CLUSTER", subcommand));
    const addresses = nodes.flatMap(({ port, hosts }) => hosts.map((host) => `${host}:${port}`));
    assertEquals(new Set(addresses).difference(shown), new Set(), subcommand);
  }
  const answers = await client.askAll(KEYS.map((key) => ["GET", key]));
  const moved = answers.flatMap((answer) => answer.type === "-" ? [answer.text] : []);
  assert(moved.length > 0);
  for (const text of moved) {
    const { host, port } = splitAddress(text.split(" ")[2]!)!;
    assert(shown.has(`${host}:${port}`), text);
  }
  const info = textOf(await client.ask("CLIENT", "INFO"))!;
  assert(info.includes(` laddr=${formatHostPort(seed)} `), info);
}

Deno.test("a port that is in use in one view is opened in none", async () => {
  const [first, second] = freeRanges(1);
  const views = createViews({
    listen: { host: HOST, port: first },
    publicHost: HOST,
    otherViews: [{ name: "b", listen: { host: HOST, port: second }, publicHost: HOST }],
  });
  using _taken = Deno.listen({ hostname: HOST, port: second });
  assertThrows(
    () => listenInAll(views, first),
    ListenError,
    `Cannot listen on ${HOST}:${second}: the port is in use by another program; free it, or ` +
      "change --view or --port-map",
  );
  assert(await isRefused(first));
});

Deno.test("the program shows each view its addresses, in its log and on stdout", async () => {
  const [A, B] = ["a", "b"].map(idOf);
  await using node = new AnsweringNode();
  node.answers = {
    ...viewAnswers([
      `${A} ${node.host}:${node.port}@17000 myself,master - 0 0 1 connected 0-8191`,
      `${B} 127.0.0.9:7001@17001 master - 0 0 2 connected 8192-16383`,
    ]),
    GET: "-MOVED 9000 127.0.0.9:7001\r\n",
  };
  const [first, second] = freeRanges(2);
  await using nat = await new NatProcess([
    ...[`--cluster-addr=${formatHostPort(node)}`, `--listen-addr=${HOST}:${first}`],
    ...[
      "--max-nodes=2",
      "--public-host=inside.example",
      `--threads=${THREADS}`,
      "--log-level=debug",
    ],
    `--view=outside=${OTHER_HOST}:${second},outside.example,31000`,
  ]).ready();
  const lines = [
    `Listening on: ${HOST}:${first} proxy to: ${formatHostPort(node)} view: default`,
    `Listening on: ${HOST}:${first + 1} proxy to: 127.0.0.9:7001 view: default`,
    `Listening on: ${OTHER_HOST}:${second} proxy to: ${formatHostPort(node)} public port: 31000 ` +
    "view: outside",
  ];
  for (const line of lines) assert(nat.stdout.includes(`${line}\n`), nat.stdout);
  const views = [[HOST, first, `inside.example:${first + 1}`], [
    OTHER_HOST,
    second,
    "outside.example:31001",
  ]] as const;
  for (const [host, port, shown] of views) {
    // With this many clients each of several threads has some.
    for (let times = 0; times < 20; times++) {
      using client = await WireClient.connect(host, port);
      assertEquals(await client.ask("GET", "k"), { type: "-", text: `MOVED 9000 ${shown}` });
    }
  }
  await nat.untilLogged(/Client \d+ disconnected \(view default\)/);
  await nat.untilLogged(/Client \d+ at \S+ is connected to node .* \(view outside\)/);
});
